"""An order: what was bought at what price, and the way it goes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from lumi_common.cuid import cuid
from lumi_common.errors import Aborted, FailedPrecondition
from lumi_common.errors import Reason as Common
from lumi_orders.domain.errors import Reason
from lumi_orders.domain.pricing import ZERO, price


class OrderStatus(StrEnum):
    PENDING = "PENDING"
    PAID = "PAID"
    FULFILLED = "FULFILLED"
    SHIPPED = "SHIPPED"
    DELIVERED = "DELIVERED"
    CANCELLED = "CANCELLED"


# The ways there are; what an order may do today is narrower (`cancel`).
NEXT: dict[OrderStatus, frozenset[OrderStatus]] = {
    OrderStatus.PENDING: frozenset({OrderStatus.PAID, OrderStatus.CANCELLED}),
    OrderStatus.PAID: frozenset({OrderStatus.FULFILLED, OrderStatus.CANCELLED}),
    OrderStatus.FULFILLED: frozenset({OrderStatus.SHIPPED, OrderStatus.CANCELLED}),
    OrderStatus.SHIPPED: frozenset({OrderStatus.DELIVERED}),
    OrderStatus.DELIVERED: frozenset(),
    OrderStatus.CANCELLED: frozenset(),
}


@dataclass(slots=True)
class OrderItem:
    """A line, frozen: what the variant was called and cost when the order was placed.

    `total_amount` is what has to be paid for it: quantity times unit price, less its share of the discount, plus tax.
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

    def cancel(self, now: datetime, etag: str = "") -> bool:
        """Cancel an order that is not paid yet; False when it was cancelled already."""
        if self.status is OrderStatus.CANCELLED:
            return False
        self.expect(etag)
        if self.status is not OrderStatus.PENDING:
            raise FailedPrecondition(
                Reason.ORDER_NOT_CANCELLABLE,
                "only an order that is not paid yet can be cancelled",
                order_id=self.id,
                status=self.status,
            )
        self._move(OrderStatus.CANCELLED, now)
        self.cancelled_at = now
        return True

    def _move(self, to: OrderStatus, now: datetime) -> None:
        self.status, self.updated_at = to, now
        self.version += 1


@dataclass(frozen=True, slots=True)
class SoldLine:
    """A line as catalogue reserved it: authoritative price and names."""

    product_id: str
    product_variant_id: str
    quantity: int
    unit_price: Decimal
    title: str
    variant: dict[str, Any] | None = None


def order_items(lines: Sequence[SoldLine], shares: Sequence[Decimal], currency: str) -> list[OrderItem]:
    """The lines of a new order, each with its share of the discount."""
    return [
        OrderItem(
            id=cuid(),
            product_id=line.product_id,
            product_variant_id=line.product_variant_id,
            quantity=line.quantity,
            unit_price=line.unit_price,
            currency=currency,
            total_amount=line.unit_price * line.quantity - part,
            discount_amount=part,
            tax_amount=ZERO,
            title_snapshot=line.title,
            variant_snapshot=line.variant,
        )
        for line, part in zip(lines, shares, strict=True)
    ]


def subtotal(lines: Sequence[SoldLine]) -> Decimal:
    """What the lines cost before any discount."""
    return sum((line.unit_price * line.quantity for line in lines), ZERO)


def place(
    id: str,
    reference: str,
    lines: Sequence[SoldLine],
    *,
    currency: str,
    discount: Decimal,
    now: datetime,
    **facts: Any,
) -> Order:
    """A new order of these lines; `facts` are its remaining columns (user, cart, coupon, addresses, metadata)."""
    priced = price([line.unit_price * line.quantity for line in lines], discount)
    return Order(
        id=id,
        reference=reference,
        currency=currency,
        total_amount=priced.total,
        subtotal_amount=priced.subtotal,
        tax_amount=priced.tax,
        discount_amount=priced.discount,
        shipping_amount=priced.shipping,
        created_at=now,
        updated_at=now,
        placed_at=now,
        items=order_items(lines, priced.shares, currency),
        **facts,
    )
