"""An order: what was bought at what price, and the way it goes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from lumi_common.cuid import cuid
from lumi_common.errors import Aborted, FailedPrecondition
from lumi_common.errors import Reason as Common
from lumi_orders.domain.errors import Reason
from lumi_orders.domain.pricing import ZERO, Price, Tax, bounded, price


class OrderStatus(StrEnum):
    PENDING = "PENDING"
    PAID = "PAID"
    FULFILLED = "FULFILLED"
    SHIPPED = "SHIPPED"
    DELIVERED = "DELIVERED"
    CANCELLED = "CANCELLED"


# The ways there are; who may go them when is narrower (`UNPAID` and the sets after it).
NEXT: dict[OrderStatus, frozenset[OrderStatus]] = {
    OrderStatus.PENDING: frozenset({OrderStatus.PAID, OrderStatus.CANCELLED}),
    OrderStatus.PAID: frozenset({OrderStatus.FULFILLED, OrderStatus.CANCELLED}),
    OrderStatus.FULFILLED: frozenset({OrderStatus.SHIPPED, OrderStatus.CANCELLED}),
    OrderStatus.SHIPPED: frozenset({OrderStatus.DELIVERED}),
    OrderStatus.DELIVERED: frozenset(),
    OrderStatus.CANCELLED: frozenset(),
}

# What an order is cancelled from: by the clock, by its buyer, by staff.
UNPAID = frozenset({OrderStatus.PENDING})
UNPACKED = UNPAID | {OrderStatus.PAID}
UNSHIPPED = UNPACKED | {OrderStatus.FULFILLED}

# The column that says when.
MILESTONES = {
    OrderStatus.FULFILLED: "fulfilled_at",
    OrderStatus.SHIPPED: "shipped_at",
    OrderStatus.DELIVERED: "delivered_at",
    OrderStatus.CANCELLED: "cancelled_at",
}


@dataclass(slots=True)
class OrderItem:
    """A line, frozen: what the variant was called and cost when the order was placed.

    `total_amount` is what has to be paid for it: quantity times unit price, less its share of the discount, plus its
    tax unless that is inside the price, as the order says.
    """

    id: str
    product_id: str
    product_variant_id: str
    quantity: int
    unit_price: Decimal
    currency: str
    total_amount: Decimal
    discount_amount: Decimal
    tax_amount: Decimal
    title_snapshot: str
    variant_snapshot: dict[str, Any] | None = None


@dataclass(slots=True)
class Order:
    """One order with its lines; amounts have two decimals and are all in `currency`."""

    id: str
    reference: str
    user_id: str | None
    cart_id: str | None
    currency: str
    total_amount: Decimal
    subtotal_amount: Decimal
    tax_amount: Decimal
    discount_amount: Decimal
    shipping_amount: Decimal
    created_at: datetime
    updated_at: datetime
    status: OrderStatus = OrderStatus.PENDING
    version: int = 1
    placed_at: datetime | None = None
    fulfilled_at: datetime | None = None
    shipped_at: datetime | None = None
    delivered_at: datetime | None = None
    cancelled_at: datetime | None = None
    coupon_code: str | None = None
    shipping_address_id: str | None = None
    billing_address_id: str | None = None
    shipping_address_snapshot: dict[str, Any] | None = None
    billing_address_snapshot: dict[str, Any] | None = None
    notes: str | None = None
    metadata: dict[str, Any] | None = None
    guest_session_id: str | None = None
    prices_include_tax: bool = False
    items: list[OrderItem] = field(default_factory=list)

    @property
    def etag(self) -> str:
        return str(self.version)

    def expect(self, etag: str) -> None:
        """Raise Aborted unless the caller saw this version (or did not say which)."""
        if etag and etag != self.etag:
            raise Aborted(Common.ETAG_MISMATCH, "the order has changed: read it again", field="etag", order_id=self.id)

    def pay(self, now: datetime) -> bool:
        """Note that it is paid; False when it was paid before or goes no further."""
        if OrderStatus.PAID not in NEXT[self.status]:
            return False
        self._move(OrderStatus.PAID, now)
        return True

    def retry_payment(self, now: datetime, etag: str = "") -> None:
        """Ask anew for its money; raises FailedPrecondition unless it waits for that."""
        self.expect(etag)
        if self.status is not OrderStatus.PENDING:
            raise FailedPrecondition(
                Reason.ORDER_NOT_PAYABLE,
                "the order does not wait for its money",
                order_id=self.id,
                status=self.status,
            )
        self._change(now)

    def advance(self, to: OrderStatus, now: datetime, etag: str = "") -> bool:
        """Go on to FULFILLED, SHIPPED or DELIVERED; False when it is there already."""
        if self.status is to:
            return False
        self.expect(etag)
        if to not in NEXT[self.status]:
            raise FailedPrecondition(
                Reason.ORDER_STATUS_CONFLICT,
                f"an order that is {self.status} cannot become {to}",
                order_id=self.id,
                **{"from": self.status, "to": to},
            )
        self._move(to, now)
        return True

    def cancel(self, now: datetime, etag: str = "", *, within: frozenset[OrderStatus]) -> bool:
        """Cancel an order of one of these statuses; False when it was cancelled already."""
        if self.status is OrderStatus.CANCELLED:
            return False
        self.expect(etag)
        if self.status not in within:
            raise FailedPrecondition(
                Reason.ORDER_NOT_CANCELLABLE,
                "the order is too far on its way to be cancelled by this caller",
                order_id=self.id,
                status=self.status,
            )
        self._move(OrderStatus.CANCELLED, now)
        return True

    def expect_deletable(self, etag: str = "", *, in_flight: bool = False) -> None:
        """Raise FailedPrecondition unless it is CANCELLED with nothing `in_flight`, Aborted for a stale etag."""
        self.expect(etag)
        if self.status is not OrderStatus.CANCELLED or in_flight:
            raise FailedPrecondition(
                Reason.ORDER_NOT_DELETABLE,
                "only a cancelled order, once all that was taken for it is given back, can be deleted",
                order_id=self.id,
                status=self.status,
            )

    def update(self, changes: Mapping[str, Any], now: datetime, etag: str = "") -> bool:
        """Note something else with it (`notes`, `metadata`); False when it says all of that already."""
        self.expect(etag)
        if all(_told(getattr(self, name)) == _told(value) for name, value in changes.items()):
            return False
        for name, value in changes.items():
            setattr(self, name, value)
        self._change(now)
        return True

    def _move(self, to: OrderStatus, now: datetime) -> None:
        self._change(now)
        self.status = to
        if to in MILESTONES:
            setattr(self, MILESTONES[to], self.updated_at)

    def _change(self, now: datetime) -> None:
        # Never back in time: milestones come in their order, whatever the clock of a process says.
        self.updated_at = max(now, self.updated_at)
        self.version += 1


def _told(value: Any) -> Any:
    """What was noted, as the wire tells it: a number with a fraction, which the database gives as Decimal, is float."""
    if isinstance(value, dict):
        return {key: _told(each) for key, each in value.items()}
    return float(value) if isinstance(value, Decimal) else value


@dataclass(frozen=True, slots=True)
class SoldLine:
    """A line as catalogue reserved it: authoritative price and names."""

    product_id: str
    product_variant_id: str
    quantity: int
    unit_price: Decimal
    title: str
    variant: dict[str, Any] | None = None


def order_items(lines: Sequence[SoldLine], price: Price, currency: str) -> list[OrderItem]:
    """The lines of a new order, each with its share of the discount and its tax."""
    return [
        OrderItem(
            id=cuid(),
            product_id=line.product_id,
            product_variant_id=line.product_variant_id,
            quantity=line.quantity,
            unit_price=line.unit_price,
            currency=currency,
            total_amount=total,
            discount_amount=part,
            tax_amount=tax,
            title_snapshot=line.title,
            variant_snapshot=line.variant,
        )
        for line, total, part, tax in zip(lines, price.totals, price.shares, price.taxes, strict=True)
    ]


def subtotal(lines: Sequence[SoldLine]) -> Decimal:
    """What the lines cost before any discount; raises FailedPrecondition when it is too much for an amount."""
    return bounded(sum((line.unit_price * line.quantity for line in lines), ZERO))


def place(
    id: str,
    reference: str,
    lines: Sequence[SoldLine],
    *,
    currency: str,
    discount: Decimal,
    now: datetime,
    shipping: Decimal = ZERO,
    tax: Tax | None = None,
    **facts: Any,
) -> Order:
    """A new order of these lines; `shipping` is what is charged for it, `tax` the one that applies where it goes.

    `facts` are its remaining columns (whose it is, cart, coupon, addresses, metadata).
    """
    priced = price([line.unit_price * line.quantity for line in lines], discount, shipping, tax)
    return Order(
        id=id,
        reference=reference,
        currency=currency,
        total_amount=bounded(priced.total),
        subtotal_amount=priced.subtotal,
        tax_amount=priced.tax,
        discount_amount=priced.discount,
        shipping_amount=priced.shipping,
        prices_include_tax=priced.prices_include_tax,
        created_at=now,
        updated_at=now,
        placed_at=now,
        items=order_items(lines, priced, currency),
        **facts,
    )
