"""What becomes of a guest's cart when its owner signs in and has a cart already."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from lumi_common.cuid import cuid
from lumi_common.errors import FailedPrecondition
from lumi_orders.domain.cart import MAX_ITEMS, MAX_QUANTITY, Cart, CartItem, InventoryPolicy, Offer
from lumi_orders.domain.errors import Reason


class MergePolicy(StrEnum):
    ADD = "ADD"
    KEEP_LARGER = "KEEP_LARGER"
    KEEP_USER_CART = "KEEP_USER_CART"
    KEEP_GUEST_CART = "KEEP_GUEST_CART"


def adopt(guest: Cart, user_id: str, now: datetime) -> None:
    """Make a guest's cart that of a user who has none."""
    guest.change(now)
    guest.user_id, guest.session_id = user_id, None


def merge(
    mine: Cart, guest: Cart, policy: MergePolicy, offers: Mapping[str, Offer], now: datetime
) -> list[CartItem] | None:
    """Bring a guest's lines, coupon and addresses into a user's cart; the lines to write, None when nothing changes.

    `offers` are what catalogue says of the guest's variants, by id. A line that would hold more than it may holds as
    many as it may, and never fewer than the user had of it. Raises FailedPrecondition while an order is being placed
    from either, when lines of two currencies meet, or when there would be too many.
    """
    mine.expect()
    guest.expect()
    if policy is MergePolicy.KEEP_USER_CART:
        return None
    replace = policy is MergePolicy.KEEP_GUEST_CART and bool(guest.items)
    items, written = _items(mine, guest, policy, offers, replace)
    first, second = (guest, mine) if replace else (mine, guest)
    going = first if first.shipping_address else second
    facts = (first.coupon_code or second.coupon_code, going.shipping_address, going.billing_address)
    if items == mine.items and facts == (mine.coupon_code, mine.shipping_address, mine.billing_address):
        return None
    mine.change(now)
    mine.items, mine.currency = items, items[0].currency if items else mine.currency
    mine.coupon_code, mine.shipping_address, mine.billing_address = facts
    return written


def _items(
    mine: Cart, guest: Cart, policy: MergePolicy, offers: Mapping[str, Offer], replace: bool
) -> tuple[list[CartItem], list[CartItem]]:
    """The lines as they will be, in their order, and those of them that are new or another than before."""
    if mine.items and guest.items and mine.currency != guest.currency and not replace:
        raise FailedPrecondition(
            Reason.CURRENCY_MISMATCH, f"the cart is in {mine.currency}, the guest's in {guest.currency}"
        )
    own = {item.product_variant_id: item for item in mine.items}
    lines = {} if replace else dict(own)
    written = []
    for item in guest.items:
        variant = item.product_variant_id
        had = lines[variant].quantity if variant in lines else 0
        wanted = had + item.quantity if policy is MergePolicy.ADD else max(had, item.quantity)
        offer = offers.get(variant)
        quantity = max(had, min(wanted, _most(offer)))
        if quantity == had:
            continue
        lines[variant] = line = _line(item, quantity, offer, own.get(variant))
        if line != own.get(variant):
            written.append(line)
    if len(lines) > MAX_ITEMS:
        raise FailedPrecondition(Reason.CART_FULL, "both carts hold more lines than one can", limit=MAX_ITEMS)
    return sorted(lines.values(), key=lambda line: line.id), written


def _most(offer: Offer | None) -> int:
    """The most that a line may hold of a variant."""
    if offer is None or offer.policy is not InventoryPolicy.DENY:
        return MAX_QUANTITY
    return min(MAX_QUANTITY, max(0, offer.available))


def _line(item: CartItem, quantity: int, offer: Offer | None, own: CartItem | None) -> CartItem:
    """The guest's line in the user's cart, at the price that catalogue asks now if it says one."""
    price = offer.unit_price if offer and offer.currency == item.currency else item.unit_price
    return CartItem(own.id if own else cuid(), item.product_variant_id, quantity, price, item.currency)
