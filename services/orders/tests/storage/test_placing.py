"""The statements of placing an order: each guarded, each recorded."""

import asyncio
from decimal import Decimal

import asyncpg

from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_local.postgres import PostgresServer
from lumi_orders.domain.cart import CartStatus
from lumi_orders.domain.order import OrderStatus
from lumi_orders.storage.carts import PUT_ITEM, Carts, saving_item
from lumi_orders.storage.checkouts import Checkouts
from lumi_orders.storage.orders import Orders, moving
from lumi_orders.storage.placing import FINISH, PLACE, SETTLE, placing
from lumi_orders.storage.requests import UNASKED
from services.orders.tests.storage.model import (
    LEASE,
    NOW,
    an_offer,
    an_order,
    history,
    new_cart,
    place_order,
    put,
    start,
    step_of,
    told,
)  # fmt: skip
from tests.kit.waiting import until

KEEP = {"method": "m", "request_hash": b"hash", "response": b"answer"}


async def pay(db: Database, context: Context, order_id: str) -> bool:
    order = await Orders(db).get(order_id, owner=None)
    order.pay(NOW)
    row = await db.on(context).fetchrow(SETTLE, **UNASKED, **moving(order, "user:ada"))
    return row is not None


async def test_a_checkout_freezes_the_cart_as_it_is(db: Database, context: Context) -> None:
    cart = await new_cart(db, context, (an_offer(), 2))
    order_id = cuid()

    begun = await start(db, context, cart, order_id)

    assert begun.started
    assert begun.cart == cart
    assert await step_of(db, order_id) == "RESERVE"
    assert await told(db, order_id) == []


async def test_an_empty_a_closed_and_a_changed_cart_begin_nothing(db: Database, context: Context) -> None:
    empty = await new_cart(db, context)
    assert not (await start(db, context, empty, cuid())).started
    await put(db, context, empty, an_offer(), 1)
    assert not (await start(db, context, empty, cuid(), expected=1)).started
    assert not (await start(db, context, empty, cuid(), has_address=False)).started
    await place_order(db, context, empty)
    closed = await start(db, context, empty, cuid())
    assert not closed.started
    assert closed.cart.status is CartStatus.CHECKED_OUT


async def test_a_cart_is_placed_once_at_a_time(db: Database, context: Context) -> None:
    cart = await new_cart(db, context, (an_offer(), 1))

    tries = await asyncio.gather(*(start(db, context, cart, cuid()) for _ in range(8)))

    assert sum(each.started for each in tries) == 1
    assert (await Carts(db).get(cart.id, owner=None)).placing is not None


async def waits(server: PostgresServer) -> None:
    """Return once somebody waits for a lock."""
    waiting = """
        select exists(select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')
    """
    observer = await asyncpg.connect(server.dsn_superuser)
    await until(lambda: observer.fetchval(waiting), "somebody waits for a lock")
    await observer.close()


async def test_a_cart_that_becomes_an_order_meanwhile_begins_nothing(
    server: PostgresServer, db: Database, context: Context
) -> None:
    """Its placing is over between the look at the cart, which finds it ACTIVE, and the row of a new placing."""
    cart, order_id = await new_cart(db, context, (an_offer(), 1)), cuid()
    await start(db, context, cart, order_id)

    async with db.transaction(context) as placed:
        assert await placed.fetchrow(PLACE, **placing(an_order(cart, order_id), cart, "user:ada"))
        assert await placed.fetchrow(FINISH, **UNASKED, order_id=order_id)
        late = asyncio.create_task(start(db, context, cart, cuid()))
        await waits(server)

    assert not (await late).started
    assert (await late).cart.status is CartStatus.CHECKED_OUT


async def test_a_cart_that_is_edited_meanwhile_is_frozen_as_it_is_then(
    server: PostgresServer, db: Database, context: Context
) -> None:
    cart = await new_cart(db, context, (an_offer(), 1))
    cart.change(NOW)
    item = cart.add(an_offer(), 2)

    async with db.transaction(context) as edited:
        values = saving_item(cart, item)
        assert await edited.fetchrow(PUT_ITEM, **UNASKED, action="cart.item_added", **values)
        late = asyncio.create_task(start(db, context, cart, cuid()))
        await waits(server)

    assert (await late).started
    assert ((await late).cart.version, (await late).cart.items) == (cart.version, cart.items)


async def test_one_request_id_places_one_cart_at_a_time(db: Database, context: Context) -> None:
    request_id = cuid()
    await start(db, context, await new_cart(db, context, (an_offer(), 1)), cuid(), request_id)
    other = Context(method=context.method, principal=type(context.principal).user(cuid()))
    another = await new_cart(db, other, (an_offer(), 1))

    assert not (await start(db, context, another, cuid(), request_id, owner=None)).started


async def test_an_order_is_written_with_all_that_belongs_to_it(db: Database, context: Context) -> None:
    cart = await new_cart(db, context, (an_offer("1.25"), 2), (an_offer("7.50"), 1))
    order = an_order(cart, cuid(), discount="1.00")
    await start(db, context, cart, order.id)

    assert await db.on(context).fetchrow(PLACE, **placing(order, cart, "user:ada"))

    assert await Orders(db).get(order.id, owner=context.principal.id) == order
    assert (await Carts(db).get(cart.id, owner=None)).status is CartStatus.CHECKED_OUT
    assert await step_of(db, order.id) == "PAY"
    assert await history(db, order.id) == [(None, "PENDING", 1)]
    [row] = await told(db, order.id)
    assert (row["type"], row["aggregate"], row["version"]) == ("order.placed", "Order", 1)
    placed, closed = row["records"]
    assert (placed["action"], placed["after"]["total_amount"]) == ("order.placed", Decimal("9.00"))
    assert placed["after"]["metadata"] == "[redacted]"
    assert (closed["action"], closed["id"]) == ("cart.checked_out", cart.id)
    assert (closed["before"], closed["after"]) == ({"status": "ACTIVE"}, {"status": "CHECKED_OUT"})


