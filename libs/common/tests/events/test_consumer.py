import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from uuid import uuid4

import nats
import pytest
from lumi.common.v1 import event_pb2

from libs.common.tests.events.staff import Staff
from libs.common.tests.events.world import BATCH, World, eventually, note, note_one, running, world
from lumi_common.db.database import Executor
from lumi_common.errors import FailedPrecondition, Unavailable
from lumi_common.events.broker import ConnectionLost
from lumi_common.events.event import Event
from lumi_common.events.handlers import Handler, InBatch, InTransaction, Remote
from lumi_common.events.puller import Delivery, Puller
from lumi_local.nats import NatsServer
from lumi_local.postgres import PostgresServer

ONE = InTransaction(note_one)


def settled(here: World, effects: int) -> Callable[[], Awaitable[bool]]:
    """Everything is published, acknowledged, and took effect that often."""

    async def condition() -> bool:
        if not await here.published() or len(await here.effects()) < effects:
            return False
        client = await nats.connect(here.nats_url)
        info = await client.jetstream().consumer_info(f"LUMI_{here.name.upper()}", here.durable.name)
        await client.close()
        return (info.num_ack_pending, info.num_pending) == (0, 0)

    return condition


@pytest.mark.parametrize("handler", [ONE, BATCH])
async def test_each_event_takes_effect_once_and_in_order_per_aggregate(here: World, handler: Handler) -> None:
    things = [f"t{n}" for n in range(10)]
    async with running(here.relay().run(), here.consumer(handler).run()):
        for _ in range(10):
            await here.tell(*things)
        await eventually(settled(here, 100))

    for thing in things:
        assert await here.effects(thing) == [(thing, version) for version in range(1, 11)]
    assert await here.ask("select count(*) from inbox_events") == 100


@pytest.mark.parametrize("handler", [ONE, BATCH])
async def test_duplicates_beyond_the_window_take_no_effect(
    postgres: PostgresServer, nats_server: NatsServer, handler: Handler
) -> None:
    window = timedelta(milliseconds=100)
    async with world(postgres.dsn_superuser, nats_server.url_admin, duplicate_window=window) as here:
        async with running(here.relay().run(), here.consumer(handler).run()):
            await here.tell("a", "b", "a")
            await eventually(settled(here, 3))
            await asyncio.sleep(0.3)
            await here.run("update outbox_events set published_at = null")
            await eventually(here.published)
            await here.tell("a")
            await eventually(settled(here, 4))

        assert len(await here.stored()) == 7
        assert Counter(await here.effects()) == {("a", 1): 1, ("a", 2): 1, ("a", 3): 1, ("b", 1): 1}


