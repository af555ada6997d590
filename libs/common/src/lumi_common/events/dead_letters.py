"""Dead letters: what was set aside, and the two ways out of there."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from google.protobuf.message import Message
from sqlalchemy import text

from lumi_common.context import Context
from lumi_common.db.database import Database, Executor, Row
from lumi_common.db.request import Command
from lumi_common.db.statement import Statement
from lumi_common.errors import FailedPrecondition, LumiError, NotFound, Reason, Unavailable
from lumi_common.events.consumer import Consumer
from lumi_common.events.event import Event
from lumi_common.events.handlers import InBatch, InTransaction, Remote, is_transient
from lumi_common.events.outbox import RELAY
from lumi_common.logs import described

log = logging.getLogger(__name__)

COLUMNS = "id, consumer, event_id, subject, payload, error, attempts, created_at"
_GET = Statement(text(f"select {COLUMNS} from dead_letters where id = :id"))
# The id is somewhere in the payload of each event of the aggregate, and of few others.
_OF_AGGREGATE = Statement(
    text(f"""
select {COLUMNS} from dead_letters
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
# What somebody did about it is for the audit, in their name; the effect has the consumer's.
_TELL = Statement(
    text("""
insert into outbox_events (seq, aggregate, aggregate_id, version, type, records, headers)
select seq, 'DeadLetter', id, seq, action, jsonb_build_array(jsonb_build_object(
  'entity', 'DeadLetter', 'id', id, 'action', action, 'audit', true,
  'before', jsonb_build_object('consumer', consumer, 'event_id', event_id, 'subject', subject, 'attempts', attempts)
)), cast(cast(:headers as text) as jsonb)
from (
  select nextval('outbox_events_seq_seq') as seq, cast(:action as text) as action, *
  from jsonb_to_record(cast(:letter as jsonb))
    as t (id text, consumer text, event_id text, subject text, attempts int)
) as told
""")
)
_FAILED = Statement(
    text("update dead_letters set attempts = attempts + 1, error = :error, updated_at = now() where id = :id")
)
# The inbox row says that this one is not to go out again, even when everything else does.
_GIVE_UP_PUBLISHING = Statement(
    text(f"""
with known as (
  insert into inbox_events (consumer, event_id) values ('{RELAY}', cast(:event_id as uuid)) on conflict do nothing
)
update outbox_events set published_at = now() where id = cast(:event_id as uuid)
""")
)

_TOLD = ("id", "consumer", "event_id", "subject", "attempts")

Key = tuple[str, str]


@dataclass(frozen=True)
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

    @cached_property
    def event(self) -> Event | None:
        """What the payload says; None where it is no event."""
        try:
            return Event.parse(self.payload, subject=self.subject)
        except ValueError:
            return None


