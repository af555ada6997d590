"""What a cart would cost now, and what keeps it from being ordered."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from lumi_orders.domain.cart import Cart, CartItem, Offer
from lumi_orders.domain.pricing import ZERO, Price, bounded


class Issue(StrEnum):
    """What is the matter with a line."""

    NOT_SELLABLE = "NOT_SELLABLE"
    INSUFFICIENT_STOCK = "INSUFFICIENT_STOCK"
    PRICE_CHANGED = "PRICE_CHANGED"
    CURRENCY_MISMATCH = "CURRENCY_MISMATCH"


class CartIssue(StrEnum):
    """What keeps a cart from being ordered."""

    EMPTY = "EMPTY"
    LINE = "LINE"
    ADDRESS_REQUIRED = "ADDRESS_REQUIRED"
    COUPON_REFUSED = "COUPON_REFUSED"
    BEING_PLACED = "BEING_PLACED"


@dataclass(frozen=True, slots=True)
class QuoteLine:
    """An item of the cart as catalogue has it now; `offer` is None when the variant is gone."""

    item: CartItem
    offer: Offer | None
    issues: tuple[Issue, ...]
    total: Decimal


@dataclass(frozen=True, slots=True)
class Quote:
    """The cart's lines and price now, for where it goes if that is known.

    `shipping_discount` is what its coupon takes off the shipping; `coupon_refusal` is why it gives nothing, or empty.
    """

    cart: Cart
    lines: tuple[QuoteLine, ...]
    price: Price
    shipping_discount: Decimal
    coupon_code: str
    coupon_refusal: str
    has_address: bool

    @property
    def issues(self) -> tuple[CartIssue, ...]:
        """All that keeps it from being ordered; empty when placing the order would be tried."""
        return tuple(self._issues())

    def _issues(self) -> Iterator[CartIssue]:
        if not self.lines:
            yield CartIssue.EMPTY
        if {issue for line in self.lines for issue in line.issues} - {Issue.PRICE_CHANGED}:
            yield CartIssue.LINE
        if not self.has_address:
            yield CartIssue.ADDRESS_REQUIRED
        if self.coupon_refusal:
            yield CartIssue.COUPON_REFUSED
        if self.cart.placing:
            yield CartIssue.BEING_PLACED


def quote_lines(cart: Cart, offers: Mapping[str, Offer]) -> tuple[QuoteLine, ...]:
    """The cart's items at what catalogue says now, by variant."""
    return tuple(_line(item, offers.get(item.product_variant_id), cart.currency) for item in cart.items)


def subtotal(lines: tuple[QuoteLine, ...]) -> Decimal:
    """What the lines that can be sold cost together; raises FailedPrecondition when it is too much for an amount."""
    return bounded(sum((line.total for line in lines), ZERO))


def _line(item: CartItem, offer: Offer | None, currency: str) -> QuoteLine:
    if offer is None or not offer.sellable:
        return QuoteLine(item, offer, (Issue.NOT_SELLABLE,), ZERO)
    if offer.currency != currency:
        return QuoteLine(item, offer, (Issue.CURRENCY_MISMATCH,), ZERO)
    issues = []
    if not offer.covers(item.quantity):
        issues.append(Issue.INSUFFICIENT_STOCK)
    if offer.unit_price != item.unit_price:
        issues.append(Issue.PRICE_CHANGED)
    return QuoteLine(item, offer, tuple(issues), offer.unit_price * item.quantity)
