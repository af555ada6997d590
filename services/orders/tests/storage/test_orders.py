"""Orders in the database."""

from datetime import timedelta

import pytest

from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_common.errors import NotFound
from lumi_orders.domain.order import OrderStatus
from lumi_orders.storage.checkouts import Checkouts
from lumi_orders.storage.orders import Orders
from services.orders.tests.storage.model import (
    LEASE,
    a_placed_order,
    an_offer,
    an_order_that_is,
    new_cart,
    place_order,
    start,
)


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


async def test_the_states_that_catalogue_asks_for(db: Database, context: Context) -> None:
    orders = {status: await an_order_that_is(status, db, context) for status in OrderStatus}
    cart = await new_cart(db, context, (an_offer(), 1))
    placing, unknown = cuid(), cuid()
    await start(db, context, cart, placing)

    states = await Orders(db).states([*(order.id for order in orders.values()), placing, unknown])
    for status, order in orders.items():
        assert states[order.id] == ("GONE" if status is OrderStatus.CANCELLED else "LIVE")
    assert (states[placing], states[unknown]) == ("PLACING", "GONE")

    await Checkouts(db).undo(placing, "gave up", LEASE)
    assert await Orders(db).states([placing]) == {placing: "GONE"}


async def test_orders_that_wait_too_long_for_their_money_are_named(db: Database, context: Context) -> None:
    waiting = await a_placed_order(db, context)
    being_placed = await place_order(db, context, await new_cart(db, context, (an_offer(), 1)))

    # The orders here are dated with a fixed time of their own.
    expired = await Orders(db).expired(timedelta(days=-10_000), limit=1000)

    assert waiting.id in expired
    assert being_placed.id not in expired
