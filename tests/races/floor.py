"""A stack's shop floor with thirty connections into it: shoppers, one and the same person on all of them, and staff."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial

from google.type.decimal_pb2 import Decimal as Percent
from lumi.catalogue.v1.product_pb2 import Product
from lumi.catalogue.v1.variant_pb2 import ProductVariant
from lumi.identity.v1.auth_pb2 import Tokens
from lumi.marketing.v1.coupon_pb2 import Coupon
from lumi.orders.v1.cart_pb2 import Cart
from lumi.orders.v1.order_pb2 import Order
from lumi_client import NotFound, Session, money
from lumi_client.calls import Connection

from lumi_common.cuid import cuid
from lumi_local.testing import LocalStack
from tests.kit.door import PATIENCE, Door
from tests.races.books import Books
from tests.races.race import CALLERS, Call
from tests.stories.acts import fill, home

MANUAL = "PAYMENT_PROVIDER_MANUAL"
# Channels to one address share a connection unless they are told not to.
OF_ITS_OWN = [("grpc.use_local_subchannel_pool", 1)]


class Lines:
    """So many connections to a gateway, each of its own."""

    def __init__(self, url: str, number: int = CALLERS) -> None:
        self._connections = [Connection(url, timeout=PATIENCE, options=OF_ITS_OWN) for _ in range(number)]

    def of(self, someone: Session) -> list[Session]:
        """Somebody on every line; their token of now is what they have there."""
        tokens = Tokens(access_token=someone.access_token)
        return [Session(connection, tokens) for connection in self._connections]

    async def close(self) -> None:
        """Hang up."""
        await asyncio.gather(*(connection.close() for connection in self._connections))


@dataclass
class Buyer:
    """Somebody who shops again and again; `home` is their address's id, empty of a guest."""

    session: Session
    home: str = ""

    async def fill(self, *lines: tuple[str, int], coupon: str = "") -> Cart:
        """Their cart with these variants and quantities, and nothing else."""
        with suppress(NotFound):
            cart = await self.session.carts.get_active_cart()
            if cart.items or cart.coupon_code:
                await self.session.carts.clear_cart(id=cart.id)
        return await fill(self.session, *lines, coupon=coupon)

    def placing(self, cart: Cart, on: Session | None = None, request_id: str | None = None, to: str = "") -> Call:
        """A call that orders what is in a cart, on some line, to `to` instead of home."""
        orders, address = (on or self.session).orders, to or self.home
        return partial(
            orders.place_order,
            cart_id=cart.id,
            shipping_address_id=address,
            payment_provider=MANUAL,
            request_id=request_id,
        )


class Floor:
    """The shop of a running stack; `staff` may do everything."""

    def __init__(self, stack: LocalStack, door: Door, lines: Lines, staff: Session, books: Books) -> None:
        self.stack, self.door, self.lines, self.staff, self.books = stack, door, lines, staff, books
        self._crowd: list[Buyer] = []

    @classmethod
    @asynccontextmanager
    async def opened(cls, stack: LocalStack) -> AsyncIterator["Floor"]:
        """The floor of this stack, until the end of the block."""
        door, lines = Door(stack.description), Lines(stack.description["gateway"])
        books = await Books.open(stack.description["postgres"])
        try:
            yield cls(stack, door, lines, await door.staff(), books)
        finally:
            await asyncio.gather(books.close(), lines.close(), door.close())

    async def buyer(self) -> Buyer:
        """Somebody new, with a home."""
        session = await self.door.customer()
        return Buyer(session, await home(session))

    async def crowd(self) -> list[Buyer]:
        """Thirty shoppers, the same each time."""
        if not self._crowd:
            self._crowd = await asyncio.gather(*(self.buyer() for _ in range(CALLERS)))
        return self._crowd

    def each_on_a_line(self, buyers: list[Buyer]) -> list[Session]:
        """Every one of the crowd on a connection of their own."""
        return [self.lines.of(buyer.session)[number] for number, buyer in enumerate(buyers)]

    async def put(self, units: int, price: str = "2.50", policy: str = "INVENTORY_POLICY_TRACK") -> str:
        """A new product with one variant at so many US dollars, and so many of it; the variant's id."""
        key, staff = cuid(), self.staff
        product = await staff.products.create_product(
            product=Product(
                title=f"Tomato soup {key}",
                slug=f"tomato-soup-{key}",
                price=money(price, "USD"),
                inventory_policy=policy,
            )
        )
        variant = await staff.variants.create_variant(
            product_id=product.id, variant=ProductVariant(title="Tin", sku=f"V-{key}", price=money(price, "USD"))
        )
        await staff.products.publish_product(id=product.id)
        await staff.inventories.adjust_inventory(product_variant_id=variant.id, delta=units, reason="delivery")
        return variant.id

    async def stock(self, variant: str) -> tuple[int, int]:
        """How many of a variant are on hand, and how many of them are promised."""
        found = await self.staff.inventories.get_inventory(product_variant_id=variant)
        return found.quantity_on_hand, found.quantity_reserved

    async def coupon(self, *, usage_limit: int | None = None, per_user_limit: int | None = None) -> Coupon:
        """A new coupon that takes a tenth off."""
        coupon = Coupon(
            code=f"C-{cuid()}",
            type="COUPON_TYPE_PERCENTAGE",
            percent=Percent(value="10"),
            usage_limit=usage_limit,
            per_user_limit=per_user_limit,
        )
        return await self.staff.coupons.create_coupon(coupon=coupon)

    async def uses(self, coupon: Coupon) -> int:
        """How often a coupon is used."""
        return (await self.staff.coupons.get_coupon(id=coupon.id)).usage_count


def units(cart: Cart | Order) -> dict[str, int]:
    """How many of each variant are in a cart, or in an order."""
    return {item.product_variant_id: item.quantity for item in cart.items}
