"""Dead letters: what was set aside, and the two ways out of there."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from lumi_common.context import Context
from lumi_common.db.database import Database, Executor, Row
from lumi_common.db.statement import Statement
from lumi_common.errors import FailedPrecondition, NotFound, Reason
from lumi_common.events.consumer import Consumer
from lumi_common.events.event import Event
from lumi_common.events.handlers import InBatch, InTransaction, Remote
from lumi_common.events.outbox import RELAY

_COLUMNS = "id, consumer, event_id, subject, payload, error, attempts, created_at"
_LIST = Statement(
    text(f"""
select {_COLUMNS} from dead_letters where (:consumer = '' or consumer = :consumer) and id > :after
order by id limit :size
""")
)
_GET = Statement(text(f"select {_COLUMNS} from dead_letters where id = :id"))
# The id is somewhere in the payload of each event of the aggregate, and of few others.
_OF_AGGREGATE = Statement(
    text(f"""
select {_COLUMNS} from dead_letters
where consumer = :consumer and position(convert_to(:aggregate_id, 'UTF8') in payload) > 0
""")
)
_LOCK = Statement(
    text("""
select version from inbox_versions
where consumer = :consumer and aggregate = :aggregate and aggregate_id = :aggregate_id for update
""")
)
_RECORD = Statement(
    text("""
with moved as (
  update inbox_versions set version = greatest(version, :version), updated_at = now()
  where consumer = :consumer and aggregate = :aggregate and aggregate_id = :aggregate_id
)
insert into inbox_events (consumer, event_id) values (:consumer, cast(:event_id as uuid))
on conflict do nothing returning 1
""")
)
_UNPARK = Statement(
    text("""
update inbox_versions set parked = false, updated_at = now()
where consumer = :consumer and aggregate = :aggregate and aggregate_id = :aggregate_id
""")
)
_REMOVE = Statement(text("delete from dead_letters where id = :id returning 1"))
_FAILED = Statement(
    text("update dead_letters set attempts = attempts + 1, error = :error, updated_at = now() where id = :id")
)
_GIVE_UP_PUBLISHING = Statement(
    text("update outbox_events set published_at = now() where id = cast(:event_id as uuid)")
)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event set aside; `attempts` is 0 for one that only waits behind another of its aggregate."""

    id: str
    consumer: str
    event_id: str
    subject: str
    payload: bytes
    error: str
    attempts: int
    created_at: datetime


class DeadLetters:
    """A service's dead letters, for whoever operates it; works in every process, whichever is active."""

    def __init__(self, database: Database, consumers: Iterable[Consumer] = ()) -> None:
        self._database = database
        self._consumers = {each.name: each for each in consumers}

    async def page(self, consumer: str = "", *, after: str = "", size: int = 50) -> list[DeadLetter]:
        """The oldest letters of a consumer (of all: ""), beyond the id `after`."""
        return [_letter(row) for row in await self._database.fetch(_LIST, consumer=consumer, after=after, size=size)]

    async def redrive(self, id: str) -> int:
        """Apply the letter's aggregate's letters in order and let its events flow again; how many were applied.

        Raises NotFound; whatever the handler raises, then everything from that letter on stays where it is.
        """
        return await self._free(await self._get(id), skip="")

    async def skip(self, id: str) -> int:
        """Count the letter as applied without applying it, and redrive what waits behind it."""
        letter = await self._get(id)
        return await self._free(letter, skip=letter.id)

    async def _get(self, id: str) -> DeadLetter:
        row = await self._database.fetchrow(_GET, id=id)
        if row is None:
            raise NotFound(Reason.NOT_FOUND, "there is no such dead letter", field="id")
        return _letter(row)

    async def _free(self, letter: DeadLetter, skip: str) -> int:
        try:
            event = Event.parse(letter.payload)
        except ValueError as error:
            if not skip:
                raise FailedPrecondition(Reason.INVALID_REQUEST, "the letter is no event: skip it") from error
            await self._database.fetch(_REMOVE, id=letter.id)
            return 0
        context = Context.system(letter.consumer)
        if letter.consumer == RELAY:
            async with self._database.transaction(context) as tx:
                if skip:
                    await tx.fetch(_GIVE_UP_PUBLISHING, event_id=letter.event_id)
                await tx.fetch(_REMOVE, id=letter.id)
                await tx.fetch(_UNPARK, **_place(letter.consumer, event))
            self._database.on_outbox_write()
            return 0
        consumer = self._consumers.get(letter.consumer)
        if consumer is None:
            raise FailedPrecondition(Reason.INVALID_REQUEST, "there is no such consumer here", field="id")
        applied = 0
        while waiting := await self._waiting(self._database, letter.consumer, event):
            for each, its_event in waiting:
                applied += await self._replay(consumer, each, its_event, skipped=each.id == skip)
            async with self._database.transaction(context) as tx:
                await tx.fetch(_LOCK, **_place(letter.consumer, event))
                if not await self._waiting(tx, letter.consumer, event):
                    await tx.fetch(_UNPARK, **_place(letter.consumer, event))
        return applied

    async def _waiting(self, executor: Executor, consumer: str, event: Event) -> list[tuple[DeadLetter, Event]]:
        rows = await executor.fetch(_OF_AGGREGATE, consumer=consumer, aggregate_id=event.aggregate_id)
        letters = [(_letter(row), Event.parse(row["payload"])) for row in rows]
        mine = [each for each in letters if each[1].key == event.key]
        return sorted(mine, key=lambda each: each[1].version)

    async def _replay(self, consumer: Consumer, letter: DeadLetter, event: Event, *, skipped: bool) -> int:
        context, handler = Context.system(consumer.name), consumer.handler
        try:
            if isinstance(handler, Remote) and not skipped:
                await handler.apply(event)
            async with self._database.transaction(context) as tx:
                place = _place(consumer.name, event)
                await tx.fetch(_LOCK, **place)
                if await tx.fetchrow(_REMOVE, id=letter.id) is None:
                    return 0  # somebody else was quicker
                news = await tx.fetchrow(_RECORD, **place, version=event.version, event_id=event.id)
                if news is None or skipped:
                    return 0
                if isinstance(handler, InTransaction):
                    await handler.apply(tx, event)
                elif isinstance(handler, InBatch):
                    await handler.apply(tx, [event])
        except Exception as error:
            await self._database.fetch(_FAILED, id=letter.id, error=repr(error)[:2000])
            raise
        return 1


def _letter(row: Row) -> DeadLetter:
    return DeadLetter(*row.values())


def _place(consumer: str, event: Event) -> dict[str, str]:
    return {"consumer": consumer, "aggregate": event.aggregate, "aggregate_id": event.aggregate_id}
