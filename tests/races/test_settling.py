"""An order that is cancelled while its money comes in, on a stack where staff record what came."""

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from functools import partial

import pytest
from lumi.orders.v1.order_pb2 import ORDER_STATUS_CANCELLED
from lumi_client import Session, amount

from lumi_local import testing
from lumi_local.testing import LocalStack
from tests.races.floor import MANUAL, Floor
from tests.races.race import CALLERS, after, answers, race, refusals, rounds, told

HALF = CALLERS // 2


def by_hand(settings: dict[str, str]) -> AbstractContextManager[LocalStack]:
    return testing.running_stack(settings | {"LUMI_MANUAL_PAYMENTS": "record"})


@pytest.fixture(scope="module")
async def till() -> AsyncIterator[Floor]:
    """The floor of a stack where no money settles by itself."""
    with testing.own_environment() as settings, by_hand(settings) as stack:
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