async def test_an_order_is_not_written_from_a_cart_that_changed(db: Database, context: Context) -> None:
    cart = await new_cart(db, context, (an_offer(), 1))
    order = an_order(cart, cuid())
    frozen = (await start(db, context, cart, order.id)).cart
    await put(db, context, cart, an_offer(), 1)

    assert await db.on(context).fetchrow(PLACE, **placing(order, frozen, "user:ada")) is None

    assert await Orders(db).find(order.id) is None
    assert await step_of(db, order.id) == "RESERVE"
    assert (await Carts(db).get(cart.id, owner=None)).status is CartStatus.ACTIVE
    assert await told(db, order.id) == []


async def test_an_order_is_not_written_once_its_checkout_is_being_undone(db: Database, context: Context) -> None:
    cart = await new_cart(db, context, (an_offer(), 1))
    order = an_order(cart, cuid())
    await start(db, context, cart, order.id)
    assert await Checkouts(db).undo(order.id, "somebody gave up", LEASE) == 0

    assert await db.on(context).fetchrow(PLACE, **placing(order, cart, "user:ada")) is None

    assert await Orders(db).find(order.id) is None
    assert (await Carts(db).get(cart.id, owner=None)).status is CartStatus.ACTIVE


async def test_writing_and_undoing_at_once_do_one_of_them(db: Database, context: Context) -> None:
    for _ in range(10):
        caller = Context(method=context.method, principal=type(context.principal).user(cuid()))
        cart = await new_cart(db, caller, (an_offer(), 1))
        order = an_order(cart, cuid())
        await start(db, caller, cart, order.id, lease=-LEASE)

        placed, due = await asyncio.gather(
            db.on(caller).fetchrow(PLACE, **placing(order, cart, "user:ada")),
            Checkouts(db).claim(LEASE),
        )

        step = await step_of(db, order.id)
        assert step == ("PAY" if placed else "UNDO")
        assert [each.step for each in due if each.order_id == order.id] in ([], [step])


async def test_a_paid_order_ends_its_checkout_and_keeps_its_answer(db: Database, context: Context) -> None:
    order = await place_order(db, context, await new_cart(db, context, (an_offer(), 1)))
    order.pay(NOW)
    keep = {**KEEP, "principal": context.principal.key, "request_id": cuid()}

    assert await db.on(context).fetchrow(SETTLE, **keep, **moving(order, "user:ada"))

    assert await Orders(db).get(order.id, owner=None) == order
    assert await step_of(db, order.id) is None
    assert await history(db, order.id) == [(None, "PENDING", 1), ("PENDING", "PAID", 2)]
    [_, paid] = await told(db, order.id)
    [record] = paid["records"]
    assert (paid["type"], paid["version"]) == ("order.paid", 2)
    assert (record["before"], record["after"]) == ({"status": "PENDING"}, {"status": "PAID"})
    kept = await db.pool.fetchval("select response from request_ids where request_id = $1", keep["request_id"])
    assert kept == b"answer"


async def test_an_order_is_paid_once_however_many_try(db: Database, context: Context) -> None:
    order = await place_order(db, context, await new_cart(db, context, (an_offer(), 1)))

    tries = await asyncio.gather(*(pay(db, context, order.id) for _ in range(8)))

    assert sum(tries) == 1
    assert [row["type"] for row in await told(db, order.id)] == ["order.placed", "order.paid"]


async def test_a_checkout_may_end_with_the_order_still_pending(db: Database, context: Context) -> None:
    order = await place_order(db, context, await new_cart(db, context, (an_offer(), 1)))
    keep = {**KEEP, "principal": context.principal.key, "request_id": cuid()}

    assert await db.on(context).fetchrow(FINISH, **keep, order_id=order.id)
    assert await db.on(context).fetchrow(FINISH, **keep, order_id=order.id) is None

    assert await step_of(db, order.id) is None
    assert (await Orders(db).get(order.id, owner=None)).status is OrderStatus.PENDING
    assert await db.pool.fetchval("select count(*) from request_ids where request_id = $1", keep["request_id"]) == 1


async def test_what_was_left_is_taken_up_by_one_and_again_later(db: Database, context: Context) -> None:
    cart = await new_cart(db, context, (an_offer(), 1))
    left = cuid()
    await start(db, context, cart, left, request_id="r-" + left, lease=-LEASE)

    claims = await asyncio.gather(*(Checkouts(db).claim(LEASE) for _ in range(4)))

    [due] = [each for claim in claims for each in claim if each.order_id == left]
    assert (due.step, due.provider) == ("UNDO", "MANUAL")
    assert due.origin is not None
    assert due.origin.request_id == "r-" + left
    assert left not in [each.order_id for each in await Checkouts(db).claim(LEASE)]
    await Checkouts(db).end(left, due.attempts - 1)
    assert await step_of(db, left) == "UNDO"
    await Checkouts(db).end(left, due.attempts)
    assert await step_of(db, left) is None
