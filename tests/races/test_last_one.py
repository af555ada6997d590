"""Thirty buyers, and one of what they want."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import grpc.aio
import pytest
from google.type.money_pb2 import Money
from lumi.marketing.v1 import coupon_pb2
from lumi.marketing.v1.coupon_pb2_grpc import CouponServiceStub
from lumi.orders.v1.order_pb2 import ORDER_STATUS_PAID
from lumi_client import amount, money

from lumi_common.cuid import cuid
from tests.kit.buying import request_id
from tests.kit.client import Client
from tests.kit.shop import tls_files
from tests.races.floor import OF_ITS_OWN, Floor
from tests.races.race import CALLERS, Call, answers, race, refusals, rounds, told

SOLD = ["order.placed", "order.paid"]


@rounds
async def test_the_last_unit_is_sold_once(floor: Floor, number: int) -> None:
    policy = ("INVENTORY_POLICY_TRACK", "INVENTORY_POLICY_DENY")[number % 2]
    soup, bread = await floor.put(1, policy=policy), await floor.put(CALLERS, "1.99")
    crowd, lines = await floor.crowd(), [(soup, 1), (bread, 1)]
    # In either order, so that nobody waits for somebody who waits for them.
    carts = await asyncio.gather(*(buyer.fill(*lines[:: (-1) ** each]) for each, buyer in enumerate(crowd)))
    sessions = floor.each_on_a_line(crowd)

    outcomes = await race(*(map(lambda b, c, s: b.placing(c, s), crowd, carts, sessions)))

    assert told(outcomes) == {"": 1, "INSUFFICIENT_STOCK": CALLERS - 1}
    assert {(no.facts["product_variant_id"], no.facts["available"]) for no in refusals(outcomes)} == {(soup, "0")}
    [placed] = answers(outcomes)
    assert (placed.order.status, amount(placed.order.total_amount)) == (ORDER_STATUS_PAID, amount(money("4.49", "USD")))
    await floor.books.expect_balanced(carts=[cart.id for cart in carts], variants=[soup, bread])
    assert await floor.books.story(placed.order.id) == ("PAID", ["SETTLED 4.49 0.00"], SOLD)
    assert (await floor.stock(soup), await floor.stock(bread)) == ((0, 0), (CALLERS - 1, 0))
    assert await floor.books.orders_of(*(cart.id for cart in carts)) == [placed.order.id]
    held = "select order_id from catalogue.stock_reservations where product_variant_id = any($1)"
    assert await floor.books.rows(held, [soup, bread]) == [placed.order.id] * 2
    for outcome, session, cart in zip(outcomes, sessions, carts, strict=True):
        if outcome.refusal:
            assert await session.carts.get_active_cart() == cart


@rounds
async def test_the_last_use_of_a_coupon_is_had_by_one(floor: Floor, number: int) -> None:
    soup, coupon = await floor.put(CALLERS), await floor.coupon(usage_limit=1)
    crowd = await floor.crowd()
    carts = await asyncio.gather(*(buyer.fill((soup, 1), coupon=coupon.code) for buyer in crowd))
    sessions = floor.each_on_a_line(crowd)

    outcomes = await race(*(map(lambda b, c, s: b.placing(c, s), crowd, carts, sessions)))

    assert told(outcomes) == {"": 1, "COUPON_REFUSED": CALLERS - 1}
    assert {no.facts["reason"] for no in refusals(outcomes)} == {"COUPON_USED_UP"}
    [placed] = answers(outcomes)
    assert amount(placed.order.total_amount) == amount(money("2.25", "USD"))
    ids = [cart.id for cart in carts]
    await floor.books.expect_balanced(carts=ids, variants=[soup], coupons=(coupon.code,))
    assert await floor.books.story(placed.order.id) == ("PAID", ["SETTLED 2.25 0.00"], SOLD)
    assert (await floor.stock(soup), await floor.uses(coupon)) == ((CALLERS - 1, 0), 1)
    assert await floor.books.orders_of(*ids) == [placed.order.id]


@pytest.fixture(scope="module")
async def doors(floor: Floor) -> AsyncIterator[list[Client]]:
    """Marketing as the orders service calls it, on thirty connections: a user has one cart at a time, so that what one
    of them redeems at once can only come from there."""
    files = tls_files(floor.stack.home / "certificates", "orders")
    credentials = grpc.ssl_channel_credentials(
        *(files[name].read_bytes() for name in ("tls_ca", "tls_key", "tls_cert"))
    )
    address = floor.stack.description["services"]["marketing"]["internal"]
    channels = [grpc.aio.secure_channel(address, credentials, options=OF_ITS_OWN) for _ in range(CALLERS)]
    yield [Client(CouponServiceStub(channel), ()) for channel in channels]
    await asyncio.gather(*(channel.close() for channel in channels))


@rounds
async def test_a_user_redeems_a_coupon_as_often_as_they_may_and_each_release_counts_once(
    floor: Floor, doors: list[Client], number: int
) -> None:
    limit, user, coupon = 1 + number % 3, cuid(), await floor.coupon(per_user_limit=1 + number % 3)
    orders = [cuid() for _ in doors]

    def redeem(door: Client, order: str) -> Call:
        return partial(
            door.RedeemCoupon,
            coupon_pb2.RedeemCouponRequest(
                code=coupon.code,
                user_id=user,
                order_id=order,
                subtotal_amount=Money(currency_code="USD", units=10),
                request_id=request_id(),
            ),
        )

    outcomes = await race(*map(redeem, doors, orders))

    assert told(outcomes) == {"": limit, "COUPON_USED_BY_USER": CALLERS - limit}
    redeemed = sorted(order for order, outcome in zip(orders, outcomes, strict=True) if not outcome.refusal)
    used = "select order_id from marketing.coupon_usages where coupon_id = $1 and user_id = $2 order by order_id"
    assert await floor.books.rows(used, coupon.id, user) == redeemed
    assert await floor.uses(coupon) == limit

    def release(door: Client, order: str) -> Call:
        return partial(door.ReleaseCoupon, coupon_pb2.ReleaseCouponRequest(order_id=order, request_id=request_id()))

    outcomes = await race(*(release(door, redeemed[each % limit]) for each, door in enumerate(doors)))

    assert told(outcomes) == {"": CALLERS}
    assert await floor.books.rows(used, coupon.id, user) == []
    assert await floor.uses(coupon) == 0
