import asyncio
from collections.abc import Awaitable, Callable, Sequence

import nats
import pytest
from nats.aio.msg import Msg

from libs.common.tests.events.staff import Staff
from libs.common.tests.events.world import World, eventually, running
from lumi_common.events.event import Event


async def test_an_outbox_row_becomes_a_cloud_event(here: World) -> None:
    record = {
        "entity": "Thing",
        "id": "t1",
        "action": "thing.changed",
        "audit": True,
        "keys": {"owner_id": "ada"},
        "before": {"price": 12.10},
        "after": {"price": 9.99, "note": "[redacted]"},
    }
    await here.tell("t1", records=[record])

    async with running(here.relay().run()):
        await eventually(here.published)

    [message] = await here.stored()
    row_id = await here.ask("select cast(id as text) from outbox_events")
    assert message.subject == f"lumi.{here.name}.thing.changed"
    headers = message.headers or {}
    assert headers["Nats-Msg-Id"] == headers["ce-id"] == row_id
    assert headers["ce-type"] == f"lumi.{here.name}.thing.changed"
    assert headers["ce-source"] == f"lumi://{here.name}"
    assert headers["ce-subject"] == "Thing/t1"
    assert headers["traceparent"].startswith("00-0af7651916cd43dd8448eb211c80319c")
    event = Event.parse(message.data or b"")
    assert (event.id, event.key, event.version, event.source) == (row_id, ("Thing", "t1"), 1, here.name)
    assert (event.actor, event.ip_address, event.user_agent) == (("user", "ada"), "192.0.2.7", "")
    assert event.time == await here.ask("select created_at from outbox_events")
    assert event.record("Thing").keys == {"owner_id": "ada"}
    assert str(event.record("Thing").before["price"]) == "12.1"
    assert event.record("Thing").after_json == '{"note": "[redacted]", "price": 9.99}'


async def test_events_of_one_aggregate_keep_their_order_and_those_of_others_do_not_wait(here: World) -> None:
    things = [f"t{n}" for n in range(20)]
    for _ in range(15):
        await here.tell(*things)

    async with running(here.relay(batch=64).run()):
        await eventually(here.published)

    events = [Event.parse(message.data or b"") for message in await here.stored()]
    assert len(events) == 300
    for thing in things:
        assert [event.version for event in events if event.aggregate_id == thing] == list(range(1, 16))


async def test_of_one_aggregate_never_two_are_out_unacknowledged(here: World) -> None:
    """A listener takes the stream's place and acknowledges when the test says so."""
    client = await nats.connect(here.nats_url)
    await client.jetstream().delete_stream(f"LUMI_{here.name.upper()}")
    out: list[Msg] = []

    async def hear(message: Msg) -> None:
        out.append(message)

    await client.subscribe(f"lumi.{here.name}.>", cb=hear)
    await client.flush()
    await here.tell("a", "a", "b", "c", "b", "a")

    async with running(here.relay().run()):
        await eventually(_length(out, 3))
        await asyncio.sleep(0.2)
        assert [_name(message) for message in out] == ["a1", "b1", "c1"]

        await out[0].respond(b'{"stream": "S", "seq": 1}')
        await eventually(_length(out, 4))
        await asyncio.sleep(0.2)
        assert [_name(message) for message in out] == ["a1", "b1", "c1", "a2"]

        for place in range(1, 6):
            await eventually(_length(out, place + 1))
            await out[place].respond(b'{"stream": "S", "seq": 2}')
        await eventually(here.published)
    await client.close()
    assert sorted(map(_name, out)) == ["a1", "a2", "a3", "b1", "b2", "c1"]


async def test_a_commit_wakes_the_relay(here: World) -> None:
    relay = here.relay(poll=60.0)
    async with running(relay.run()):
        await eventually(lambda: _true(relay.active))
        await asyncio.sleep(0.2)
        await here.tell("a")
        relay.wake()
        await eventually(here.published, seconds=2)


async def test_one_relay_is_active_and_another_takes_over(here: World) -> None:
    first, second = here.relay(), here.relay()
    async with running(second.run()):
        async with running(first.run()):
            await eventually(lambda: _true(first.active or second.active))
            await here.tell("a")
            await eventually(here.published)
            assert first.active != second.active
        await here.tell("a", "b")
        await eventually(here.published)
        assert second.active
    assert len(await here.stored()) == 3


async def test_a_row_published_but_not_marked_is_not_stored_twice(here: World) -> None:
    await here.tell("a", "b")
    async with running(here.relay().run()):
        await eventually(here.published)
        await here.run("update outbox_events set published_at = null")
        await eventually(here.published)
    assert len(await here.stored()) == 2


async def test_the_relay_survives_the_end_of_its_connection_to_postgres(here: World) -> None:
    async with running(here.relay().run()):
        await here.tell("a")
        await eventually(here.published)
        for _ in range(3):
            await here.tell("a", "b")
            await here.run(
                f"select pg_terminate_backend(pid) from pg_stat_activity"
                f" where application_name = 'lumi-{here.name} relay'"
            )
        await eventually(here.published)
    assert len(await here.stored()) == 7


async def test_without_a_stream_the_relay_waits_for_it(here: World, caplog: pytest.LogCaptureFixture) -> None:
    client = await nats.connect(here.nats_url)
    jetstream = client.jetstream()
    config = (await jetstream.stream_info(f"LUMI_{here.name.upper()}")).config
    await jetstream.delete_stream(config.name or "")
    await here.tell("a", "a", "b")
    async with running(here.relay().run()):
        await eventually(lambda: _true("no stream answers" in caplog.text))
        await jetstream.add_stream(config)
        await eventually(here.published)
    await client.close()
    assert len(await here.stored()) == 3


async def test_what_no_stream_takes_is_set_aside_with_what_follows_it(here: World) -> None:
    await here.tell("big", records=[{"entity": "Thing", "after": {"text": "x" * 9_000_000}}])
    await here.tell("big", "small")
    staff = Staff(here)

    async with running(here.relay().run()):
        letter = await eventually(staff.letters)
        await eventually(_length_of(here.stored, 1))
        assert [(each.consumer, each.attempts) for each in letter] == [("relay", 1)]
        assert await here.ask("select count(*) from outbox_events where published_at is null") == 2

        await staff.skip(letter[0].id)
        await eventually(here.published)

    events = [Event.parse(each.data or b"") for each in await here.stored()]
    assert [event.key[1] for event in events if event.aggregate == "Thing"] == ["small", "big"]


def _name(message: Msg) -> str:
    event = Event.parse(message.data)
    return f"{event.aggregate_id}{event.version}"


async def _true(value: bool) -> bool:
    return value


def _length(items: list[Msg], length: int) -> Callable[[], Awaitable[bool]]:
    return lambda: _true(len(items) >= length)


def _length_of(items: Callable[[], Awaitable[Sequence[object]]], length: int) -> Callable[[], Awaitable[bool]]:
    async def condition() -> bool:
        return len(await items()) >= length

    return condition
