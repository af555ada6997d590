"""What a cart would cost now, and what keeps it from being ordered."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from lumi_orders.domain.cart import Cart, CartItem, Offer
from lumi_orders.domain.pricing import ZERO, Price, price


class Issue(StrEnum):
    NOT_SELLABLE = "NOT_SELLABLE"
    INSUFFICIENT_STOCK = "INSUFFICIENT_STOCK"
    PRICE_CHANGED = "PRICE_CHANGED"
    CURRENCY_MISMATCH = "CURRENCY_MISMATCH"


@dataclass(frozen=True, slots=True)
class QuoteLine:
    """An item of the cart as catalogue has it now; `offer` is None when the variant is gone."""

    item: CartItem
    offer: Offer | None
    issues: tuple[Issue, ...]
    total: Decimal


@dataclass(frozen=True, slots=True)
class Quote:
    """The cart's lines and price now; `coupon_refusal` is why its coupon gives nothing, or empty."""

    cart: Cart
    lines: tuple[QuoteLine, ...]
    price: Price
    coupon_code: str
    coupon_refusal: str

    @property
    def orderable(self) -> bool:
        """Whether placing the order would be tried."""
        issues = {issue for line in self.lines for issue in line.issues}
        return bool(self.lines) and issues <= {Issue.PRICE_CHANGED} and not self.coupon_refusal


def quote_lines(cart: Cart, offers: Mapping[str, Offer]) -> tuple[QuoteLine, ...]:
    """The cart's items at what catalogue says now, by variant."""
    return tuple(_line(item, offers.get(item.product_variant_id), cart.currency) for item in cart.items)


def subtotal(lines: tuple[QuoteLine, ...]) -> Decimal:
    """What the lines that can be sold cost together."""
    return sum((line.total for line in lines), ZERO)


def quote(cart: Cart, lines: tuple[QuoteLine, ...], discount: Decimal, coupon_code: str, coupon_refusal: str) -> Quote:
    """The whole quote of a cart with these lines."""
    return Quote(cart, lines, price([line.total for line in lines], discount), coupon_code, coupon_refusal)


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
