"""An order goes its way, and never back."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from lumi_common.cuid import cuid
from lumi_common.errors import Aborted, FailedPrecondition
from lumi_orders.domain.order import NEXT, UNPACKED, UNPAID, UNSHIPPED, Order, OrderStatus, SoldLine, place
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

    assert order.cancel(LATER, etag="1", within=UNPAID)
    assert (order.status, order.version, order.cancelled_at) == (OrderStatus.CANCELLED, 2, LATER)
    assert not order.cancel(LATER + timedelta(seconds=1), etag="1", within=UNPAID)
    assert order.cancelled_at == LATER


@pytest.mark.parametrize(
    ("within", "statuses"),
    [
        pytest.param(UNPAID, "PENDING", id="by the clock"),
        pytest.param(UNPACKED, "PENDING PAID", id="by its buyer"),
        pytest.param(UNSHIPPED, "PENDING PAID FULFILLED", id="by staff"),
    ],
)
def test_who_cancels_an_order_decides_until_when(within: frozenset[OrderStatus], statuses: str) -> None:
    for status in set(OrderStatus) - {OrderStatus.CANCELLED}:
        order = an_order(status=status)
        if status in statuses.split():
            assert order.cancel(LATER, within=within)
        else:
            with pytest.raises(FailedPrecondition, match="ORDER_NOT_CANCELLABLE") as refused:
                order.cancel(LATER, within=within)
            assert refused.value.facts == {"order_id": order.id, "status": status}
            assert (order.status, order.version) == (status, 1)


def test_what_can_be_cancelled_is_what_has_a_way_there() -> None:
    assert {status for status, ways in NEXT.items() if OrderStatus.CANCELLED in ways} == UNSHIPPED


def test_a_paid_order_goes_on_to_its_buyer_a_milestone_at_a_time() -> None:
    order = an_order(status=OrderStatus.PAID)
    steps = {
        OrderStatus.FULFILLED: "fulfilled_at",
        OrderStatus.SHIPPED: "shipped_at",
        OrderStatus.DELIVERED: "delivered_at",
    }

    for number, (to, milestone) in enumerate(steps.items(), 1):
        now = NOW + timedelta(days=number)
        assert order.advance(to, now, etag=str(number))
        assert (order.status, order.version, order.updated_at, getattr(order, milestone)) == (to, number + 1, now, now)
        assert not order.advance(to, now + timedelta(hours=1), etag="1")
        assert (order.version, getattr(order, milestone)) == (number + 1, now)
    assert order.cancelled_at is None


@pytest.mark.parametrize("to", [OrderStatus.FULFILLED, OrderStatus.SHIPPED, OrderStatus.DELIVERED])
def test_an_order_leaves_out_no_step_and_takes_none_back(to: OrderStatus) -> None:
    for status in (status for status in OrderStatus if status is not to and to not in NEXT[status]):
        order = an_order(status=status)
        with pytest.raises(FailedPrecondition, match="ORDER_STATUS_CONFLICT") as refused:
            order.advance(to, LATER)
        assert refused.value.facts == {"order_id": order.id, "from": status, "to": to}
        assert (order.status, order.version, order.updated_at) == (status, 1, NOW)


def test_milestones_come_in_their_order_whatever_a_clock_says() -> None:
    order = an_order(status=OrderStatus.PAID)

    order.advance(OrderStatus.FULFILLED, LATER)
    order.advance(OrderStatus.SHIPPED, NOW)

    assert order.fulfilled_at == order.shipped_at == order.updated_at == LATER


def test_notes_are_changed_whatever_the_status_and_nothing_else_is() -> None:
    for status in OrderStatus:
        order = an_order(status=status)

        assert order.update({"notes": "leave it with the porter"}, LATER, etag="1")

        assert (order.status, order.version, order.updated_at) == (status, 2, LATER)
        assert (order.notes, order.metadata) == ("leave it with the porter", None)
        assert order.update({"notes": None, "metadata": {"gift": True}}, LATER)
        assert (order.notes, order.metadata, order.version) == (None, {"gift": True}, 3)


def test_notes_that_say_what_they_said_change_nothing() -> None:
    order = an_order()
    order.notes, order.metadata = "fragile", {"weight": Decimal("0.1"), "gift": True}

    assert not order.update({"notes": "fragile", "metadata": {"gift": True, "weight": 0.1}}, LATER)
    assert not order.update({}, LATER)
    assert (order.version, order.updated_at) == (1, NOW)


def test_a_stale_etag_changes_nothing() -> None:
    order = an_order()
    with pytest.raises(Aborted, match="ETAG_MISMATCH"):
        order.cancel(LATER, etag="7", within=UNPAID)
    with pytest.raises(Aborted, match="ETAG_MISMATCH"):
        order.update({"notes": "fragile"}, LATER, etag="7")
    with pytest.raises(Aborted, match="ETAG_MISMATCH"):
        order.advance(OrderStatus.FULFILLED, LATER, etag="7")
    assert (order.status, order.notes, order.version) == (OrderStatus.PENDING, None, 1)


@pytest.mark.parametrize("status", OrderStatus)
def test_only_what_is_cancelled_and_given_back_may_be_deleted(status: OrderStatus) -> None:
    order = an_order(status=status)
    if status is OrderStatus.CANCELLED:
        order.expect_deletable(etag=order.etag)
        with pytest.raises(Aborted, match="ETAG_MISMATCH"):
            order.expect_deletable(etag="7")
    with pytest.raises(FailedPrecondition, match="ORDER_NOT_DELETABLE") as refused:
        order.expect_deletable(in_flight=status is OrderStatus.CANCELLED)
    assert refused.value.facts == {"order_id": order.id, "status": status}


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


def test_an_order_that_waits_for_its_money_is_paid_anew_and_stays_where_it_is() -> None:
    order = an_order()
    with pytest.raises(Aborted, match="ETAG_MISMATCH"):
        order.retry_payment(LATER, etag="2")

    order.retry_payment(LATER, etag="1")

    assert (order.status, order.version, order.updated_at) == (OrderStatus.PENDING, 2, LATER)


@pytest.mark.parametrize("status", sorted(set(OrderStatus) - UNPAID))
def test_any_other_order_is_not_paid_anew(status: OrderStatus) -> None:
    order = an_order(status=status)

    with pytest.raises(FailedPrecondition, match="ORDER_NOT_PAYABLE"):
        order.retry_payment(LATER)

    assert order.version == 1
