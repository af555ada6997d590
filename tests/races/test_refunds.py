"""Money that thirty clerks give back at once: never more than came."""

from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import uuid4

from lumi_client import amount, money

from tests.races.floor import Floor
from tests.races.race import CALLERS, Outcome, after, answers, race, refusals, rounds, told

_EVENTS = "select type from payments.outbox_events where aggregate_id = $1 order by seq"
_REFUNDS = "select id from payments.payment_refunds where payment_id = $1 order by id"


async def paid(floor: Floor, units: int) -> tuple[str, str, str]:
    """An order of so many tins at 2.50; its payment, its cart and its variant."""
    soup, ada = await floor.put(100), await floor.buyer()
    cart = await ada.fill((soup, units))
    return (await ada.placing(cart)()).payment_id, cart.id, soup


async def expect_given_back(
    floor: Floor, payment: str, cart: str, variant: str, outcomes: Sequence[Outcome], captured: str
) -> Decimal:
    """Hold payment, refunds and events against what the clerks were told; how much went back."""
    refunds = {refund.id: refund for refund in answers(outcomes)}
    back = sum((amount(refund.amount) for refund in refunds.values()), Decimal(0))
    found = await floor.staff.payments.get_payment(id=payment)
    assert (amount(found.captured_amount), amount(found.refunded_amount)) == (Decimal(captured), back)
    listed = [refund async for refund in floor.staff.refunds.list_refunds(payment_id=payment)]
    assert {refund.id: refund for refund in listed} == refunds
    assert await floor.books.rows(_REFUNDS, payment) == sorted(refunds)
    assert await floor.books.rows(_EVENTS, payment) == ["payment.settled", *["payment.refunded"] * len(refunds)]
    await floor.books.expect_balanced(carts=[cart], variants=[variant])
    return back


@rounds
async def test_parts_are_given_back_while_they_last(floor: Floor, number: int) -> None:
    payment, cart, soup = await paid(floor, 2)
    clerks = [each.refunds for each in floor.lines.of(floor.staff)]

    outcomes = await race(
        *(partial(each.create_refund, payment_id=payment, amount=money("0.70", "USD")) for each in clerks)
    )

    assert told(outcomes) == {"": 7, "REFUND_TOO_HIGH": CALLERS - 7}
    assert {no.facts["left"] for no in refusals(outcomes)} == {"0.10"}
    assert await expect_given_back(floor, payment, cart, soup, outcomes, "5.00") == Decimal("4.90")


@rounds
async def test_all_that_is_left_is_given_back_once(floor: Floor, number: int) -> None:
    payment, cart, soup = await paid(floor, 2)
    clerks = [each.refunds for each in floor.lines.of(floor.staff)]

    outcomes = await race(*(partial(each.create_refund, payment_id=payment) for each in clerks))

    assert told(outcomes) == {"": 1, "PAYMENT_ALREADY_REFUNDED": CALLERS - 1}
    assert await expect_given_back(floor, payment, cart, soup, outcomes, "5.00") == Decimal("5.00")


@rounds
async def test_parts_and_all_that_is_left_are_never_more_than_came(floor: Floor, number: int) -> None:
    payment, cart, soup = await paid(floor, 4)
    clerks = [each.refunds for each in floor.lines.of(floor.staff)]
    asked: list[dict[str, Any]] = [{"amount": money("0.30", "USD")}, {"amount": money("3.00", "USD")}, {}]

    outcomes = await race(
        *(partial(each.create_refund, payment_id=payment, **asked[turn % 3]) for turn, each in enumerate(clerks))
    )

    # There are as many who ask for all: in the end it is gone.
    assert told(outcomes).keys() <= {"", "REFUND_TOO_HIGH", "PAYMENT_ALREADY_REFUNDED"}
    assert told(outcomes[2::3])[""] <= 1
    assert await expect_given_back(floor, payment, cart, soup, outcomes, "10.00") == Decimal("10.00")


@rounds
async def test_a_refund_that_is_asked_for_again_is_the_same_refund(floor: Floor, number: int) -> None:
    payment, cart, soup = await paid(floor, 2)
    asked: dict[str, Any] = {"payment_id": payment, "amount": money("0.70", "USD"), "request_id": str(uuid4())}

    outcomes = await race(*(partial(each.refunds.create_refund, **asked) for each in floor.lines.of(floor.staff)))

    assert told(outcomes) == {"": CALLERS}
    assert all(refund == outcomes[0].answer for refund in answers(outcomes))
    assert await expect_given_back(floor, payment, cart, soup, outcomes, "5.00") == Decimal("0.70")


@rounds
async def test_an_order_that_is_cancelled_while_parts_are_given_back_gives_back_all_and_no_more(
    floor: Floor, number: int
) -> None:
    soup, ada, half = await floor.put(5), await floor.buyer(), CALLERS // 2
    cart = await ada.fill((soup, 2))
    placed = await ada.placing(cart)()
    clerks, buyers = floor.lines.of(floor.staff)[:half], floor.lines.of(ada.session)[half:]
    asked: dict[str, Any] = {"payment_id": placed.payment_id, "amount": money("0.70", "USD")}

    outcomes = await race(
        *(
            after(
                number % 3,
                partial(each.orders.get_order, id=placed.order.id),
                partial(each.refunds.create_refund, **asked),
            )
            for each in clerks
        ),
        *(partial(each.orders.cancel_order, id=placed.order.id) for each in buyers),
    )

    parts, cancelled = outcomes[:half], outcomes[half:]
    assert told(parts).keys() <= {"", "REFUND_TOO_HIGH", "PAYMENT_ALREADY_REFUNDED"}
    assert told(cancelled) == {"": half}
    await floor.books.expect_balanced(carts=[cart.id], variants=[soup])
    story = await floor.books.story(placed.order.id)
    assert story == ("CANCELLED", ["REFUNDED 5.00 5.00"], ["order.placed", "order.paid", "order.cancelled"])
    refunds = [refund async for refund in floor.staff.refunds.list_refunds(payment_id=placed.payment_id)]
    assert {refund.id for refund in refunds} >= {refund.id for refund in answers(parts)}
    # The parts, and what the cancellation found left.
    assert len(refunds) == told(parts)[""] + 1
    assert await floor.stock(soup) == (5, 0)
