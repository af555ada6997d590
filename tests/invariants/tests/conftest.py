"""Sound books: what a day in the shop leaves in a database of these tests' own, at rest."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import asyncpg
import pytest
from lumi.identity.v1 import auth_pb2
from lumi.identity.v1.auth_pb2_grpc import AuthServiceStub
from lumi.marketing.v1 import coupon_pb2
from lumi.marketing.v1.coupon_pb2_grpc import CouponServiceStub
from lumi.orders.v1 import order_pb2
from lumi.orders.v1.order_pb2_grpc import OrderServiceStub

from lumi_invariants.checker import Finding, books, check
from lumi_local import testing
from tests.kit.buying import Guest, request_id, usd
from tests.kit.shop import PASSWORD, Shop, migrate, open_shop


@pytest.fixture(scope="session")
async def day() -> AsyncIterator[tuple[str, list[Finding]]]:
    """The address of the books after a day, with the shop closed; and what the checker found of them before it was."""
    with testing.postgres("invariants") as server, testing.nats() as nats, testing.temporary_folder("shop") as folder:
        await asyncio.to_thread(migrate, server)
        async with open_shop(server, nats, folder) as shop:
            await _spend_a_day(shop)
            async with books(server.dsn("lumi_auditor")) as connection:
                findings = await check(connection, patience=20)
        yield server.dsn_superuser, findings


@pytest.fixture
async def sound(day: tuple[str, list[Finding]]) -> AsyncIterator[Any]:
    """A superuser's connection to those books, past foreign keys; whatever a test does to them is undone."""
    connection = await asyncpg.connect(day[0], server_settings={"search_path": "extensions"})
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("set local session_replication_role = replica")
    yield connection
    await transaction.rollback()
    await connection.close()


async def _spend_a_day(shop: Shop) -> None:
    """Orders that are paid, delivered, cancelled when packed and cancelled at once, with a coupon; and a guest's."""
    shelf = await shop.staff("coupons.write", "coupons.read", "orders.fulfill", "orders.cancel", "payments.refund")
    staff = shelf.stub(OrderServiceStub)
    soup, bread = await shelf.put(20, 250), await shelf.put(20, 199)
    coupon = coupon_pb2.Coupon(
        code="half-a-dollar",
        type=coupon_pb2.COUPON_TYPE_FIXED_AMOUNT,
        amount=usd(50),
        usage_limit=5,
        per_user_limit=3,
    )
    await shelf.stub(CouponServiceStub).CreateCoupon(
        coupon_pb2.CreateCouponRequest(coupon=coupon, request_id=request_id())
    )
    ada, ben = await shop.shopper(), await shop.shopper()
    orders = [
        (await each.place(await each.fill((soup, 2), (bread, 1), coupon="HALF-A-DOLLAR"))).order
        for each in (ada, ben, ada, ada)
    ]
    guest = await Guest.come(shop.stub)
    await guest.place(await guest.fill((bread, 2)))
    await ben.fill((soup, 1))

    _, delivered, packed, unwanted = (order.id for order in orders)
    await staff.FulfillOrder(order_pb2.FulfillOrderRequest(id=delivered, request_id=request_id()))
    await staff.ShipOrder(order_pb2.ShipOrderRequest(id=delivered, request_id=request_id()))
    await staff.DeliverOrder(order_pb2.DeliverOrderRequest(id=delivered, request_id=request_id()))
    await staff.FulfillOrder(order_pb2.FulfillOrderRequest(id=packed, request_id=request_id()))
    await staff.CancelOrder(order_pb2.CancelOrderRequest(id=packed, request_id=request_id()))
    await ada.stub(OrderServiceStub).CancelOrder(order_pb2.CancelOrderRequest(id=unwanted, request_id=request_id()))

    signed_up = await shop.user()
    auth = shop.stub(AuthServiceStub)
    signed_in = await auth.SignIn(auth_pb2.SignInRequest(email=signed_up.email, password=PASSWORD))
    refresh = partial(auth_pb2.RefreshTokenRequest, refresh_token=signed_in.tokens.refresh_token)
    await auth.RefreshToken(refresh())
