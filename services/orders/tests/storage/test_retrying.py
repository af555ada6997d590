"""A further payment of an order begins as a row, once, and from the order as it was seen."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_orders.domain.checkout import Origin, Step
from lumi_orders.domain.order import Order, OrderStatus
from lumi_orders.storage.checkouts import Checkouts
from lumi_orders.storage.orders import Orders
from lumi_orders.storage.retrying import RETRY_PAYMENT, retrying
from services.orders.tests.storage.model import LEASE, NOW, an_order_that_is, go, told

P = OrderStatus.PENDING
METHOD = "lumi.orders.v1.OrderService/RetryPayment"


async def begin(db: Database, context: Context, order: Order, request_id: str = "") -> bool:
    """Whether a further payment begins from the order as it is given."""
    seen = replace(order)
    seen.retry_payment(NOW)
    values = retrying(seen, cuid(), "MANUAL", Origin("user:ada", request_id, b"#"), METHOD, LEASE)
    return await db.on(context).fetchrow(RETRY_PAYMENT, **values) is not None


async def version_of(db: Database, order: Order) -> int:
    return (await Orders(db).get(order.id, owner=None)).version


async def test_of_many_at_once_one_begins(db: Database, context: Context) -> None:
    order = await an_order_that_is(P, db, context)

    begun = await asyncio.gather(*(begin(db, context, order) for _ in range(20)))

    assert sum(begun) == 1
    assert await Checkouts(db).step_of(order.id) is Step.RETRY
    assert await version_of(db, order) == order.version + 1
    rows = await told(db, order.id)
    assert [row["type"] for row in rows] == ["order.placed", "order.payment_retried"]
    [record] = rows[1]["records"]
    assert record["audit"] and (record["before"], record["after"]) == ({}, {})


async def test_while_one_is_under_way_none_begins_and_the_order_is_not_cancelled(
    db: Database, context: Context
) -> None:
    order = await an_order_that_is(P, db, context)
    assert await begin(db, context, order)
    order = await Orders(db).get(order.id, owner=None)

    assert not await begin(db, context, order)
    assert not await go(db, context, replace(order), OrderStatus.CANCELLED)
    assert await version_of(db, order) == order.version
    # Its money may come all the same.
    assert await go(db, context, replace(order), OrderStatus.PAID)

    await Checkouts(db).drop(order.id)
    assert await Checkouts(db).step_of(order.id) is None


async def test_a_cancellation_and_a_further_payment_at_once_are_one_of_them(db: Database, context: Context) -> None:
    for _ in range(20):
        order = await an_order_that_is(P, db, context)

        begun, cancelled = await asyncio.gather(
            begin(db, context, order), go(db, context, replace(order), OrderStatus.CANCELLED)
        )

        assert begun is not cancelled
        assert await version_of(db, order) == order.version + 1
        step = await db.pool.fetchval("select step from checkouts where order_id = $1", order.id)
        assert step == ("RETRY" if begun else "UNDO")


@pytest.mark.parametrize("status", [each for each in OrderStatus if each is not P])
async def test_an_order_that_does_not_wait_for_its_money_is_left_alone(
    db: Database, context: Context, status: OrderStatus
) -> None:
    order = await an_order_that_is(status, db, context)
    await db.pool.execute("delete from checkouts where order_id = $1", order.id)

    assert not await begin(db, context, replace(order, status=P))

    assert await version_of(db, order) == order.version
    assert await in_flight(db, order) == 0


async def test_a_request_that_was_answered_begins_nothing(db: Database, context: Context) -> None:
    order, id = await an_order_that_is(P, db, context), cuid()
    await db.pool.execute(
        "insert into request_ids (principal, method, request_id, request_hash, expires_at) "
        "values ('user:ada', $1, $2, '#', now() + interval '1 day')",
        METHOD,
        id,
    )

    assert not await begin(db, context, order, id)

    assert await in_flight(db, order) == 0


async def test_one_request_id_begins_one(db: Database, context: Context) -> None:
    orders, id = [await an_order_that_is(P, db, context) for _ in range(10)], cuid()

    begun = await asyncio.gather(*(begin(db, context, order, id) for order in orders))

    assert sum(begun) == 1
    for order, is_begun in zip(orders, begun, strict=True):
        assert await version_of(db, order) == order.version + is_begun


async def in_flight(db: Database, order: Order) -> Any:
    return await db.pool.fetchval("select count(*) from checkouts where order_id = $1", order.id)
