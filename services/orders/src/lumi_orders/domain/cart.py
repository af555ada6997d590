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
from lumi_orders.domain.pricing import ZERO

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
    title: str
    unit_price: Decimal
    currency: str
    policy: InventoryPolicy
    available: int
    sold: bool

    def covers(self, quantity: int) -> bool:
        """Whether an order of so many would go through at this moment."""
        return self.sold and (self.policy is InventoryPolicy.CONTINUE or quantity <= self.available)


@dataclass(slots=True)
class CartItem:
    """So many of a variant, at the price it had when it was added."""

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
    """A cart with its items, in the order in which they were first added; one currency."""

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
    items: list[CartItem] = field(default_factory=list)

    @property
    def etag(self) -> str:
        return str(self.version)

    @property
    def subtotal(self) -> Decimal:
        """The items at the prices they had when they were added."""
        return sum((item.total for item in self.items), ZERO)

    def change(self, now: datetime, etag: str = "") -> None:
        """Begin a change: raises Aborted for a stale etag, FailedPrecondition once the cart is no longer ACTIVE."""
        if etag and etag != self.etag:
            raise Aborted(Common.ETAG_MISMATCH, "the cart has changed: read it again", field="etag", cart=self.id)
        self.expect_active()
        self.updated_at = now
        self.version += 1

    def expect_active(self) -> None:
        """Raise FailedPrecondition once the cart has become an order or was given up."""
        if self.status is not CartStatus.ACTIVE:
            raise FailedPrecondition(
                Reason.CART_NOT_ACTIVE, "the cart is closed", cart=self.id, status=self.status
            )

    def add(self, offer: Offer, quantity: int) -> CartItem:
        """So many more of a variant; the item as it is then.

        A quantity beyond what there is passes unless the policy is DENY: placing the order decides. An item that
        is there already keeps its price.
        """
        if self.items and offer.currency != self.currency:
            raise FailedPrecondition(
                Reason.CART_CURRENCY_MISMATCH,
                f"the cart is in {self.currency}",
                cart=self.id,
                variant=offer.product_variant_id,
            )
        item = self.find(offer.product_variant_id)
        self._expect(offer, quantity + (item.quantity if item else 0))
        if item:
            item.quantity += quantity
            return item
        if len(self.items) >= MAX_ITEMS:
            raise FailedPrecondition(Reason.CART_FULL, f"a cart holds {MAX_ITEMS} items", cart=self.id)
        self.currency = offer.currency
        item = CartItem(cuid(), offer.product_variant_id, quantity, offer.unit_price, offer.currency)
        self.items.append(item)
        return item

    def set_quantity(self, offer: Offer, quantity: int) -> CartItem:
        """Exactly so many of a variant that is in the cart; raises NotFound when it is not."""
        item = self.get(offer.product_variant_id)
        self._expect(offer, quantity)
        item.quantity = quantity
        return item

    def remove(self, product_variant_id: str) -> CartItem:
        """Take a variant out; the item as it was, NotFound when it is not in the cart."""
        item = self.get(product_variant_id)
        self.items.remove(item)
        return item

    def find(self, product_variant_id: str) -> CartItem | None:
        """The item of a variant, or None."""
        return next((item for item in self.items if item.product_variant_id == product_variant_id), None)

    def get(self, product_variant_id: str) -> CartItem:
        """The item of a variant; raises NotFound."""
        item = self.find(product_variant_id)
        if item is None:
            raise NotFound(
                Reason.CART_ITEM_NOT_FOUND, "not in the cart", cart=self.id, variant=product_variant_id
            )
        return item

    def _expect(self, offer: Offer, quantity: int) -> None:
        variant = offer.product_variant_id
        if not offer.sold:
            raise FailedPrecondition(Reason.VARIANT_NOT_SOLD, "is not for sale", variant=variant)
        if quantity > MAX_QUANTITY:
            raise InvalidArgument(
                Common.INVALID_REQUEST, f"at most {MAX_QUANTITY} of a variant", field="quantity"
            )
        if offer.policy is InventoryPolicy.DENY and quantity > offer.available:
            raise FailedPrecondition(
                Reason.INSUFFICIENT_STOCK,
                "there are not so many",
                variant=variant,
                requested=quantity,
                available=offer.available,
            )
