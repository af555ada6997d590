"""Who gets the stock."""

from decimal import Decimal
from typing import Any

import pytest

from lumi_catalogue.domain.errors import Reason
from lumi_catalogue.domain.inventory import MOST
from lumi_catalogue.domain.offer import Offer
from lumi_catalogue.domain.product import InventoryPolicy, ProductStatus
from lumi_catalogue.domain.reservation import (
    Held,
    Line,
    ReservationState,
    Stock,
    check_committed,
    check_known,
    check_lines,
)
from lumi_common.clock import utc_now
from lumi_common.errors import FailedPrecondition, InvalidArgument, NotFound

NOW = utc_now()


def offer(id: str, available: int, **facts: Any) -> Offer:
    given: dict[str, Any] = {
        "product_variant_id": id, "product_id": "p", "product_title": "Soup", "product_slug": "soup", "title": "Tin",
        "sku": "T", "price": Decimal("1.99"), "compare_at_price": None, "currency": "USD", "attributes": None,
        "status": ProductStatus.ACTIVE, "deleted": False, "policy": InventoryPolicy.TRACK, "available": available,
    }  # fmt: skip
    return Offer(**given | facts)


def held(id: str, quantity: int, state: ReservationState = ReservationState.HELD) -> Held:
    return Held(id, quantity, state, NOW)


def test_first_come_first_served_until_it_is_gone() -> None:
    stock = Stock([offer("a", 3)])

    stock.reserve("first", [Line("a", 2)], NOW)
    with pytest.raises(FailedPrecondition, match=Reason.INSUFFICIENT_STOCK) as refusal:
        stock.reserve("second", [Line("a", 2)], NOW)
    stock.reserve("third", [Line("a", 1)], NOW)

    assert refusal.value.facts == {"product_variant_id": "a", "available": 1, "requested": 2}
    assert refusal.value.field == "lines[0].quantity"
    assert stock.taken == {"a": 3}


def test_all_lines_or_none() -> None:
    stock = Stock([offer("a", 3), offer("b", 0)])

    with pytest.raises(FailedPrecondition):
        stock.reserve("order", [Line("a", 1), Line("b", 1)], NOW)

    assert stock.taken == {}


@pytest.mark.parametrize("policy", [InventoryPolicy.TRACK, InventoryPolicy.DENY])
def test_what_is_not_there_is_not_sold(policy: InventoryPolicy) -> None:
    stock = Stock([offer("a", 1, policy=policy)])

    stock.reserve("first", [Line("a", 1)], NOW)
    with pytest.raises(FailedPrecondition, match=Reason.INSUFFICIENT_STOCK) as refusal:
        stock.reserve("second", [Line("a", 1)], NOW)

    assert refusal.value.facts["available"] == 0


def test_a_backordered_variant_sells_on_as_far_as_can_be_counted() -> None:
    stock = Stock([offer("a", 5 - MOST, policy=InventoryPolicy.CONTINUE)])

    with pytest.raises(FailedPrecondition, match=Reason.INSUFFICIENT_STOCK) as refusal:
        stock.reserve("order", [Line("a", 6)], NOW)

    assert refusal.value.facts["available"] == 5


def test_a_backordered_variant_sells_on_below_zero() -> None:
    stock = Stock([offer("a", -2, policy=InventoryPolicy.CONTINUE)])

    stock.reserve("order", [Line("a", 5)], NOW)

    assert stock.taken == {"a": 5}


@pytest.mark.parametrize(
    "facts", [{"status": ProductStatus.DRAFT}, {"status": ProductStatus.ARCHIVED}, {"deleted": True}]
)
def test_what_is_not_on_sale_is_not_sold(facts: dict[str, Any]) -> None:
    with pytest.raises(FailedPrecondition, match=Reason.VARIANT_NOT_SELLABLE) as refusal:
        Stock([offer("a", 5, **facts)]).reserve("order", [Line("a", 1)], NOW)

    assert refusal.value.facts == {"product_variant_id": "a"}


def test_a_variant_that_is_gone_is_not_sold() -> None:
    with pytest.raises(FailedPrecondition, match=Reason.VARIANT_NOT_SELLABLE):
        Stock([]).reserve("order", [Line("a", 1)], NOW)


def test_the_answer_has_prices_in_the_order_of_the_lines() -> None:
    stock = Stock([offer("a", 5), offer("b", 5, price=Decimal("3.50"))])

    reservation = stock.reserve("order", [Line("b", 1), Line("a", 2)], NOW)

    assert [(each.product_variant_id, each.price, quantity) for each, quantity in reservation.lines] == [
        ("b", Decimal("3.50"), 1),
        ("a", Decimal("1.99"), 2),
    ]


def test_a_repeat_holds_no_more() -> None:
    stock = Stock([offer("a", 0)])

    reservation = stock.repeat("order", [Line("a", 2)], [held("a", 2)])

    assert reservation.expires_at == NOW and stock.taken == {}


def test_a_repeat_with_other_lines_is_refused() -> None:
    with pytest.raises(FailedPrecondition, match=Reason.RESERVATION_DIFFERS):
        Stock([offer("a", 9)]).repeat("order", [Line("a", 3)], [held("a", 2)])


def test_what_has_ended_is_not_held_again() -> None:
    with pytest.raises(FailedPrecondition, match=Reason.RESERVATION_CLOSED) as refusal:
        Stock([offer("a", 9)]).repeat("order", [Line("a", 2)], [held("a", 2, ReservationState.RELEASED)])

    assert refusal.value.facts["state"] == ReservationState.RELEASED


def test_a_variant_is_named_once() -> None:
    with pytest.raises(InvalidArgument, match=Reason.VARIANT_REPEATED) as refusal:
        check_lines([Line("a", 1), Line("b", 1), Line("a", 1)])

    assert refusal.value.field == "lines[2].product_variant_id"


def test_only_what_was_held_is_sold() -> None:
    check_committed("order", [held("a", 1, ReservationState.COMMITTED)])
    with pytest.raises(NotFound):
        check_committed("order", [])
    with pytest.raises(FailedPrecondition):
        check_committed("order", [held("a", 1, ReservationState.EXPIRED)])


def test_a_paid_order_must_have_held_something() -> None:
    check_known("order", [held("a", 1, ReservationState.RELEASED)])
    with pytest.raises(NotFound):
        check_known("order", [])
