"""An order that is cancelled or deleted while its money comes in, on a stack where staff record what came."""

from collections.abc import AsyncIterator
from functools import partial

import pytest
from lumi.orders.v1.order_pb2 import ORDER_STATUS_CANCELLED
from lumi_client import Session, amount

from lumi_local import testing
from tests.kit.waiting import until
from tests.races.floor import MANUAL, Floor
from tests.races.race import CALLERS, after, answers, race, refusals, rounds, told

HALF, THIRD = CALLERS // 2, CALLERS // 3

# What there is of an order: itself, what is at it, its payments that have not failed, all of its payments.
_STANDING = """
    select (select status::text from orders.orders where id = $1),
        (select count(*) from orders.checkouts where order_id = $1),
        (select count(*) from payments.payments where order_id = $1 and status <> 'FAILED'),
        (select count(*) from payments.payments where order_id = $1)
"""


@pytest.fixture(scope="module")
async def till() -> AsyncIterator[Floor]:
    """The floor of a stack where no money settles by itself."""
    by_hand = {"LUMI_MANUAL_PAYMENTS": "record"}
    with testing.own_environment() as settings, testing.running_stack(settings | by_hand) as stack:
        async with Floor.opened(stack) as floor:
            yield floor


@rounds
@pytest.mark.parametrize("by_staff", [False, True], ids=["by its buyer", "by staff"])
async def test_an_order_that_is_cancelled_while_its_money_comes_keeps_none_of_it(
    till: Floor, by_staff: bool, number: int
) -> None:
    soup, coupon, ada = await till.put(5), await till.coupon(), await till.buyer()
    cart = await ada.fill((soup, 2), coupon=coupon.code)
    placed = await ada.placing(cart)()
    order, total = placed.order.id, placed.order.total_amount
    canceller: Session = till.staff if by_staff else ada.session
    clerks, cancellers = till.lines.of(till.staff)[:HALF], till.lines.of(canceller)[HALF:]
    # Giving back comes only after the order is CANCELLED, so that somebody has to hesitate to come too late.
    recording = [
        after(
            number % 5,
            partial(each.payments.get_payment, id=placed.payment_id),
            partial(each.payments.record_manual_payment, id=placed.payment_id, amount=total),
        )
        for each in clerks
    ]
    cancelling = [partial(each.orders.cancel_order, id=order) for each in cancellers]

    outcomes = await race(*recording, *cancelling)

    recorded, cancelled = outcomes[:HALF], outcomes[HALF:]
    # An order can be cancelled whether its money has come or not; the money comes once, or is no longer waited for.
    assert told(cancelled) == {"": HALF}
    assert {answer.status for answer in answers(cancelled)} == {ORDER_STATUS_CANCELLED}
    assert len({answer.etag for answer in answers(cancelled)}) == 1
    came = told(recorded)[""]
    assert came <= 1
    assert told(recorded)["PAYMENT_NOT_RECORDABLE"] == HALF - came
    await till.books.expect_balanced(carts=[cart.id], variants=[soup], coupons=(coupon.code,))
    story = await till.books.story(order)
    # The news of the money may have made it PAID before it was cancelled.
    assert story.told in (["order.placed", "order.cancelled"], ["order.placed", "order.paid", "order.cancelled"])
    assert story.payments == (["REFUNDED 4.50 4.50"] if came else ["FAILED 0.00 0.00"])
    payment = await till.staff.payments.get_payment(id=placed.payment_id)
    assert amount(payment.captured_amount) == amount(payment.refunded_amount)
    assert (await till.stock(soup), await till.uses(coupon)) == ((5, 0), 0)


@rounds
async def test_money_that_is_recorded_thirty_times_came_once(till: Floor, number: int) -> None:
    soup, ada = await till.put(5), await till.buyer()
    cart = await ada.fill((soup, 2))
    placed = await ada.placing(cart)()
    clerks = till.lines.of(till.staff)

    outcomes = await race(
        *(partial(
            each.payments.record_manual_payment, id=placed.payment_id, amount=placed.order.total_amount
        ) for each in clerks)
    )  # fmt: skip

    assert told(outcomes) == {"": 1, "PAYMENT_NOT_RECORDABLE": CALLERS - 1}
    assert {no.facts["status"] for no in refusals(outcomes)} == {"SETTLED"}
    await till.books.expect_balanced(carts=[cart.id], variants=[soup])
    story = await till.books.story(placed.order.id)
    assert story == ("PAID", ["SETTLED 5.00 0.00"], ["order.placed", "order.paid"])
    assert await till.stock(soup) == (3, 0)


