"""A reservation ends once, and an order that was undone never holds anything."""

import asyncio
from datetime import timedelta

import pytest

from lumi_catalogue.domain.errors import Reason
from lumi_catalogue.storage import endings
from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_common.errors import FailedPrecondition
from services.catalogue.tests.kit import STAFF, Counters, Shelf, a_desk, asking, outcomes, release


async def test_what_is_paid_is_sold_once(db: Database, shelf: Shelf, context: Context) -> None:
    variant = await shelf.put(5)
    asked = asking(context, (variant, 2))
    await a_desk(db).reserve(asked)

    done = await asyncio.gather(*(endings.commit(db.on(STAFF), asked.order_id) for _ in range(4)))

    assert sorted(done) == [False, False, False, True]
    assert await shelf.of(variant) == Counters(on_hand=3, reserved=0, available=3)
    assert await shelf.movements(variant) == [(5, "delivery"), (-2, "sold")]
    assert [row["type"] for row in await shelf.outbox(asked.order_id)] == ["stock.reserved", "stock.committed"]


async def test_what_is_released_is_back_once(db: Database, shelf: Shelf, context: Context) -> None:
    variant = await shelf.put(5)
    asked = asking(context, (variant, 2))
    await a_desk(db).reserve(asked)

    await asyncio.gather(*(release(db, asked.order_id) for _ in range(4)))

    assert await shelf.of(variant) == Counters(on_hand=5, reserved=0, available=5)
    assert [row["type"] for row in await shelf.outbox(asked.order_id)] == ["stock.reserved", "stock.released"]


async def test_an_order_that_was_undone_first_never_holds_anything(
    db: Database, shelf: Shelf, context: Context
) -> None:
    variant, order = await shelf.put(5), cuid()
    await release(db, order)
    await release(db, order)

    with pytest.raises(FailedPrecondition, match=Reason.RESERVATION_CLOSED) as refusal:
        await a_desk(db).reserve(asking(context, (variant, 1), order=order))

    assert refusal.value.facts["state"] == "RELEASED"
    assert (await shelf.of(variant)).reserved == 0


async def test_undoing_an_order_while_it_is_reserved_leaves_nothing_held(
    db: Database, shelf: Shelf, context: Context
) -> None:
    variant = await shelf.put(100)
    for turn in range(30):
        order = cuid()

        async def undo(order: str = order, turn: int = turn) -> None:
            await asyncio.sleep(turn / 10_000)
            await release(db, order)

        desk = a_desk(db)
        await outcomes(
            desk.reserve(asking(context, (variant, 1), order=order)),
            desk.reserve(asking(context, (variant, 1))),
            undo(),
        )

    assert (await shelf.of(variant)).reserved == 30


async def test_what_is_past_its_time_is_told_and_expires_once(db: Database, shelf: Shelf, context: Context) -> None:
    variant, asked = await shelf.put(5), []
    for _ in range(2):
        asked.append(asking(context, (variant, 1)))
        await a_desk(db, hold=timedelta(seconds=-1)).reserve(asked[-1])
    fresh = asking(context, (variant, 1))
    await a_desk(db).reserve(fresh)
    gone, alive = (each.order_id for each in asked)
    now = await db.pool.fetchval("select now()")

    overdue = await endings.overdue(db, now, 1000)
    assert {gone, alive} <= set(overdue) and fresh.order_id not in overdue

    await endings.extend(db, [alive], now + timedelta(minutes=1))
    for order_id in (gone, alive, fresh.order_id, gone):
        await endings.expire(db.on(STAFF), order_id, now)

    assert await shelf.of(variant) == Counters(on_hand=5, reserved=2, available=3)
    assert [row["type"] for row in await shelf.outbox(gone)] == ["stock.reserved", "stock.expired"]
