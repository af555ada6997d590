"""An order's way in the database: guarded by its version and by the ways that there are, recorded step by step."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_orders.domain.checkout import Step
from lumi_orders.domain.order import NEXT, Order, OrderStatus
from lumi_orders.storage.checkouts import Checkouts
from lumi_orders.storage.orders import UPDATE, Orders, noting
from lumi_orders.storage.requests import UNASKED
from services.orders.tests.storage.model import (
    LEASE,
    NOW,
    an_offer,
    an_order_that_is,
    go,
    history,
    new_cart,
    place_order,
    start,
    step_of,
    told,
)

P, PAID, F, S, D, C = OrderStatus
ALL_THE_WAY = [(None, "PENDING", 1), ("PENDING", "PAID", 2), ("PAID", "FULFILLED", 3), ("FULFILLED", "SHIPPED", 4)]


async def note(db: Database, context: Context, order: Order, **changes: Any) -> bool:
    noted = replace(order)
    noted.update(changes, NOW)
    return await db.on(context).fetchrow(UPDATE, **UNASKED, **noting(noted)) is not None


async def attempts_of(db: Database, order_id: str) -> int:
    attempts: int = await db.pool.fetchval("select attempts from checkouts where order_id = $1", order_id)
    return attempts


async def test_an_order_goes_all_its_way_and_each_step_is_recorded(db: Database, context: Context) -> None:
    order = await an_order_that_is(D, db, context)

    assert await Orders(db).get(order.id, owner=None) == order
    assert order.fulfilled_at == order.shipped_at == order.delivered_at == NOW
    assert await history(db, order.id) == [*ALL_THE_WAY, ("SHIPPED", "DELIVERED", 5)]
    rows = await told(db, order.id)
    steps = ["order.placed", "order.paid", "order.fulfilled", "order.shipped", "order.delivered"]
    assert [(row["type"], row["version"]) for row in rows] == list(zip(steps, range(1, 6), strict=True))
    [shipped] = rows[3]["records"]
    assert (shipped["action"], shipped["before"]) == ("order.shipped", {"status": "FULFILLED"})
    assert shipped["after"] == {"status": "SHIPPED", "shipped_at": "2026-11-22T12:00:00+00:00"}


@pytest.mark.parametrize("status", list(OrderStatus))
async def test_there_is_no_way_but_those_of_the_state_machine(
    db: Database, context: Context, status: OrderStatus
) -> None:
    for to in set(OrderStatus) - {P} - NEXT[status]:
        order = await an_order_that_is(status, db, context)
        before = await history(db, order.id)

        assert not await go(db, context, order, to)

        assert await Orders(db).get(order.id, owner=None) == order
        assert await history(db, order.id) == before


@pytest.mark.parametrize("status", [P, PAID, F])
async def test_a_cancellation_leaves_its_undoing_as_a_row(db: Database, context: Context, status: OrderStatus) -> None:
    order = await an_order_that_is(status, db, context)

    assert await go(db, context, order, C)

    assert await Orders(db).get(order.id, owner=None) == order
    assert order.cancelled_at == NOW
    assert await step_of(db, order.id) == "UNDO"
    assert (await history(db, order.id))[-1] == (status, "CANCELLED", order.version)
    assert (await told(db, order.id))[-1]["type"] == "order.cancelled"


async def test_an_order_being_placed_is_not_cancelled(db: Database, context: Context) -> None:
    order = await place_order(db, context, await new_cart(db, context, (an_offer(), 1)))
    placing = Checkouts(db)

    assert not await go(db, context, order, C)
    assert await placing.step_of(order.id) is Step.PAY
    assert not await Orders(db.on(context)).give_up(replace(order, version=2), "user:ada", "undone")
    assert await step_of(db, order.id) == "PAY"

    await placing.undo(order.id, "payments is away", LEASE)
    assert not await go(db, context, order, C)
    assert await placing.step_of(order.id) is Step.UNDO
    assert (await Orders(db).get(order.id, owner=None)).status is P


async def test_an_order_whose_placing_is_undone_is_given_up(db: Database, context: Context) -> None:
    order = await place_order(db, context, await new_cart(db, context, (an_offer(), 1)))
    await Checkouts(db).undo(order.id, "payments is away", LEASE)

    assert await Orders(db.on(context)).give_up(replace(order, version=2), "user:ada", "undone")

    found = await Orders(db).get(order.id, owner=None)
    assert (found.status, found.cancelled_at) == (C, order.updated_at)
    assert await history(db, order.id) == [(None, "PENDING", 1), ("PENDING", "CANCELLED", 2)]
    assert await step_of(db, order.id) == "UNDO"
    assert await Checkouts(db).step_of(order.id) is None


async def test_of_twenty_changes_at_once_one_happens(db: Database, context: Context) -> None:
    for status, ways in ((P, [PAID, C]), (PAID, [F, C]), (F, [S, C])):
        order = await an_order_that_is(status, db, context)

        tries = [go(db, context, replace(order), ways[number % 2]) for number in range(20)]
        notes = [note(db, context, order, notes=f"note {number}") for number in range(10)]
        won = await asyncio.gather(*tries, *notes)

        assert sum(won) == 1
        found = await Orders(db).get(order.id, owner=None)
        assert found.version == order.version + 1
        assert (found.notes is None) == any(won[:20])
        assert (found.cancelled_at is not None) == (found.status is C) == (await step_of(db, order.id) == "UNDO")
        assert len(await told(db, order.id)) == found.version
        assert len(await history(db, order.id)) == found.version - (found.notes is not None)


async def test_notes_are_recorded_without_their_text_and_are_no_step(db: Database, context: Context) -> None:
    order = await an_order_that_is(S, db, context)

    assert await note(db, context, order, notes="left with the porter", metadata={"gift": True})
    assert not await note(db, context, order, notes="too late")

    found = await Orders(db).get(order.id, owner=None)
    assert (found.status, found.version, found.notes, found.metadata) == (
        S, 5, "left with the porter", {"gift": True},
    )  # fmt: skip
    assert await history(db, order.id) == ALL_THE_WAY
    last = (await told(db, order.id))[-1]
    [record] = last["records"]
    assert (last["type"], last["version"]) == ("order.updated", 5)
    assert record["before"] == {"metadata": "[redacted]"}
    assert record["after"] == {"notes": "[redacted]", "metadata": "[redacted]"}


async def test_money_that_comes_for_a_cancelled_order_wakes_its_undoing(db: Database, context: Context) -> None:
    order = await an_order_that_is(C, db, context)
    checkouts = Checkouts(db)
    await checkouts.end(order.id, 0)
    assert await step_of(db, order.id) is None

    await checkouts.wake(order.id)

    [due] = [each for each in await checkouts.claim(LEASE) if each.order_id == order.id]
    assert (due.step, due.attempts) == ("UNDO", 1)
    # It comes again while somebody is at it, who does not know: what they end is not this.
    await checkouts.wake(order.id)
    await checkouts.end(order.id, due.attempts)
    assert await attempts_of(db, order.id) == 2
    [again] = [each for each in await checkouts.claim(LEASE) if each.order_id == order.id]
    await checkouts.end(order.id, again.attempts)
    assert await step_of(db, order.id) is None


async def test_waking_and_ending_at_once_never_lose_what_came_last(db: Database, context: Context) -> None:
    for _ in range(10):
        order = await an_order_that_is(C, db, context)

        await asyncio.gather(Checkouts(db).end(order.id, 0), *(Checkouts(db).wake(order.id) for _ in range(5)))

        assert await step_of(db, order.id) == "UNDO"
        await Checkouts(db).end(order.id, await attempts_of(db, order.id))


async def test_only_a_cancelled_order_is_woken(db: Database, context: Context) -> None:
    standing = await an_order_that_is(PAID, db, context)
    cart = await new_cart(db, context, (an_offer(), 1))
    placing = cuid()
    await start(db, context, cart, placing)

    for id in (standing.id, placing, cuid()):
        await Checkouts(db).wake(id)

    assert await step_of(db, standing.id) is None
    assert await step_of(db, placing) == "RESERVE"
    assert placing not in [each.order_id for each in await Checkouts(db).claim(timedelta(0))]
