"""What a service knows of itself besides its calls: gauges, read every few seconds beside them and never in one."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from inspect import isawaitable
from logging import getLogger

from sqlalchemy import text

from lumi_common.db.database import Database
from lumi_common.db.statement import Statement
from lumi_common.events.consumer import Consumer
from lumi_common.events.outbox import RELAY
from lumi_common.logs import described
from lumi_common.rpc.revocations import Revocations
from lumi_common.rpc.stages import Limits

LOOK_SECONDS = 10.0
READ_SECONDS = 5.0

Figures = float | Mapping[str, float]
Read = Callable[[], Figures | Awaitable[Figures]]

# The index on unpublished rows answers both; a count far beyond what is well need not be exact.
MOST_COUNTED = 100_000
_OUTBOX_AGE = Statement(
    text("""
select coalesce((
  select greatest(0, extract(epoch from now() - created_at))::float8 from outbox_events
  where published_at is null order by seq limit 1), 0)
""")
)
_OUTBOX_COUNT = Statement(
    text(f"""
select count(*) from (select from outbox_events where published_at is null limit {MOST_COUNTED}) as unpublished
""")
)
_DEAD_LETTERS = Statement(text("select consumer, count(*) from dead_letters group by consumer"))

_log = getLogger(__name__)


@dataclass(slots=True)
class Gauge:
    """A figure, or one for each value of `by`: `last` is what was read last, empty while it cannot be read."""

    name: str
    read: Read
    by: str = ""
    unit: str = "1"
    description: str = ""
    last: dict[str, float] = field(default_factory=dict, init=False)
    _failed: bool = field(default=False, init=False)

    async def look(self) -> None:
        """Read it; a failure is logged once until it is over."""
        try:
            async with asyncio.timeout(READ_SECONDS):
                found = self.read()
                figures = await found if isawaitable(found) else found
        except Exception as error:
            if not self._failed:
                _log.warning("%s cannot be read: %s", self.name, described(error))
            self.last, self._failed = {}, True
            return
        self.last = dict(figures) if isinstance(figures, Mapping) else {"": figures}
        self._failed = False


class Gauges:
    """The gauges of a service, looked at one after the other."""

    def __init__(self) -> None:
        self._gauges: list[Gauge] = []

    def add(self, gauge: Gauge) -> None:
        """Look at this one too."""
        self._gauges.append(gauge)

    async def look(self) -> None:
        """Read all of them."""
        for gauge in self._gauges:
            await gauge.look()

    async def watch(self) -> None:
        """Read all of them every LOOK_SECONDS; ends only by cancellation."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)


def of_every_service(
    db: Database, limits: Limits, consumers: Sequence[Consumer], revocations: Revocations
) -> list[Gauge]:
    """The gauges that every service has; `consumers` may grow."""
    events, connection = "{event}", "{connection}"
    behind, state = "lumi.consumer", "db.client.connection.state"
    return [
        Gauge("lumi.rpc.in_flight", lambda: limits.in_flight, "", "{call}", "Calls being served"),
        Gauge("lumi.outbox.unpublished", partial(outbox_count, db), "", events, "Events not published yet"),
        Gauge("lumi.outbox.oldest_age", partial(outbox_age, db), "", "s", "Age of the oldest of them"),
        Gauge("lumi.consumer.pending", partial(pending, consumers), behind, events, "Events not consumed yet"),
        Gauge("lumi.dead_letters", partial(dead_letters, db, consumers), behind, events, "Events set aside"),
        Gauge("lumi.revocations.age", lambda: revocations.age, "", "s", "Time since revocations were last heard of"),
        Gauge("db.client.connection.count", partial(connections, db), state, connection, "Connections of the pool"),
        Gauge("db.client.connection.max", lambda: db.pool.max_size, "", connection, "Most of them"),
        Gauge("db.client.connection.pending_requests", lambda: db.pool.waiting, "", "{request}", "Who waits for one"),
    ]


async def outbox_age(db: Database) -> float:
    """Seconds since the oldest event was written that is not published yet; 0 when all are."""
    return float(await db.fetchval(_OUTBOX_AGE))


async def outbox_count(db: Database) -> int:
    """How many events are not published yet, up to MOST_COUNTED."""
    return int(await db.fetchval(_OUTBOX_COUNT))


async def dead_letters(db: Database, consumers: Iterable[Consumer]) -> dict[str, int]:
    """How many events the relay and each consumer have set aside."""
    none = dict.fromkeys((RELAY, *(each.name for each in consumers)), 0)
    return none | {row["consumer"]: row["count"] for row in await db.fetch(_DEAD_LETTERS)}


def connections(db: Database) -> dict[str, int]:
    """How many connections of the pool are used and idle."""
    return {"used": db.pool.in_use, "idle": db.pool.open - db.pool.in_use}


async def pending(consumers: Iterable[Consumer]) -> dict[str, int]:
    """How many events wait for each consumer that is active in this process."""
    return {each.name: await each.pending() for each in consumers if each.active}