@rounds
async def test_a_payment_that_failed_is_followed_by_one_however_many_ask_for_it(till: Floor, number: int) -> None:
    soup, coupon, ada = await till.put(5), await till.coupon(), await till.buyer()
    cart = await ada.fill((soup, 2), coupon=coupon.code)
    placed = await ada.placing(cart)()
    order, total = placed.order.id, placed.order.total_amount
    await till.staff.payments.record_manual_payment(id=placed.payment_id, amount=total, failure_code="BOUNCED")
    asking = [
        *(partial(each.orders.retry_payment, id=order, payment_provider=MANUAL) for each in till.lines.of(ada.session)),
        *(partial(each.orders.cancel_order, id=order) for each in till.lines.of(till.staff)[:number]),
    ]

    outcomes = await race(*asking)

    retried, cancelled = outcomes[:CALLERS], outcomes[CALLERS:]
    assert told(retried)[""] <= 1
    assert told(retried).keys() <= {"", "PAYMENT_BEING_RETRIED", "PAYMENT_NOT_FAILED", "ORDER_NOT_PAYABLE"}
    assert told(cancelled).keys() <= {"", "PAYMENT_BEING_RETRIED"}
    assert told(retried)[""] or told(cancelled)[""] == number > 0
    await till.books.expect_balanced(carts=[cart.id], variants=[soup], coupons=(coupon.code,))
    story = await till.books.story(order)
    payments = ["FAILED 0.00 0.00"] * (1 + told(retried)[""])
    if told(cancelled)[""]:
        assert (story.status, story.payments) == ("CANCELLED", payments)
        return
    assert story.payments == [*payments[1:], "INITIATED 0.00 0.00"]
    [answer] = answers(retried)
    await till.staff.payments.record_manual_payment(id=answer.payment_id, amount=total)
    await till.books.expect_balanced(carts=[cart.id], variants=[soup], coupons=(coupon.code,))
    story = await till.books.story(order)
    assert (story.status, story.payments) == ("PAID", ["FAILED 0.00 0.00", "SETTLED 4.50 0.00"])
    assert story.told == ["order.placed", "order.payment_retried", "order.paid"]


@rounds
async def test_an_order_that_is_deleted_while_it_is_paid_for_has_no_payment_or_stays(till: Floor, number: int) -> None:
    soup, ada = await till.put(5), await till.buyer()
    cart = await ada.fill((soup, 2))
    order = (await ada.placing(cart)()).order.id
    await lose_payment(till, order)
    buyers, clerks = till.lines.of(ada.session), till.lines.of(till.staff)
    look = ada.session.users.get_me
    paying = [
        after(turn % 3, look, partial(each.orders.retry_payment, id=order, payment_provider=MANUAL))
        for turn, each in enumerate(buyers[:THIRD])
    ]
    cancelling = [
        after(number % 2 * 6 + turn, look, partial(each.orders.cancel_order, id=order))
        for turn, each in enumerate(clerks[THIRD : 2 * THIRD])
    ]
    deleting = [
        after(2 * turn, look, partial(each.orders.delete_order, id=order))
        for turn, each in enumerate(clerks[2 * THIRD :])
    ]

    outcomes = await race(*(each for three in zip(paying, cancelling, deleting, strict=True) for each in three))

    paid, cancelled, deleted = outcomes[::3], outcomes[1::3], outcomes[2::3]
    assert told(paid).keys() <= {
        "", "NOT_FOUND", "ORDER_NOT_PAYABLE", "PAYMENT_NOT_FAILED", "PAYMENT_BEING_RETRIED", "RESERVATION_GONE",
        "ETAG_MISMATCH",
    }  # fmt: skip
    assert told(cancelled).keys() <= {"", "NOT_FOUND", "PAYMENT_BEING_RETRIED", "ETAG_MISMATCH"}
    assert told(deleted).keys() <= {"", "NOT_FOUND", "ORDER_NOT_DELETABLE", "REFERENCED", "DELETION_UNDER_WAY"}
    assert told(paid)[""] <= 1
    assert told(deleted)[""] <= 1
    # One or the other: what was paid for, or was to be, is never deleted.
    assert told(paid)[""] + told(deleted)[""] <= 1
    assert {answer.status for answer in answers(cancelled)} <= {ORDER_STATUS_CANCELLED}

    async def is_at_rest() -> bool:
        [(_, in_flight, _, _)] = await till.books.rows(_STANDING, order)
        return bool(in_flight == 0)

    await until(is_at_rest, "nothing of the order is between two steps")
    [(status, _, alive, payments)] = await till.books.rows(_STANDING, order)
    assert payments == told(paid)[""]
    if told(deleted)[""]:
        assert (status, payments) == (None, 0)
    else:
        assert status == ("CANCELLED" if told(cancelled)[""] else "PENDING")
        assert alive == (payments if status == "PENDING" else 0)
    await till.books.expect_balanced(carts=[cart.id] if status == "CANCELLED" and payments else [], variants=[soup])
    assert await till.stock(soup) == ((5, 2) if status == "PENDING" else (5, 0))


async def lose_payment(floor: Floor, order: str) -> None:
    """Leave an order that waits for its money as if nobody had ever begun a payment of it."""
    await floor.books.rows("delete from payments.payments where order_id = $1", order)
