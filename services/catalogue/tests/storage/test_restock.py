"""What was sold to an order that is undone comes back once, whoever asks how often and whatever else goes on."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import uuid4

import asyncpg
import pytest
from lumi.common.v1 import event_pb2
from sqlalchemy import func, select

from lumi_catalogue.domain.reservation import ReservationState
from lumi_catalogue.storage import endings, reservations
from lumi_catalogue.workflows.paid import commit_paid
from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database, Transaction
from lumi_common.db.statement import Statement
from lumi_common.errors import NotFound, Unavailable
from lumi_common.events.event import Event
from services.catalogue.tests.invariants import broken
from services.catalogue.tests.kit import STAFF, Counters, Shelf, a_desk, asking, commit, release, until_somebody_waits
from tests.kit.waiting import until

_PID = Statement(select(func.pg_backend_pid()))


async def paid(db: Database, order_id: str) -> None:
    """What becomes of the order once its payment is heard of."""
    event = Event(event_pb2.Event(id=str(uuid4()), type="order.paid", aggregate="Order", aggregate_id=order_id))
    async with db.transaction(STAFF) as tx:
        await commit_paid(tx, event)


async def states(db: Database, order_id: str) -> set[str]:
    return {each.state for each in await reservations.of_order(db, order_id)}


async def test_what_was_sold_is_on_hand_again_and_told_line_by_line(
    db: Database, shelf: Shelf, context: Context
) -> None:
    one, two = await shelf.put(5), await shelf.put(7)
    asked = asking(context, (one, 2), (two, 3))
    await a_desk(db).reserve(asked)
    await commit(db, asked.order_id)

    await release(db, asked.order_id)

    assert await shelf.of(one) == Counters(on_hand=5, reserved=0, available=5)
    assert await shelf.of(two) == Counters(on_hand=7, reserved=0, available=7)
    assert await shelf.movements(two) == [(7, "delivery"), (-3, "sold"), (3, "restocked")]
    assert await states(db, asked.order_id) == {ReservationState.COMMITTED}
    *_, row = await shelf.outbox(asked.order_id)
    assert (row["aggregate"], row["type"], row["version"]) == ("StockReservation", "stock.restocked", row["seq"])
    told = {record["keys"]["product_variant_id"]: record for record in row["records"]}
    assert set(told) == {one, two}
    assert {(each["entity"], each["action"], each["audit"]) for each in told.values()} == {
        ("Inventory", "inventory.restocked", True)
    }
    assert told[two]["before"] == {"quantity_on_hand": 4, "quantity_available": 4}
    assert told[two]["after"] == {"quantity_on_hand": 7, "quantity_available": 7}


async def test_a_restock_is_a_movement_of_its_order_with_an_id_like_any_other(
    db: Database, shelf: Shelf, context: Context
) -> None:
    variant = await shelf.put(5)
    asked = asking(context, (variant, 2))
    await a_desk(db).reserve(asked)
    await commit(db, asked.order_id)
    await release(db, asked.order_id)

    rows = await db.pool.fetch("select id, reason from stock_movements where order_id = $1", asked.order_id)

    ids = {row["reason"]: row["id"] for row in rows}
    assert ids.keys() == {"sold", "restocked"} and len(set(ids.values())) == 2
    assert all(len(id) == 25 and id.isalnum() and id.startswith("c") for id in ids.values())


async def test_a_count_of_the_shelves_before_it_came_back_is_old(db: Database, shelf: Shelf, context: Context) -> None:
    variant = await shelf.put(5)
    asked = asking(context, (variant, 2))
    await a_desk(db).reserve(asked)
    await commit(db, asked.order_id)
    before = await db.pool.fetchval("select version from inventories where product_variant_id = $1", variant)

    await release(db, asked.order_id)

    after = await db.pool.fetchval("select version from inventories where product_variant_id = $1", variant)
    assert after == before + 1


async def test_again_it_changes_nothing(db: Database, shelf: Shelf, context: Context) -> None:
    variant = await shelf.put(5)
    asked = asking(context, (variant, 2))
    await a_desk(db).reserve(asked)
    await paid(db, asked.order_id)

    for _ in range(3):
        await release(db, asked.order_id)
        await paid(db, asked.order_id)

    assert await shelf.of(variant) == Counters(on_hand=5, reserved=0, available=5)
    assert [row["type"] for row in await shelf.outbox(asked.order_id)] == [
        "stock.reserved", "stock.committed", "stock.restocked",
    ]  # fmt: skip


async def test_of_thirty_releases_at_once_one_puts_it_back(db: Database, shelf: Shelf, context: Context) -> None:
    variants = [await shelf.put(50) for _ in range(3)]
    asked = asking(context, *((variant, 4) for variant in reversed(variants)))
    await a_desk(db).reserve(asked)
    await commit(db, asked.order_id)

    await asyncio.gather(*(release(db, asked.order_id) for _ in range(30)))

    for variant in variants:
        assert await shelf.of(variant) == Counters(on_hand=50, reserved=0, available=50)
        assert await shelf.movements(variant) == [(50, "delivery"), (-4, "sold"), (4, "restocked")]
    assert len(await shelf.outbox(asked.order_id)) == 3


async def test_the_database_takes_no_second_restock(db: Database, shelf: Shelf, context: Context) -> None:
    variant = await shelf.put(5)
    asked = asking(context, (variant, 2))
    await a_desk(db).reserve(asked)
    await commit(db, asked.order_id)
    await release(db, asked.order_id)

    with pytest.raises(asyncpg.UniqueViolationError, match="stock_movements_restocked_key"):
        await db.pool.execute(
            "insert into stock_movements (id, product_variant_id, delta, reason, order_id)"
            " values ($1, $2, 2, 'restocked', $3)",
            cuid(),
            variant,
            asked.order_id,
        )


async def test_a_release_that_waits_for_the_sale_puts_it_back(db: Database, shelf: Shelf, context: Context) -> None:
    variant = await shelf.put(5)
    asked = asking(context, (variant, 2))
    await a_desk(db).reserve(asked)

    async with db.transaction(STAFF) as tx:
        await endings.commit(tx, asked.order_id)
        waiting = asyncio.create_task(release(db, asked.order_id))
        await until_somebody_waits(db)
    await waiting

    assert await shelf.of(variant) == Counters(on_hand=5, reserved=0, available=5)
    assert await states(db, asked.order_id) == {ReservationState.COMMITTED}
    assert (await shelf.movements(variant))[1:] == [(-2, "sold"), (2, "restocked")]


async def test_a_sale_that_waits_for_the_release_finds_nothing_to_sell(
    db: Database, shelf: Shelf, context: Context
) -> None:
    variant = await shelf.put(5)
    asked = asking(context, (variant, 2))
    await a_desk(db).reserve(asked)

    async with db.transaction(STAFF) as tx:
        await endings.release(tx, asked.order_id)
        waiting = asyncio.create_task(paid(db, asked.order_id))
        await until_somebody_waits(db)
    await waiting

    assert await shelf.of(variant) == Counters(on_hand=5, reserved=0, available=5)
    assert await states(db, asked.order_id) == {ReservationState.RELEASED}
    assert (await shelf.movements(variant))[1:] == []


async def test_a_release_that_waits_for_a_release_puts_nothing_back(
    db: Database, shelf: Shelf, context: Context
) -> None:
    variant = await shelf.put(5)
    asked = asking(context, (variant, 2))
    await a_desk(db).reserve(asked)
    await commit(db, asked.order_id)

    async with db.transaction(STAFF) as tx:
        await endings.release(tx, asked.order_id)
        waiting = asyncio.create_task(release(db, asked.order_id))
        await until_somebody_waits(db)
    await waiting

    assert await shelf.of(variant) == Counters(on_hand=5, reserved=0, available=5)
    assert len(await shelf.outbox(asked.order_id)) == 3


async def test_sales_releases_and_expiries_at_once_end_each_order_one_way_and_lose_no_unit(
    db: Database, shelf: Shelf, context: Context
) -> None:
    one, two = await shelf.put(100), await shelf.put(100)
    ways = set()
    for turn in range(25):
        lines = ((one, 1), (two, 2)) if turn % 2 else ((two, 2), (one, 1))
        asked = asking(context, *lines)
        await a_desk(db).reserve(asked)
        now = await db.pool.fetchval("select now() + interval '1 hour'")
        calls = [
            paid(db, asked.order_id),
            release(db, asked.order_id),
            release(db, asked.order_id),
            endings.expire(db.on(STAFF), asked.order_id, now),
        ]
        await asyncio.gather(*calls[turn % 4 :], *calls[: turn % 4])
        ways |= await states(db, asked.order_id)

    # Whichever came first: nobody has the goods, so all of them are back.
    assert await shelf.of(one) == await shelf.of(two) == Counters(on_hand=100, reserved=0, available=100)
    assert len(ways) > 1


async def test_buyers_get_what_comes_back_and_no_more(db: Database, shelf: Shelf, context: Context) -> None:
    variant, desks = await shelf.put(10), [a_desk(db) for _ in range(3)]
    sold = [asking(context, (variant, 1)) for _ in range(10)]
    for each in sold:
        await desks[0].reserve(each)
        await commit(db, each.order_id)

    async def buy(number: int) -> bool:
        await asyncio.sleep(number / 5_000)
        try:
            await desks[number % 3].reserve(asking(context, (variant, 1)))
        except Exception:
            return False
        return True

    releases = asyncio.gather(*(release(db, each.order_id) for each in sold[:6] for _ in range(3)))
    bought = await asyncio.gather(*(buy(number) for number in range(60)))
    await releases

    stock = await shelf.of(variant)
    assert stock.on_hand == 6 and stock.reserved == sum(bought) <= 6


async def test_a_crash_before_the_commit_leaves_nothing_half_done(db: Database, shelf: Shelf, context: Context) -> None:
    one, two = await shelf.put(5), await shelf.put(5)
    asked = asking(context, (one, 2), (two, 2))
    await a_desk(db).reserve(asked)
    await commit(db, asked.order_id)

    with pytest.raises(Unavailable):
        await _release_and_die(db, asked.order_id)

    assert await shelf.of(one) == await shelf.of(two) == Counters(on_hand=3, reserved=0, available=3)
    assert len(await shelf.outbox(asked.order_id)) == 2 and await broken(db.pool) == {}

    await release(db, asked.order_id)
    assert await shelf.of(one) == await shelf.of(two) == Counters(on_hand=5, reserved=0, available=5)


async def test_a_payment_heard_of_after_its_order_was_undone_is_no_mishap(
    db: Database, shelf: Shelf, context: Context
) -> None:
    variant = await shelf.put(5)
    released, expired = asking(context, (variant, 1)), asking(context, (variant, 1))
    for each in (released, expired):
        await a_desk(db).reserve(each)
    await release(db, released.order_id)
    await endings.expire(db.on(STAFF), expired.order_id, await db.pool.fetchval("select now() + interval '1 hour'"))

    await paid(db, released.order_id)
    await paid(db, expired.order_id)

    assert await shelf.of(variant) == Counters(on_hand=5, reserved=0, available=5)


async def test_a_payment_for_an_order_that_never_held_anything_is_for_a_person_to_see(db: Database) -> None:
    with pytest.raises(NotFound):
        await paid(db, cuid())


async def _release_and_die(db: Database, order_id: str) -> None:
    """Postgres loses the connection between the change and its commit."""
    async with db.transaction(STAFF) as tx:
        await endings.release(tx, order_id)
        assert await db.pool.fetchval("select pg_terminate_backend($1, 10000)", await tx.fetchval(_PID))
        await until(_driver_knows(tx), "the driver hears of it")


def _driver_knows(tx: Transaction) -> Callable[[], Awaitable[bool]]:
    async def is_closed() -> bool:
        closed: bool = tx._connection.is_closed()
        return closed

    return is_closed
