"""An order goes its way, and never back."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from lumi_common.cuid import cuid
from lumi_common.errors import Aborted, FailedPrecondition
from lumi_orders.domain.order import NEXT, Order, OrderStatus, SoldLine, place
from lumi_orders.domain.reference import ALPHABET, new_reference, normalized

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)


def an_order(discount: str = "0.00", status: OrderStatus = OrderStatus.PENDING) -> Order:
    lines = [
        SoldLine(cuid(), cuid(), 2, Decimal("1.25"), "Milk", {"sku": "m-125"}),
        SoldLine(cuid(), cuid(), 1, Decimal("7.50"), "Cheese"),
    ]
    order = place(
        cuid(), new_reference(), lines,
        currency="USD", discount=Decimal(discount), now=NOW, user_id="ada", cart_id=cuid(),
    )  # fmt: skip
    order.status = status
    return order


def test_a_new_order_is_pending_and_adds_up() -> None:
    order = an_order(discount="1.00")

    assert (order.status, order.version, order.placed_at) == (OrderStatus.PENDING, 1, NOW)
    assert (order.subtotal_amount, order.total_amount) == (Decimal("10.00"), Decimal("9.00"))
    assert [item.total_amount for item in order.items] == [Decimal("2.25"), Decimal("6.75")]
    assert [item.discount_amount for item in order.items] == [Decimal("0.25"), Decimal("0.75")]
    assert {item.currency for item in order.items} == {"USD"}


def test_an_order_is_paid_once() -> None:
    order = an_order()

    assert order.pay(LATER)
    assert (order.status, order.version, order.updated_at) == (OrderStatus.PAID, 2, LATER)
    assert not order.pay(LATER)
    assert order.version == 2


def test_a_cancelled_order_is_not_paid() -> None:
    order = an_order(status=OrderStatus.CANCELLED)
    assert not order.pay(LATER)
    assert order.status is OrderStatus.CANCELLED


def test_a_pending_order_is_cancelled_once() -> None:
    order = an_order()

    assert order.cancel(LATER, etag="1")
    assert (order.status, order.version, order.cancelled_at) == (OrderStatus.CANCELLED, 2, LATER)
    assert not order.cancel(LATER + timedelta(seconds=1), etag="1")
    assert order.cancelled_at == LATER


@pytest.mark.parametrize("status", sorted(set(OrderStatus) - {OrderStatus.PENDING, OrderStatus.CANCELLED}))
def test_an_order_that_is_paid_is_not_cancelled(status: OrderStatus) -> None:
    with pytest.raises(FailedPrecondition, match="ORDER_NOT_CANCELLABLE"):
        an_order(status=status).cancel(LATER)


def test_a_stale_etag_changes_nothing() -> None:
    order = an_order()
    with pytest.raises(Aborted, match="ETAG_MISMATCH"):
        order.cancel(LATER, etag="7")
    assert order.status is OrderStatus.PENDING


def test_every_status_has_its_ways_and_none_leads_back() -> None:
    assert set(NEXT) == set(OrderStatus)
    rank = {status: number for number, status in enumerate(OrderStatus)}
    assert all(rank[to] > rank[status] for status, ways in NEXT.items() for to in ways)


def test_references_are_ten_characters_that_nobody_misreads() -> None:
    references = {new_reference() for _ in range(10_000)}

    assert len(references) == 10_000
    assert all(len(reference) == 10 and set(reference) <= set(ALPHABET) for reference in references)
    assert {"I", "L", "O", "U"}.isdisjoint(ALPHABET)


def test_a_reference_typed_in_by_hand_is_understood() -> None:
    assert normalized("o1l-i2 3abc") == "011123ABC"
