"""A context of its own on real servers: a schema, a stream, a consumer group, and a table of effects."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

import asyncpg
import nats
from nats.js.api import RawStreamMsg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from lumi_common.cuid import cuid
from lumi_common.db.database import Database, Executor
from lumi_common.db.statement import Statement
from lumi_common.db.tables import common_tables, schema
from lumi_common.events.broker import Broker
from lumi_common.events.consumer import Consumer
from lumi_common.events.event import Event
from lumi_common.events.handlers import Handler, InBatch, InTransaction
from lumi_common.events.relay import Relay
from lumi_common.events.streams import Durable, ensure_streams, stream
from lumi_common.tasks import end

_TELL = Statement(
    text("""
insert into outbox_events (aggregate, aggregate_id, version, type, records, headers)
values ('Thing', :aggregate_id, :version, :type, cast(:records as jsonb), cast(:headers as jsonb))
returning cast(id as text)
""")
)
_EFFECT = Statement(
    text("""
insert into effects (event_id, aggregate_id, version)
select * from unnest(cast(:ids as text[]), cast(:aggregate_ids as text[]), cast(:versions as bigint[]))
""")
)
_EFFECTS = Statement(text("select aggregate_id, version from effects order by place"))
_HEADERS = {
    "actor_type": "user",
    "actor_id": "ada",
    "ip_address": "192.0.2.7",
    "user_agent": None,
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
}


async def note(tx: Executor, events: Sequence[Event]) -> None:
    """The effect that tests count: one row per event of a thing."""
    events = [event for event in events if event.aggregate == "Thing"]
    await tx.fetch(
        _EFFECT,
        ids=[event.id for event in events],
        aggregate_ids=[event.aggregate_id for event in events],
        versions=[event.version for event in events],
    )


async def note_one(tx: Executor, event: Event) -> None:
    await note(tx, [event])


@dataclass
class World:
    """`name` is context, schema and service at once; `tell` writes to its outbox, `effects` reads what came of it."""

    name: str
    database: Database
    nats_url: str
    broker: Broker
    durable: Durable
    versions: dict[str, "count[int]"] = field(default_factory=dict)

    async def tell(
        self, *aggregate_ids: str, records: Iterable[dict[str, Any]] = (), type: str = "thing.changed"
    ) -> None:
        """One event of each aggregate named, each the next version."""
        for aggregate_id in aggregate_ids:
            version = next(self.versions.setdefault(aggregate_id, count(1)))
            await self.database.fetch(
                _TELL,
                aggregate_id=aggregate_id,
                version=version,
                type=type,
                records=list(records),
                headers=_HEADERS,
            )

    async def effects(self, aggregate_id: str = "") -> list[tuple[str, int]]:
        """(aggregate, version) in the order of taking effect."""
        rows = [tuple(row) for row in await self.database.fetch(_EFFECTS)]
        return [row for row in rows if aggregate_id in ("", row[0])]

    async def ask(self, sql: str) -> Any:
        """The first value of a query."""
        return await self.database.fetchval(Statement(text(sql)))

    async def run(self, sql: str) -> None:
        await self.database.fetch(Statement(text(sql)))

    def relay(self, **options: Any) -> Relay:
        """A relay that hears of every commit of `database`."""
        relay = Relay(self.database.dsn, self.broker, retry=0.1, **options)
        self.database.on_outbox_write = relay.wake
        return relay

    def consumer(self, handler: Handler | None = None, **options: Any) -> Consumer:
        """A consumer that notes each event's effect, unless told otherwise."""
        options = {"retry": 0.02, "retry_most": 0.1, **options}
        return Consumer(self.durable, self.database, self.broker, handler or InTransaction(note_one), **options)

    async def stored(self) -> list[RawStreamMsg]:
        """Every message of the stream."""
        client = await nats.connect(self.nats_url)
        try:
            jetstream = client.jetstream()
            state = (await jetstream.stream_info(stream(self.name))).state
            return [
                await jetstream.get_msg(stream(self.name), seq) for seq in range(state.first_seq, state.last_seq + 1)
            ]
        finally:
            await client.close()

    async def published(self) -> bool:
        """Whether nothing waits in the outbox."""
        return bool(await self.ask("select count(*) = 0 from outbox_events where published_at is null"))


BATCH = InBatch(note)


@asynccontextmanager
async def world(
    dsn: str, nats_url: str, *, name: str = "", duplicate_window: timedelta = timedelta(minutes=2)
) -> AsyncIterator[World]:
    """A fresh world; nothing of it runs until a test says so, except its connection to NATS.

    Its streams are made with it, unless it has a `name`: then they are there already, and so is its schema.
    """
    made = name or cuid()
    await _make_tables(dsn, made)
    durable = Durable(f"{made}-reader", (made,))
    if not name:
        await ensure_streams(nats_url, contexts=[made], consumers=[durable], duplicate_window=duplicate_window)
    database = Database(dsn, schema=made)
    await database.open()
    broker = Broker(nats_url, made)
    broker.start()
    try:
        yield World(made, database, nats_url, broker, durable)
    finally:
        await broker.stop()
        await database.close()


async def _make_tables(dsn: str, name: str) -> None:
    metadata = schema(name)
    common_tables(metadata)
    engine = create_async_engine(dsn.replace("postgresql://", "postgresql+asyncpg://"))
    async with engine.begin() as connection:
        await connection.exec_driver_sql(f"create schema if not exists {name}")
        await connection.run_sync(metadata.create_all)
        await connection.exec_driver_sql(
            f"create table {name}.effects"
            " (place bigint generated always as identity, event_id text, aggregate_id text, version bigint)"
        )
    await engine.dispose()


@asynccontextmanager
async def running(*jobs: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run these in the background for the length of the block, then end them as a stopping service does."""
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        yield
    finally:
        await end(tasks)
        for task in tasks:
            assert task.cancelled(), task.exception()


async def eventually(condition: Callable[[], Awaitable[Any]], *, seconds: float = 15.0) -> Any:
    """Wait for something to become true; what a server that is away answers does not count."""
    end = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            if result := await condition():
                return result
        except (OSError, asyncpg.PostgresError, nats.errors.Error):
            pass
        assert asyncio.get_running_loop().time() < end, "it did not happen in time"
        await asyncio.sleep(0.02)
