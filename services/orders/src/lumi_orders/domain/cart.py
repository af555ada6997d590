"""A cart: what somebody wants to buy, until it becomes an order."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from lumi_common.cuid import cuid
from lumi_common.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound
from lumi_common.errors import Reason as Common
from lumi_orders.domain.errors import Reason
from lumi_orders.domain.pricing import ZERO, bounded

MAX_ITEMS = 500
MAX_QUANTITY = 1_000_000


class CartStatus(StrEnum):
    ACTIVE = "ACTIVE"
    CHECKED_OUT = "CHECKED_OUT"
    ABANDONED = "ABANDONED"


class InventoryPolicy(StrEnum):
    TRACK = "TRACK"
    CONTINUE = "CONTINUE"
    DENY = "DENY"


@dataclass(frozen=True, slots=True)
class Offer:
    """What catalogue says of a variant at this moment; `available` are the units that nobody has reserved."""

    product_variant_id: str
    product_id: str
    product_title: str
    variant_title: str
    sku: str
    unit_price: Decimal
    compare_at_price: Decimal | None
    currency: str
    policy: InventoryPolicy
    available: int
    sellable: bool

    def covers(self, quantity: int) -> bool:
        """Whether there are so many to be had at this moment."""
        return self.policy is InventoryPolicy.CONTINUE or quantity <= self.available


@dataclass(slots=True)
class CartItem:
    """So many of a variant, at the price it had when its quantity was last changed."""

    id: str
    product_variant_id: str
    quantity: int
    unit_price: Decimal
    currency: str

    @property
    def total(self) -> Decimal:
        return self.unit_price * self.quantity


@dataclass(slots=True)
class Cart:
    """A cart with its items, in the order in which they were first added; one currency.

    It is a user's, or that of a guest's session. `placing` is the id of the order that is being placed from it at this
    moment, if one is.
    """

    id: str
    user_id: str | None
    created_at: datetime
    updated_at: datetime
    currency: str
    session_id: str | None = None
    status: CartStatus = CartStatus.ACTIVE
    coupon_code: str | None = None
    shipping_address: dict[str, Any] | None = None
    billing_address: dict[str, Any] | None = None
    version: int = 1
    placing: str | None = None
    items: list[CartItem] = field(default_factory=list)

    @property
    def etag(self) -> str:
        return str(self.version)

    @property
    def subtotal(self) -> Decimal:
        """The items at the prices that were noted with them."""
        return sum((item.total for item in self.items), ZERO)

    def change(self, now: datetime, etag: str = "") -> None:
        """Begin a change: raises what `expect` does."""
        self.expect(etag)
        self.updated_at = now
        self.version += 1

    def expect(self, etag: str = "", field: str = "etag") -> None:
        """Raise FailedPrecondition when it is being placed or closed, Aborted for a stale etag in `field`."""
        self._expect_at_rest()
        self.expect_active()
        self._expect_seen(etag, field)

    def expect_deletable(self, etag: str = "") -> None:
        """Raise FailedPrecondition while it is being placed, Aborted for a stale etag; of any status it may go."""
        self._expect_at_rest()
        self._expect_seen(etag, "etag")

    def expect_active(self) -> None:
        """Raise FailedPrecondition once the cart has become an order or was given up."""
        if self.status is not CartStatus.ACTIVE:
            raise FailedPrecondition(Reason.CART_NOT_ACTIVE, "the cart is closed", cart_id=self.id, status=self.status)

    def add(self, offer: Offer, quantity: int) -> CartItem:
        """So many more of a variant; the item as it is then.

        A quantity beyond what there is passes unless the policy is DENY: placing the order decides. An empty cart
        takes the currency of its first item.
        """
        if self.items and offer.currency != self.currency:
            raise FailedPrecondition(
                Reason.CURRENCY_MISMATCH,
                f"the cart is in {self.currency}",
                product_variant_id=offer.product_variant_id,
                currency=offer.currency,
            )
        item = self.find(offer.product_variant_id)
        self._expect(offer, quantity + (item.quantity if item else 0))
        if item:
            item.quantity, item.unit_price = item.quantity + quantity, offer.unit_price
            return item
        if len(self.items) >= MAX_ITEMS:
            raise FailedPrecondition(Reason.CART_FULL, "the cart holds no further line", limit=MAX_ITEMS)
        self.currency = offer.currency
        item = CartItem(cuid(), offer.product_variant_id, quantity, offer.unit_price, offer.currency)
        self.items.append(item)
        return item

    def set_quantity(self, offer: Offer, quantity: int) -> CartItem:
        """Exactly so many of a variant that is in the cart; raises NotFound when it is not."""
        item = self.get(offer.product_variant_id)
        if offer.currency != item.currency:
            raise FailedPrecondition(
                Reason.CURRENCY_MISMATCH,
                f"the cart is in {self.currency}",
                product_variant_id=item.product_variant_id,
                currency=offer.currency,
            )
        self._expect(offer, quantity)
        item.quantity, item.unit_price = quantity, offer.unit_price
        return item

    def find(self, product_variant_id: str) -> CartItem | None:
        """The item of a variant, or None."""
        return next((item for item in self.items if item.product_variant_id == product_variant_id), None)

    def get(self, product_variant_id: str) -> CartItem:
        """The item of a variant; raises NotFound."""
        item = self.find(product_variant_id)
        if item is None:
            raise NotFound(Reason.CART_ITEM_NOT_FOUND, "not in the cart", product_variant_id=product_variant_id)
        return item

    def _expect_at_rest(self) -> None:
        if self.placing:
            raise being_placed(self.placing)

    def _expect_seen(self, etag: str, field: str) -> None:
        if etag and etag != self.etag:
            raise Aborted(Common.ETAG_MISMATCH, "the cart has changed: read it again", field=field, cart_id=self.id)

    def _expect(self, offer: Offer, quantity: int) -> None:
        variant = offer.product_variant_id
        if not offer.sellable:
            raise not_sellable(variant)
        if quantity > MAX_QUANTITY:
            raise InvalidArgument(
                Reason.QUANTITY_OUT_OF_RANGE, f"at most {MAX_QUANTITY} of a variant", field="quantity"
            )
        if offer.policy is InventoryPolicy.DENY and quantity > offer.available:
            raise FailedPrecondition(
                Reason.INSUFFICIENT_STOCK,
                "there are not so many",
                product_variant_id=variant,
                requested=quantity,
                available=offer.available,
            )
        others = (item.total for item in self.items if item.product_variant_id != variant)
        bounded(sum(others, offer.unit_price * quantity))


def not_sellable(product_variant_id: str) -> FailedPrecondition:
    """The refusal of a variant that is gone or whose product is not sold."""
    return FailedPrecondition(
        Reason.VARIANT_NOT_SELLABLE, "the variant is not for sale", product_variant_id=product_variant_id
    )


def being_placed(order_id: str) -> FailedPrecondition:
    """The refusal of a change while an order is being placed."""
    return FailedPrecondition(
        Reason.CART_BEING_PLACED, "an order is being placed: wait for its outcome", order_id=order_id
    )
