"""CartService."""

from collections.abc import Callable
from typing import Any

from google.protobuf.empty_pb2 import Empty
from lumi.orders.v1 import cart_pb2 as pb
from lumi.orders.v1.cart_pb2_grpc import CartServiceServicer

from lumi_common.clock import Clock
from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_common.db.request import Once
from lumi_common.db.statement import Statement
from lumi_common.errors import Aborted, AlreadyExists, NotFound, Reason
from lumi_common.money import check_currency
from lumi_orders.api import convert
from lumi_orders.clients.catalogue import Catalogue
from lumi_orders.domain.cart import Cart, Offer, not_sellable
from lumi_orders.storage import carts
from lumi_orders.storage.carts import Carts
from lumi_orders.storage.deleting import Deleting
from lumi_orders.storage.requests import UNCHANGED
from lumi_orders.workflows.addresses import AddressBook
from lumi_orders.workflows.merging import Merging
from lumi_orders.workflows.quote import Quotes

SHOP_CURRENCY = "TRY"
TRIES = 5

# The statement that writes a changed cart, with its parameters; None when there is nothing to change.
Writing = tuple[Statement, dict[str, Any]] | None


class CartService(CartServiceServicer):
    """Each change reads the cart, decides, and writes by one statement that the version read guards."""

    def __init__(
        self, db: Database, clock: Clock, catalogue: Catalogue, quotes: Quotes, book: AddressBook, merging: Merging
    ) -> None:
        self._db, self._clock = db, clock
        self._catalogue, self._quotes, self._book, self._merging = catalogue, quotes, book, merging
        self._carts = Carts(db)

    async def CreateCart(self, request: pb.CreateCartRequest, context: Context) -> pb.Cart:
        now = self._clock()
        currency = check_currency(request.currency_code or SHOP_CURRENCY, field="currency_code")
        owner = context.principal.id
        of_guest = context.principal.kind == "guest"
        cart = Cart(cuid(), None if of_guest else owner, now, now, currency, owner if of_guest else None)
        async with self._db.once(request, context) as once:
            try:
                await once.change(carts.CREATE, convert.cart_to_proto(cart), **carts.creating(cart))
            except AlreadyExists as refusal:
                active = await self._carts.find_active(owner)
                refusal.facts["cart_id"] = active.id if active else ""
                raise
        return _answer(once)

    async def GetCart(self, request: pb.GetCartRequest, context: Context) -> pb.Cart:
        return convert.cart_to_proto(await self._carts.get(request.id, owner=context.owner))

    async def GetActiveCart(self, request: pb.GetActiveCartRequest, context: Context) -> pb.Cart:
        cart = await self._carts.find_active(context.principal.id)
        if cart is None:
            raise NotFound(Reason.NOT_FOUND, "no active cart", entity="Cart")
        return convert.cart_to_proto(cart)

    async def AddCartItem(self, request: pb.AddCartItemRequest, context: Context) -> pb.Cart:
        async with self._db.once(request, context) as once:
            offer = await self._offer(request.product_variant_id, context)

            def add(cart: Cart) -> Writing:
                cart.change(self._clock(), request.etag)
                item = cart.add(offer, request.quantity)
                return carts.PUT_ITEM, {"action": "cart.item_added", **carts.saving_item(cart, item)}

            await self._change(once, request.cart_id, request.etag, add)
        return _answer(once)

    async def UpdateCartItem(self, request: pb.UpdateCartItemRequest, context: Context) -> pb.Cart:
        async with self._db.once(request, context) as once:
            (await self._carts.get(request.cart_id, owner=context.owner)).get(request.product_variant_id)
            offer = await self._offer(request.product_variant_id, context)

            def update(cart: Cart) -> Writing:
                cart.change(self._clock(), request.etag)
                item = cart.set_quantity(offer, request.quantity)
                return carts.PUT_ITEM, {"action": "cart.item_updated", **carts.saving_item(cart, item)}

            await self._change(once, request.cart_id, request.etag, update)
        return _answer(once)

    async def RemoveCartItem(self, request: pb.RemoveCartItemRequest, context: Context) -> pb.Cart:
        def remove(cart: Cart) -> Writing:
            item = cart.find(request.product_variant_id)
            if item is None:
                cart.expect(request.etag)
                return None
            cart.change(self._clock(), request.etag)
            cart.items.remove(item)
            return carts.TAKE_ITEM, {**carts.saving(cart), "product_variant_id": item.product_variant_id}

        async with self._db.once(request, context) as once:
            await self._change(once, request.cart_id, request.etag, remove)
        return _answer(once)

    async def ClearCart(self, request: pb.ClearCartRequest, context: Context) -> pb.Cart:
        def clear(cart: Cart) -> Writing:
            if not cart.items and not cart.coupon_code:
                cart.expect(request.etag)
                return None
            cart.change(self._clock(), request.etag)
            cart.items, cart.coupon_code = [], None
            return carts.TAKE_ALL, carts.saving(cart)

        async with self._db.once(request, context) as once:
            await self._change(once, request.id, request.etag, clear)
        return _answer(once)

    async def DeleteCart(self, request: pb.DeleteCartRequest, context: Context) -> Empty:
        async with self._db.command(request, context) as command:
            if command.fresh:
                deleting = Deleting(command)
                cart = await deleting.lock_cart(request.id, owner=context.owner)
                cart.expect_deletable(request.etag)
                await deleting.delete_cart(cart)
                command.answer = Empty()
        answer: Empty = command.answer
        return answer

    async def ApplyCoupon(self, request: pb.ApplyCouponRequest, context: Context) -> pb.Cart:
        async with self._db.once(request, context) as once:
            cart = await self._carts.get(request.id, owner=context.owner)
            cart.expect(request.etag)
            code = await self._quotes.accept(cart, request.code, context)

            def apply(cart: Cart) -> Writing:
                cart.change(self._clock(), request.etag)
                cart.coupon_code = code
                return carts.SAVE, {"action": "cart.coupon_applied", **carts.saving_facts(cart)}

            await self._change(once, request.id, request.etag, apply)
        return _answer(once)

    async def RemoveCoupon(self, request: pb.RemoveCouponRequest, context: Context) -> pb.Cart:
        def remove(cart: Cart) -> Writing:
            if not cart.coupon_code:
                cart.expect(request.etag)
                return None
            cart.change(self._clock(), request.etag)
            cart.coupon_code = None
            return carts.SAVE, {"action": "cart.coupon_removed", **carts.saving_facts(cart)}

        async with self._db.once(request, context) as once:
            await self._change(once, request.id, request.etag, remove)
        return _answer(once)

    async def SetCartAddresses(self, request: pb.SetCartAddressesRequest, context: Context) -> pb.Cart:
        async with self._db.once(request, context) as once:
            (await self._carts.get(request.id, owner=context.owner)).expect(request.etag)
            booked = await self._book.resolve(
                context.principal.id, request.shipping_address_id, request.billing_address_id, context
            )
            shipping = booked.shipping or convert.address_given(request, "shipping_address")
            billing = booked.billing or convert.address_given(request, "billing_address") or shipping

            def note(cart: Cart) -> Writing:
                cart.change(self._clock(), request.etag)
                cart.shipping_address, cart.billing_address = shipping, billing
                return carts.SAVE, {"action": "cart.addresses_set", **carts.saving_facts(cart)}

            await self._change(once, request.id, request.etag, note)
        return _answer(once)

    async def QuoteCart(self, request: pb.QuoteCartRequest, context: Context) -> pb.CartQuote:
        cart = await self._carts.get(request.id, owner=context.owner)
        cart.expect_active()
        given = await self._book.resolve(context.principal.id, request.shipping_address_id, "", context)
        return convert.quote_to_proto(await self._quotes.quote(cart, context, given.shipping))

    async def MergeGuestCart(self, request: pb.MergeGuestCartRequest, context: Context) -> pb.Cart:
        guest = await self._merging.guest_of(request.guest_token)
        async with self._db.once(request, context) as once:
            policy = convert.MERGE_POLICIES[request.policy]
            await self._merging.merge(context.principal.id, guest, policy, request.etag, once)
        return _answer(once)

    async def _offer(self, variant_id: str, context: Context) -> Offer:
        offer = (await self._catalogue.offers([variant_id], context)).get(variant_id)
        if offer is None:
            raise not_sellable(variant_id)
        return offer

    async def _change(self, once: Once, cart_id: str, etag: str, decide: Callable[[Cart], Writing]) -> None:
        """Read, decide, write; again where somebody else came in between, unless the caller named a version."""
        for _ in range(1 if etag else TRIES):
            cart = await self._carts.get(cart_id, owner=once.context.owner)
            writing = decide(cart)
            if writing is None:
                await once.change(UNCHANGED, convert.cart_to_proto(cart))
                return
            statement, values = writing
            if await once.change(statement, convert.cart_to_proto(cart), **values) is not None:
                return
        raise Aborted(Reason.ETAG_MISMATCH, "the cart has changed: read it again", cart_id=cart_id)


def _answer(once: Once) -> pb.Cart:
    answer: pb.Cart = once.answer
    return answer
