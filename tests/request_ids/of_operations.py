"""Scenes of the OperationsService that every service has."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import nats
from google.protobuf.timestamp_pb2 import Timestamp
from lumi.common.v1 import operations_pb2 as pb
from lumi.common.v1 import personal_pb2 as people
from lumi.common.v1 import references_pb2 as references
from lumi.common.v1.event_pb2 import Event

from lumi_common.cuid import cuid
from lumi_common.events.outbox import RELAY
from lumi_common.events.streams import DURABLES, stream
from tests.kit.shop import SERVICES
from tests.kit.waiting import until
from tests.request_ids.callers import Caller
from tests.request_ids.scenes import Play, Scene, scene
from tests.request_ids.world import World


def event(context: str) -> Event:
    return Event(
        id=str(uuid4()), source=context, type="thing.changed", aggregate="Thing", aggregate_id=cuid(), version=1
    )


async def letter(world: World, context: str) -> str:
    """The id of a letter that the relay left."""
    id, poison = cuid(), event(context)
    await world.books.execute(
        f"insert into {context}.dead_letters (id, consumer, event_id, subject, payload, error, attempts) "
        f"values ($1, $2, $3, 'lumi.{context}.thing.changed', $4, 'too large', 1)",
        id, RELAY, poison.id, poison.SerializeToString(),
    )  # fmt: skip
    return id


async def published(world: World, context: str) -> str:
    """The id of an aggregate with an event that went out an hour ago."""
    aggregate_id = cuid()
    await world.books.execute(
        f"insert into {context}.outbox_events (aggregate, aggregate_id, version, type, records, headers, published_at) "
        "values ('Thing', $1, 1, 'thing.changed', '[]', '{}', now() - interval '1 hour')",
        aggregate_id,
    )
    return aggregate_id


def gone(world: World, context: str, id: str) -> Callable[[], Awaitable[int]]:
    async def happened() -> int:
        found = await world.books.fetchval(f"select count(*) from {context}.dead_letters where id = $1", id)
        return 1 - int(found)

    return happened


def out_again(world: World, context: str, aggregate_id: str) -> Callable[[], Awaitable[int]]:
    async def happened() -> int:
        again = "published_at is null or published_at > now() - interval '30 minutes'"
        return int(
            await world.books.fetchval(
                f"select count(*) from {context}.outbox_events where aggregate_id = $1 and ({again})", aggregate_id
            )
        )

    return happened


def redriving(context: str) -> Play:
    async def play(world: World, caller: Caller) -> Scene:
        first, second = await letter(world, context), await letter(world, context)
        asked = pb.RedriveDeadLetterRequest
        return Scene(asked(id=first), (asked(id=second),), gone(world, context, first))

    return play


def skipping(context: str) -> Play:
    async def play(world: World, caller: Caller) -> Scene:
        first, second = await letter(world, context), await letter(world, context)
        asked = pb.SkipDeadLetterRequest
        return Scene(asked(id=first), (asked(id=second),), gone(world, context, first))

    return play


def republishing(context: str) -> Play:
    async def play(world: World, caller: Caller) -> Scene:
        first, second = await published(world, context), await published(world, context)
        asked = pb.RepublishEventsRequest
        others = asked(aggregate_id=second), asked(aggregate_id=first, limit=5), asked(aggregate_id=first, start_seq=1)
        return Scene(asked(aggregate_id=first), others, out_again(world, context, first))

    return play


def target(caller: Caller) -> references.ReferenceTarget:
    """A row of the service that calls, which nobody refers to."""
    return references.ReferenceTarget(kind=f"{caller.service}.things", id=cuid())


def closed(world: World, context: str, id: str) -> Callable[[], Awaitable[int]]:
    async def happened() -> int:
        return int(
            await world.books.fetchval(
                f"select count(*) from {context}.reference_targets where id = $1 and gone_at is not null", id
            )
        )

    return happened


def fencing(context: str) -> Play:
    async def play(world: World, caller: Caller) -> Scene:
        first, second = target(caller), target(caller)
        times = {"gone_time": Timestamp(seconds=1_800_000_000), "expire_time": Timestamp(seconds=4_000_000_000)}
        asked = references.FenceReferenceRequest
        others = asked(targets=[second], **times), asked(targets=[first, second], **times)
        return Scene(asked(targets=[first], **times), others, closed(world, context, first.id))

    return play


def unfencing(context: str) -> Play:
    async def play(world: World, caller: Caller) -> Scene:
        first, second = target(caller), target(caller)
        await world.books.executemany(
            f"insert into {context}.reference_targets (kind, id, gone_at) values ($1, $2, now())",
            [(each.kind, each.id) for each in (first, second)],
        )
        asked, later = references.UnfenceReferenceRequest, Timestamp(seconds=4_000_000_000)
        still = closed(world, context, first.id)

        async def happened() -> int:
            return 1 - await still()

        return Scene(asked(targets=[first], gone_time=later), (asked(targets=[second], gone_time=later),), happened)

    return play


async def origin(world: World, context: str) -> str:
    """The id of somebody with an event that says where they called from."""
    user_id = cuid()
    await world.books.execute(
        f"insert into {context}.outbox_events (aggregate, aggregate_id, version, type, records, headers, published_at) "
        "values ('Thing', $1, 1, 'thing.changed', '[]', $2, now())",
        user_id,
        {"actor_type": "user", "actor_id": user_id, "ip_address": "192.0.2.7"},
    )
    return user_id


def erasing(context: str) -> Play:
    async def play(world: World, caller: Caller) -> Scene:
        first, second = await origin(world, context), await origin(world, context)

        async def happened() -> int:
            emptied = "headers ->> 'actor_id' = $1 and headers ->> 'ip_address' is null"
            return int(
                await world.books.fetchval(f"select count(*) from {context}.outbox_events where {emptied}", first)
            )

        asked = people.ErasePersonalDataRequest
        others = asked(user_id=second), asked(user_id=first, guest_ids=[second]), asked(user_id=first, start_seq=1)
        return Scene(asked(user_id=first), others, happened)

    return play


@asynccontextmanager
async def broker(world: World) -> AsyncIterator[Any]:
    """The streams, as their administrator."""
    client = await nats.connect(world.shop.nats.url_admin)
    try:
        yield client.jetstream()
    finally:
        await client.close()


def forgetting(context: str) -> Play:
    async def play(world: World, caller: Caller) -> Scene:
        async def everybody_has_heard() -> bool:
            async with broker(world) as jetstream:
                found = [await jetstream.consumer_info(stream(context), name) for name in listeners]
            return all(each.num_pending == each.num_ack_pending == 0 for each in found)

        async def happened() -> int:
            async with broker(world) as jetstream:
                state = (await jetstream.stream_info(stream(context))).state
            return int(state.first_seq > 1 or state.last_seq == 0)

        listeners = [each.name for each in DURABLES if context in each.contexts]
        await until(everybody_has_heard, "nobody waits for an event")
        asked = people.ForgetEventsRequest
        return Scene(asked(until_seq=1), (asked(), asked(until_seq=2)), happened)

    return play


for _context in SERVICES:
    scene(f"{_context}.v1.OperationsService.FenceReference")(fencing(_context))
    scene(f"{_context}.v1.OperationsService.UnfenceReference")(unfencing(_context))
    scene(f"{_context}.v1.OperationsService.RedriveDeadLetter")(redriving(_context))
    scene(f"{_context}.v1.OperationsService.SkipDeadLetter")(skipping(_context))
    scene(f"{_context}.v1.OperationsService.RepublishEvents")(republishing(_context))
    if _context != "identity":  # which asks the others
        scene(f"{_context}.v1.OperationsService.ErasePersonalData")(erasing(_context))
        scene(f"{_context}.v1.OperationsService.ForgetEvents")(forgetting(_context))
