import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import nats
import pytest

from libs.common.tests.events.staff import REQUEST_ID, Staff
from libs.common.tests.events.world import BATCH, World, eventually, note_one, running
from lumi_common.db.database import Executor
from lumi_common.errors import Unavailable
from lumi_common.events.event import Event
from lumi_common.events.handlers import Handler, InTransaction
from lumi_common.events.streams import ensure_streams, stream

ONE = InTransaction(note_one)
THINGS = [f"t{number}" for number in range(8)]


async def lose_stream(here: World) -> None:
    client = await nats.connect(here.nats_url)
    await client.jetstream().delete_stream(stream(here.name))
    await client.close()


async def make_stream(here: World) -> None:
    await ensure_streams(here.nats_url, contexts=[here.name], consumers=[here.durable])


@pytest.mark.parametrize("handler", [ONE, BATCH])
async def test_a_lost_stream_is_rebuilt_and_each_effect_is_there_once_and_in_order(
    here: World, handler: Handler
) -> None:
    staff = Staff(here)
    async with running(here.relay().run()):
        async with running(here.consumer(handler).run()):
            await here.tell(*THINGS, *THINGS)
            await eventually(lambda: _count(here, 16))
        await here.tell(*THINGS, *THINGS)  # published, heard by nobody
        await eventually(here.published)
        await lose_stream(here)
        await here.tell(*THINGS)  # nowhere to go

        assert await staff.republish() == (32, 0)  # the rest has not gone out yet
        await make_stream(here)
        async with running(here.consumer(handler).run()):
            await here.tell(*THINGS)
            await eventually(lambda: _count(here, 48))
            await eventually(here.published)

    for thing in THINGS:
        assert await here.effects(thing) == [(thing, version) for version in range(1, 7)]
    assert len(await here.stored()) == 48


async def test_a_stream_that_was_made_again_first_is_filled_too(here: World) -> None:
    async with running(here.relay().run()):
        await here.tell(*THINGS, *THINGS)
        await eventually(here.published)
        await lose_stream(here)
        await make_stream(here)
        async with running(here.consumer().run()):
            assert (await Staff(here).republish())[0] == 16
            await eventually(lambda: _count(here, 16))
    assert Counter(await here.effects()) == Counter((thing, version) for thing in THINGS for version in (1, 2))


async def test_a_stream_is_made_anew_under_a_consumer_that_has_events_in_hand(here: World) -> None:
    held = True

    async def wait(tx: Executor, event: Event) -> None:
        if held and event.aggregate_id == "a":
            raise Unavailable("UNAVAILABLE")
        await note_one(tx, event)

    async with running(here.relay().run(), here.consumer(InTransaction(wait)).run()):
        await here.tell("b", "a", "b", "a")
        await eventually(lambda: _count(here, 2))
        await lose_stream(here)
        await here.run("delete from outbox_events where aggregate_id = 'a'")  # so that places are others' now
        await Staff(here).republish()
        await make_stream(here)
        await here.tell("c", "d", "e", "f")
        await eventually(lambda: _count(here, 6))
        held = False
        await eventually(lambda: _count(here, 8))
        await here.tell("a", "c")
        await eventually(lambda: _count(here, 10))
    effects = await here.effects()
    assert Counter(effects) == Counter(
        [("a", 1), ("a", 2), ("a", 3), ("b", 1), ("b", 2), ("c", 1), ("c", 2), ("d", 1), ("e", 1), ("f", 1)]
    )
    assert [effect for effect in effects if effect[0] == "a"] == [("a", 1), ("a", 2), ("a", 3)]


async def test_it_goes_on_where_it_stopped(here: World) -> None:
    staff = Staff(here)
    async with running(here.relay().run()):
        await here.tell("a", "b", "a", "b", "a")
        await eventually(here.published)
    assert await staff.republish(limit=3) == (3, 4)
    assert await staff.republish(start_seq=4, limit=3) == (2, 0)
    assert await here.ask("select count(*) from outbox_events where published_at is null") == 5
    assert await staff.republish() == (0, 0)


async def test_it_can_be_about_one_aggregate_and_from_a_time_on(here: World) -> None:
    staff = Staff(here)
    await here.tell("a", "b", "a")
    await here.run("update outbox_events set published_at = now()")
    await here.run("update outbox_events set created_at = now() - interval '2 days' where seq = 1")
    since = datetime.now(UTC) - timedelta(days=1)

    assert (await staff.republish(start_time=since, aggregate_id="a"))[0] == 1
    assert await here.ask("select array_agg(seq) from outbox_events where published_at is null") == [3]
    assert (await staff.republish(start_time=since))[0] == 1
    assert (await staff.republish(aggregate_id="a"))[0] == 1


async def test_asked_twice_at_once_it_is_done_once(here: World) -> None:
    staff = Staff(here)
    await here.tell(*THINGS)
    await here.run("update outbox_events set published_at = now()")

    answers = await asyncio.gather(*(staff.republish(request_id=REQUEST_ID) for _ in range(30)))
    assert set(answers) == {(8, 0)}
    await here.run("update outbox_events set published_at = now()")
    assert await staff.republish(request_id=REQUEST_ID) == (8, 0)
    assert await here.published()


async def test_what_no_stream_takes_does_not_come_back_once_it_is_skipped(here: World) -> None:
    await here.tell("big", records=[{"entity": "Thing", "after": {"text": "x" * 9_000_000}}])
    await here.tell("big", "small")
    staff = Staff(here)
    async with running(here.relay().run()):
        [letter] = await staff.wait_for(1)
        assert (letter.consumer, letter.attempts, letter.aggregate_id) == ("relay", 1, "big")
        await staff.redrive(letter.id)
        [again] = await staff.wait_for(1)
        await staff.skip(again.id)
        await eventually(here.published)
        # The two that a stream took, and that staff redrove and skipped the third.
        assert (await staff.republish())[0] == 2 + 2
        await eventually(here.published)
    assert await staff.letters() == []


async def _count(here: World, effects: int) -> bool:
    return len(await here.effects()) == effects
