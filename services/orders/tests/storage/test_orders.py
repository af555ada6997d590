"""Orders in the database."""

import asyncio
from datetime import timedelta

import pytest

from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_common.errors import NotFound
from lumi_orders.domain.order import Order, OrderStatus
from lumi_orders.storage.checkouts import Checkouts
from lumi_orders.storage.orders import CANCEL, Orders, moving
from lumi_orders.storage.placing import FINISH
from lumi_orders.storage.requests import UNASKED
from services.orders.tests.storage.model import (
    LEASE,
    NOW,
    an_offer,
    history,
    new_cart,
    place_order,
    start,
    step_of,
    told,
)  # fmt: skip


async def cancel(db: Database, context: Context, order: Order) -> bool:
    order.cancel(NOW)
    values = moving(order, "user:ada", "changed my mind")
    row = await db.on(context).fetchrow(CANCEL, **UNASKED, **values, checkout_id=cuid(), lease=LEASE)
    return row is not None


async def a_placed_order(db: Database, context: Context) -> Order:
    order = await place_order(db, context, await new_cart(db, context, (an_offer(), 1)))
    await db.on(context).fetchrow(FINISH, **UNASKED, order_id=order.id)
    return order


async def test_an_order_is_found_by_id_reference_and_cart(db: Database, context: Context) -> None:
    order = await a_placed_order(db, context)
    orders, owner = Orders(db), context.principal.id

    assert await orders.get(order.id, owner=owner) == order
    assert await orders.get_by_reference(order.reference, owner=owner) == order
    assert order.cart_id is not None
    assert await orders.id_of_cart(order.cart_id) == order.id


async def test_someone_elses_order_is_not_found(db: Database, context: Context) -> None:
    order = await a_placed_order(db, context)
    with pytest.raises(NotFound, match="NOT_FOUND"):
        await Orders(db).get(order.id, owner=cuid())
    with pytest.raises(NotFound, match="NOT_FOUND"):
        await Orders(db).get_by_reference(order.reference, owner=cuid())


async def test_pages_of_orders_are_newest_first_without_gap_or_repeat(db: Database, context: Context) -> None:
    placed = [await a_placed_order(db, context) for _ in range(5)]
    user, seen, token = context.principal.id, [], ""
    while True:
        page = await Orders(db).list_page(owner=user, user_id=None, status=None, size=2, token=token)
        seen += page.items
        token = page.next_page_token
        if not token:
            break

    assert seen == placed[::-1]
    none = await Orders(db).list_page(owner=user, user_id=None, status=OrderStatus.PAID, size=2, token="")
    assert none.items == []


async def test_a_cancellation_leaves_its_undoing_as_a_row(db: Database, context: Context) -> None:
    order = await a_placed_order(db, context)

    assert await cancel(db, context, order)

    assert await Orders(db).get(order.id, owner=None) == order
    assert await step_of(db, order.id) == "UNDO"
    assert await history(db, order.id) == [(None, "PENDING", 1), ("PENDING", "CANCELLED", 2)]
    assert [row["type"] for row in await told(db, order.id)] == ["order.placed", "order.cancelled"]


async def test_an_order_being_placed_is_not_cancelled(db: Database, context: Context) -> None:
    order = await place_order(db, context, await new_cart(db, context, (an_offer(), 1)))

    assert not await cancel(db, context, order)

    assert (await Orders(db).get(order.id, owner=None)).status is OrderStatus.PENDING
    assert await step_of(db, order.id) == "PAY"


async def test_of_payment_and_cancellation_at_once_one_wins(db: Database, context: Context) -> None:
    for _ in range(5):
        caller = Context(method=context.method, principal=type(context.principal).user(cuid()))
        order = await a_placed_order(db, caller)
        paid, cancelled = [await Orders(db).get(order.id, owner=None) for _ in range(2)]
        paid.pay(NOW)

        won = await asyncio.gather(Orders(db.on(caller)).pay(paid, "service:payments"), cancel(db, caller, cancelled))

        assert sum(won) == 1
        found = await Orders(db).get(order.id, owner=None)
        assert found.version == 2
        assert (found.cancelled_at is not None) == (found.status is OrderStatus.CANCELLED) == won[1]


async def test_the_states_that_catalogue_asks_for(db: Database, context: Context) -> None:
    live = await a_placed_order(db, context)
    cancelled = await a_placed_order(db, context)
    await cancel(db, context, cancelled)
    cart = await new_cart(db, context, (an_offer(), 1))
    placing, unknown = cuid(), cuid()
    await start(db, context, cart, placing)

    states = await Orders(db).states([live.id, cancelled.id, placing, unknown])
    assert states == {live.id: "LIVE", cancelled.id: "GONE", placing: "PLACING", unknown: "GONE"}

    await Checkouts(db).undo(placing, "gave up", LEASE)
    assert await Orders(db).states([placing]) == {placing: "GONE"}


async def test_orders_that_wait_too_long_for_their_money_are_named(db: Database, context: Context) -> None:
    waiting = await a_placed_order(db, context)
    being_placed = await place_order(db, context, await new_cart(db, context, (an_offer(), 1)))

    # The orders here are dated with a fixed time of their own.
    expired = await Orders(db).expired(timedelta(days=-10_000), limit=1000)

    assert waiting.id in expired
    assert being_placed.id not in expired