@pytest.mark.parametrize("handler", [ONE, BATCH])
async def test_a_crash_between_commit_and_acknowledgement_repeats_nothing(
    here: World, handler: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, crashes = Puller.acknowledge, 0

    async def crash_at_first(self: Puller, delivery: Delivery) -> None:
        nonlocal crashes
        if crashes < 3:
            crashes += 1
            raise ConnectionLost("as if the process had died here")
        await real(self, delivery)

    monkeypatch.setattr(Puller, "acknowledge", crash_at_first)
    await here.tell("a", "b", "a")
    async with running(here.relay().run(), here.consumer(handler).run()):
        await eventually(settled(here, 3))

    assert crashes == 3
    assert Counter(await here.effects()) == {("a", 1): 1, ("a", 2): 1, ("b", 1): 1}


@pytest.mark.parametrize("batched", [False, True])
async def test_a_passing_failure_holds_up_its_aggregate_alone_and_keeps_the_order(here: World, batched: bool) -> None:
    failures = 0

    async def fail_at_first(event: Event) -> None:
        nonlocal failures
        if event.key == ("Thing", "a") and failures < 8:
            failures += 1
            raise Unavailable("UNAVAILABLE")

    async def one(tx: Executor, event: Event) -> None:
        await note_one(tx, event)
        await fail_at_first(event)

    async def many(tx: Executor, events: Sequence[Event]) -> None:
        await note(tx, events)
        for event in events:
            await fail_at_first(event)

    await here.tell("a", "a", "b", "a", "b")
    handler = InBatch(many) if batched else InTransaction(one)
    async with running(here.relay().run(), here.consumer(handler, attempts=2).run()):
        await eventually(settled(here, 5))

    assert failures == 8
    assert await here.effects("a") == [("a", 1), ("a", 2), ("a", 3)]
    assert await here.effects("b") == [("b", 1), ("b", 2)]
    if not batched:
        assert (await here.effects())[0] == ("b", 1)


async def test_what_waits_in_one_process_goes_on_in_order_in_the_next(here: World) -> None:
    async def never(tx: Executor, event: Event) -> None:
        if event.aggregate_id == "a":
            raise Unavailable("UNAVAILABLE")
        await note_one(tx, event)

    async with running(here.relay().run()):
        await here.tell("a", "b", "a", "a")
        async with running(here.consumer(InTransaction(never)).run()):
            await eventually(lambda: _has(here, ("b", 1)))
        async with running(here.consumer().run()):
            await eventually(settled(here, 4), seconds=5)
    assert await here.effects() == [("b", 1), ("a", 1), ("a", 2), ("a", 3)]


async def test_what_takes_longer_than_the_server_waits_takes_effect_once(here: World) -> None:
    client = await nats.connect(here.nats_url)
    jetstream, stream = client.jetstream(), f"LUMI_{here.name.upper()}"
    config = (await jetstream.consumer_info(stream, here.durable.name)).config
    await jetstream.add_consumer(stream, config, ack_wait=0.3)
    slow = 3

    async def dawdle(tx: Executor, event: Event) -> None:
        nonlocal slow
        if slow:
            slow -= 1
            await asyncio.sleep(0.6)
            raise Unavailable("UNAVAILABLE")
        await note_one(tx, event)

    async with running(here.relay().run(), here.consumer(InTransaction(dawdle)).run()):
        await here.tell("a", "a", "a")
        await eventually(settled(here, 3))
        redelivered = (await jetstream.consumer_info(stream, here.durable.name)).delivered.consumer_seq
    await client.close()
    assert await here.effects() == [("a", 1), ("a", 2), ("a", 3)]
    assert redelivered > 3


async def test_of_two_consumers_of_a_group_one_is_active(here: World) -> None:
    first, second = here.consumer(), here.consumer()
    async with running(here.relay().run(), second.run()):
        async with running(first.run()):
            await here.tell("a")
            await eventually(settled(here, 1))
            assert first.active != second.active
        await here.tell("a")
        await eventually(settled(here, 2))
        assert second.active


async def test_an_event_that_is_not_newer_is_dropped(here: World) -> None:
    await here.tell("a", "a", "b")
    await here.run(
        f"insert into inbox_versions (consumer, aggregate, aggregate_id, version)"
        f" values ('{here.durable.name}', 'Thing', 'a', 1)"
    )
    async with running(here.relay().run(), here.consumer().run()):
        await eventually(settled(here, 2))
    assert sorted(await here.effects()) == [("a", 2), ("b", 1)]


async def test_events_of_other_types_are_let_go(here: World) -> None:
    await here.tell("a", type="thing.made")
    await here.tell("a", "b", type="thing.painted")
    async with running(here.relay().run(), here.consumer(types={"thing.painted"}).run()):
        await eventually(settled(here, 2))
    assert sorted(await here.effects()) == [("a", 2), ("b", 1)]


async def test_what_is_no_event_becomes_a_dead_letter(here: World) -> None:
    client = await nats.connect(here.nats_url)
    async with running(here.relay().run(), here.consumer().run()):
        await client.jetstream().publish(f"lumi.{here.name}.thing.changed", b"\xff\xff", headers={"Nats-Msg-Id": "x"})
        await here.tell("a")
        await eventually(settled(here, 1))
    await client.close()
    assert await here.ask("select event_id || ' ' || subject from dead_letters") == f"x lumi.{here.name}.thing.changed"


@pytest.mark.parametrize(("source", "type"), [("another", "thing.changed"), ("", "thing.deleted")])
async def test_an_event_on_a_subject_that_is_not_its_own_has_no_effect(here: World, source: str, type: str) -> None:
    """Nobody speaks for another service, or of what they may not, from a subject that is theirs."""
    forged = event_pb2.Event(
        id=str(uuid4()), source=source or here.name, type=type, aggregate="Thing", aggregate_id="a", version=7
    )
    consumer = here.consumer()
    staff = Staff(here, consumer)
    client = await nats.connect(here.nats_url)
    async with running(here.relay().run(), consumer.run()):
        await client.jetstream().publish(f"lumi.{here.name}.thing.changed", forged.SerializeToString())
        await here.tell("a")
        await eventually(settled(here, 1))
        [letter] = await staff.wait_for(1)
        with pytest.raises(FailedPrecondition):
            await staff.redrive(letter.id)
    await client.close()
    assert await here.effects() == [("a", 1)]


async def test_a_remote_effect_is_repeated_until_it_is_recorded_and_not_after(here: World) -> None:
    calls: list[tuple[str, int]] = []

    async def call(event: Event) -> None:
        calls.append((event.aggregate_id, event.version))
        if len(calls) < 3:
            raise Unavailable("UNAVAILABLE")

    async with running(here.relay().run(), here.consumer(Remote(call)).run()):
        await here.tell("a", "a")
        await eventually(settled(here, 0))
        await eventually(lambda: here.ask("select count(*) = 2 from inbox_events"))
        await here.run("update outbox_events set published_at = null")
        await eventually(settled(here, 0))
    assert calls == [("a", 1), ("a", 1), ("a", 1), ("a", 2)]


async def test_the_effect_of_an_event_that_fails_is_undone(here: World) -> None:
    async def fail(tx: Executor, event: Event) -> None:
        await note_one(tx, event)
        raise FailedPrecondition("NEVER")

    async with running(here.relay().run(), here.consumer(InTransaction(fail), attempts=2).run()):
        await here.tell("a")
        await eventually(lambda: here.ask("select count(*) = 1 from dead_letters"))
    assert await here.effects() == []
    assert await here.ask("select count(*) from inbox_events") == 0


async def _has(here: World, effect: tuple[str, int]) -> bool:
    return effect in await here.effects()


async def test_who_is_slow_to_stop_leaves_nobody_behind_who_takes_events(here: World) -> None:
    """What is at work when leadership is lost may take longer to stop than it is waited for."""
    begun = asyncio.Event()

    async def slow_to_stop(tx: Executor, event: Event) -> None:
        if begun.is_set():
            return await note_one(tx, event)
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(1.5)

    async with running(here.relay().run(), here.consumer(InTransaction(slow_to_stop)).run()):
        await here.tell("a")
        await begun.wait()
        await here.run(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            f" where application_name = 'lumi-{here.name} {here.durable.name}'"
        )
        await eventually(settled(here, 1))
        await here.tell("a", "b")
        await eventually(settled(here, 3))


async def test_what_comes_while_it_is_asked_for_is_not_waited_for(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(here.relay().run()):
        await here.tell("a")
        await eventually(here.published)
    session = await here.broker.session()
    puller, publish = Puller(session, here.durable), session.publish

    async def publish_slowly(subject: str, payload: bytes, *, reply: str) -> None:
        await publish(subject, payload, reply=reply)
        await asyncio.sleep(0.5)

    monkeypatch.setattr(session, "publish", publish_slowly)
    await puller.open()

    async with asyncio.timeout(3):
        assert len(await puller.take(1)) == 1

    await puller.close()
