"""The shop floor as these tests see it: goods, coupons, shoppers, and what is in the books afterwards."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import import_module
from typing import Any

from google.type.decimal_pb2 import Decimal
from google.type.money_pb2 import Money
from lumi.marketing.v1 import coupon_pb2
from lumi.marketing.v1.coupon_pb2_grpc import CouponServiceStub
from lumi.orders.v1 import cart_pb2
from lumi.orders.v1.cart_pb2_grpc import CartServiceStub

from lumi_common.cuid import cuid
from lumi_common.service import Runtime
from lumi_orders.server import REFUSALS, Peers, compose, peers_of
from lumi_orders.storage.invariants import INVARIANTS
from tests.kit.buying import Guest, Shelf, Shopper, request_id, usd
from tests.kit.shop import Shop


class Floor:
    """A shop with somebody who fills its shelves and prints its coupons."""

    def __init__(self, shop: Shop, shelf: Shelf, coupons: Any) -> None:
        self.shop, self.shelf, self._coupons = shop, shelf, coupons

    @classmethod
    async def open(cls, shop: Shop) -> "Floor":
        user = await shop.user("coupons.write", "coupons.read")
        return cls(shop, await shop.staff(), shop.stub(CouponServiceStub, user.token))

    async def shopper(self) -> Shopper:
        return await self.shop.shopper()

    async def guest(self) -> Guest:
        return await Guest.come(self.shop.stub)

    async def coupon(self, cents: int, **facts: Any) -> str:
        """A new coupon that takes so much off; its code."""
        return await self._print(type=coupon_pb2.COUPON_TYPE_FIXED_AMOUNT, amount=usd(cents), **facts)

    async def percentage(self, percent: str, **facts: Any) -> str:
        """A new coupon that takes so many hundredths off; its code."""
        return await self._print(type=coupon_pb2.COUPON_TYPE_PERCENTAGE, percent=Decimal(value=percent), **facts)

    async def free_shipping(self, **facts: Any) -> str:
        """A new coupon that takes the shipping off; its code."""
        return await self._print(type=coupon_pb2.COUPON_TYPE_FREE_SHIPPING, **facts)

    async def _print(self, **facts: Any) -> str:
        given = coupon_pb2.Coupon(code=f"C-{cuid()}", **facts)
        request = coupon_pb2.CreateCouponRequest(coupon=given, request_id=request_id())
        return str((await self._coupons.CreateCoupon(request)).code)

    async def uses(self, code: str) -> int:
        """How many orders use a coupon, as it is counted and as it is listed."""
        counted = (await self._coupons.GetCouponByCode(coupon_pb2.GetCouponByCodeRequest(code=code))).usage_count
        async with self.shop.database("marketing") as database:
            listed = await database.fetchval(
                "select count(*) from coupon_usages u join coupons c on c.id = u.coupon_id where c.code = $1", code
            )
        assert counted == listed
        return int(counted)

    async def add(self, shopper: Shopper, cart: cart_pb2.Cart, variant: str, quantity: int) -> cart_pb2.Cart:
        """So many of a variant in a cart."""
        changed: cart_pb2.Cart = await shopper.stub(CartServiceStub).AddCartItem(
            cart_pb2.AddCartItemRequest(cart_id=cart.id, product_variant_id=variant, quantity=quantity)
        )
        return changed

    async def captured(self, order_id: str) -> list[tuple[str, Money]]:
        """Status and captured amount of an order's payments, the oldest first."""
        async with self.shop.database("payments") as database:
            rows = await database.fetch(
                "select status, captured_amount from payments where order_id = $1 order by id", order_id
            )
        return [(row["status"], usd(int(row["captured_amount"] * 100))) for row in rows]

    async def orders_of(self, cart_id: str) -> list[tuple[str, str]]:
        """Id and status of what a cart became."""
        return await self.rows("select id, status from orders where cart_id = $1", cart_id)

    async def history(self, order_id: str) -> list[tuple[Any, ...]]:
        """From which status to which an order went, with its versions."""
        return await self.rows(
            "select from_status, to_status, version from order_status_history where order_id = $1 order by version",
            order_id,
        )

    async def told(self, aggregate_id: str) -> list[str]:
        """Types of the events of a cart or an order."""
        rows = await self.rows("select type from outbox_events where aggregate_id = $1 order by seq", aggregate_id)
        return [row[0] for row in rows]

    async def in_flight(self, cart_id: str) -> int:
        """How many placings of this cart are not over."""
        return len(
            await self.rows(
                "select 1 from checkouts where cart_id = $1 or order_id in (select id from orders where cart_id = $1)",
                cart_id,
            )
        )

    async def broken(self, id: str, column: str, value: str) -> list[Any]:
        """The rows in which the service says that an invariant does not hold, with this value in a column."""
        [query] = (each.query for each in INVARIANTS if each.id == id)
        return await self.rows(f"select * from ({query}) as broken where {column} = $1", value)

    async def rows(self, query: str, *values: Any) -> list[Any]:
        """What a query of the orders schema finds."""
        async with self.shop.database("orders") as database:
            return [tuple(row) for row in await database.fetch(query, *values)]


@asynccontextmanager
async def branch(
    shop: Shop,
    change: Callable[[Peers], Peers] = lambda peers: peers,
    *,
    by_hand: bool = False,
    **settings: Any,
) -> AsyncIterator[Floor]:
    """A second process of orders on the same books, with its peers changed; `by_hand`: payments wait for staff."""
    twin = Shop(shop.postgres, shop.nats, shop._certificates)
    twin.runtimes |= shop.runtimes
    anywhere = {"public_address": "127.0.0.1:0", "internal_address": "127.0.0.1:0", "drain_seconds": 0.0}
    async with AsyncExitStack() as stack:
        if by_hand:
            module = import_module("lumi_payments.server")
            given = shop.runtimes["payments"].settings
            payments = Runtime(
                "payments", given.model_copy(update=anywhere | {"manual_payments": "record"}), refusals=module.REFUSALS
            )
            stack.push_async_callback(payments.close)
            await payments.open()
            await module.compose(payments)
            await payments.start()
            twin.runtimes["payments"] = payments
        given = shop.runtimes["orders"].settings
        peers = {**given.peers, "payments": f"127.0.0.1:{twin.runtimes['payments'].server.internal_port}"}
        orders = Runtime("orders", given.model_copy(update=anywhere | {"peers": peers} | settings), refusals=REFUSALS)
        stack.push_async_callback(orders.close)
        await orders.open()
        await compose(orders, change(peers_of(orders)))
        await orders.start()
        twin.runtimes["orders"] = orders
        twin.dial()
        stack.push_async_callback(twin.hang_up)
        yield await Floor.open(twin)


async def eventually(look: Callable[[], Awaitable[Any]], wanted: Any, *, within: float = 15.0) -> None:
    """Look until it is so; the last look fails the test."""
    for _ in range(int(within / 0.05)):
        if await look() == wanted:
            return
        await asyncio.sleep(0.05)
    assert await look() == wanted