class DeadLetters:
    """A service's dead letters, for whoever operates it; works in every process, whichever is active.

    `consumers` may grow. Whoever takes letters of an aggregate away holds its row of `inbox_versions`, as a consumer
    does that puts one there: so of two at once each letter is applied by one, and in order.
    """

    def __init__(self, database: Database, consumers: Sequence[Consumer]) -> None:
        self._database, self._consumers = database, consumers

    async def find(self, id: str) -> DeadLetter | None:
        """The letter, unless it is gone."""
        row = await self._database.fetchrow(_GET, id=id)
        return None if row is None else letter_of(row)

    async def free(
        self, command: Command, id: str, by: Context, answer: Callable[[DeadLetter], Message], *, skip: bool = False
    ) -> None:
        """Apply a letter, or with `skip` count it as applied, after those that wait before it; `by` is who asked.

        It goes in the command's transaction, each of the others in one of its own. Raises NotFound, and
        FailedPrecondition where a letter failed: then that one and all behind it stay where they are.
        """
        if await command.recall():
            return
        try:
            if found := await self.find(id):
                await self._prepare(found, skip=skip)
            async with command:
                if command.fresh:
                    row = await command.fetchrow(_GET, id=id)
                    if row is None:
                        raise NotFound(Reason.NOT_FOUND, "there is no such dead letter", field="id")
                    taken = letter_of(row)
                    if not await self._take(command, taken, skip=skip):
                        raise NotFound(Reason.NOT_FOUND, "the dead letter was taken just now", field="id")
                    command.answer = answer(taken)
                    await command.fetch(
                        _TELL,
                        headers=by.headers,
                        action=f"dead_letter.{'skipped' if skip else 'redriven'}",
                        letter={name: getattr(taken, name) for name in _TOLD},
                    )
        except FailedPrecondition as refusal:
            await self._note(refusal)
            raise

    async def follow(self, consumer: str, key: Key) -> None:
        """Apply what still waits of an aggregate, up to a letter that fails: that one keeps what it failed with."""
        while waiting := await self._waiting(self._database, consumer, key):
            for each in waiting:
                try:
                    await self._replay(each)
                except Exception as error:
                    if isinstance(error, FailedPrecondition):
                        await self._note(error)
                    log.warning("what %s set aside of %s %s waits on: %s", consumer, *key, described(error))
                    return

    async def _prepare(self, letter: DeadLetter, *, skip: bool) -> None:
        """Apply what waits before it; and do its own part that has no place in a transaction."""
        event = letter.event
        if event is None or letter.consumer == RELAY:
            return
        for each in await self._waiting(self._database, letter.consumer, event.key):
            if each.id == letter.id:
                break
            await self._replay(each)
        if not skip:
            await self._call(letter, event)

    async def _replay(self, letter: DeadLetter) -> None:
        """Apply one in a transaction of its own."""
        assert letter.event is not None
        await self._call(letter, letter.event)
        async with self._database.transaction(Context.system(letter.consumer)) as tx:
            await self._take(tx, letter, skip=False)

    async def _call(self, letter: DeadLetter, event: Event) -> None:
        handler = self._consumer(letter).handler
        if not isinstance(handler, Remote) or await self.find(letter.id) is None:
            return
        try:
            await handler.apply(event)
        except Exception as error:
            raise _refused(letter, error) from error

    async def _take(self, tx: Executor, letter: DeadLetter, *, skip: bool) -> bool:
        """Remove a letter and apply it unless it is to be skipped; False when somebody else was quicker."""
        event = letter.event
        if event is None:
            if not skip:
                raise _refusal(letter, "it is no event")
            return await tx.fetchrow(_REMOVE, id=letter.id) is not None
        place = _place(letter.consumer, event.key)
        await tx.fetch(_LOCK, **place)
        if await tx.fetchrow(_REMOVE, id=letter.id) is None:
            return False
        if letter.consumer == RELAY:
            if skip:
                await tx.fetch(_GIVE_UP_PUBLISHING, event_id=letter.event_id)
        else:
            news = await tx.fetchrow(_RECORD, **place, version=event.version, event_id=event.id)
            if news is not None and not skip:
                await self._apply(tx, letter, event)
        if not await self._waiting(tx, letter.consumer, event.key):
            await tx.fetch(_UNPARK, **place)
        return True

    async def _apply(self, tx: Executor, letter: DeadLetter, event: Event) -> None:
        handler = self._consumer(letter).handler
        try:
            if isinstance(handler, InTransaction):
                await handler.apply(tx, event)
            elif isinstance(handler, InBatch):
                await handler.apply(tx, [event])
        except Exception as error:
            raise _refused(letter, error) from error

    async def _waiting(self, executor: Executor, consumer: str, key: Key) -> list[DeadLetter]:
        """An aggregate's letters in the order of their events."""
        rows = await executor.fetch(_OF_AGGREGATE, consumer=consumer, aggregate_id=key[1])
        by_version: list[tuple[int, DeadLetter]] = []
        for found in map(letter_of, rows):
            if (event := found.event) is not None and event.key == key:
                by_version.append((event.version, found))
        return [found for _, found in sorted(by_version, key=lambda pair: pair[0])]

    def _consumer(self, letter: DeadLetter) -> Consumer:
        for each in self._consumers:
            if each.name == letter.consumer:
                return each
        raise _refusal(letter, f"there is no consumer {letter.consumer} here any more")

    async def _note(self, refusal: FailedPrecondition) -> None:
        """Keep what a handler raised, whose transaction is undone."""
        if refusal.__cause__ is not None and "dead_letter" in refusal.facts:
            await self._database.fetch(_FAILED, id=refusal.facts["dead_letter"], error=repr(refusal.__cause__)[:2000])


def letter_of(row: Row) -> DeadLetter:
    """The letter in a row of COLUMNS."""
    return DeadLetter(*row.values())


def _refused(letter: DeadLetter, error: Exception) -> LumiError:
    if is_transient(error):
        return Unavailable(Reason.UNAVAILABLE, "what the event needs is away for the moment")
    return _refusal(letter, described(error))


def _refusal(letter: DeadLetter, error: str) -> FailedPrecondition:
    return FailedPrecondition(
        Reason.DEAD_LETTER_REFUSED, "it cannot be applied: mend the cause, or skip it",
        dead_letter=letter.id, error=error,
    )  # fmt: skip


def _place(consumer: str, key: Key) -> dict[str, str]:
    return {"consumer": consumer, "aggregate": key[0], "aggregate_id": key[1]}
