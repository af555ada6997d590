"""What a service has of one person: shown to them, and erased.

The rows of its own tables follow the event of the user's end, as their references and columns declare. What is left is
what every service keeps of a call: where it came from, its answer, and events that were given up.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from lumi.common.v1.event_pb2 import Event
from sqlalchemy import text

from lumi_common.db.database import Database, Executor
from lumi_common.db.personal import Key, People, Shown
from lumi_common.db.statement import Statement
from lumi_common.events.broker import Broker
from lumi_common.events.forgetting import Memory

EVENTS_AT_ONCE = ANSWERS_AT_ONCE = 20_000
# An answer is searched for each of somebody's ids: of who was many guests fewer answers are looked at.
_SEARCHES_AT_ONCE = 500_000
# Where to go on is a place among the events, or beyond it a time among the answers, in microseconds.
_ANSWERS_FROM = 1 << 62

# Names carry no schema: the connection's search path leads to the service's own. Whoever does something to an account
# without a token, such as to sign up, is taken for its owner.
_EVENTS = Statement(
    text(f"""
with part as (
  select seq, published_at, headers ->> 'actor_id' = any(cast(:ids as text[]))
      or (headers ->> 'actor_type' = 'anonymous' and aggregate_id = any(cast(:ids as text[]))) as theirs,
    coalesce(headers ->> 'ip_address', headers ->> 'user_agent') is not null as filled
  from outbox_events where seq > :after order by seq limit {EVENTS_AT_ONCE}
), emptied as (
  update outbox_events o set headers = o.headers || '{{"ip_address": null, "user_agent": null}}'
  from part where o.seq = part.seq and part.theirs and part.filled returning o.seq
)
select count(*) as looked_at, max(seq) as last, count(*) filter (where theirs and published_at is null) as waiting,
  (select count(*) from emptied) as emptied
from part
""")
)
_LAST_EVENTS = Statement(text(f"select greatest(max(seq) - {EVENTS_AT_ONCE}, 0) from outbox_events"))
# An answer to somebody else may be about them, too. The id is in each that is, and in no other. They are looked at in
# the order of their expiry, which is that of their making: what comes meanwhile is come to.
_ANSWERS = Statement(
    text("""
with part as (
  select ctid as place, expires_at, principal = any(cast(:principals as text[])) or exists (
    select from unnest(cast(:ids as text[])) as id where position(convert_to(id, 'UTF8') in response) > 0
  ) as theirs
  from request_ids
  where expires_at > timestamptz 'epoch' + cast(:after as bigint) * interval '1 microsecond'
  order by expires_at fetch first (:most) rows with ties
), gone as (
  delete from request_ids where ctid = any(array(select place from part where theirs)) returning method
)
select count(*) as looked_at, cast(extract(epoch from max(expires_at)) * 1000000 as bigint) as last,
  (select count(*) from gone) as gone
from part
""")
)
_LETTERS = Statement(
    text("""
select id, payload from dead_letters where exists (
  select from unnest(cast(:ids as text[])) as one where position(convert_to(one, 'UTF8') in payload) > 0
) order by id for update
""")
)
# What it failed with may quote what it held.
_EMPTY_LETTER = Statement(
    text("update dead_letters set payload = :payload, error = split_part(error, '(', 1), updated_at = now()"
         " where id = :id")
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, by their user id and the ids of the guests that they were before they signed in."""

    user_id: str
    guest_ids: Sequence[str] = ()

    @property
    def ids(self) -> list[str]:
        return [self.user_id, *self.guest_ids]

    @property
    def principals(self) -> list[str]:
        return [f"user:{self.user_id}", *(f"guest:{id}" for id in self.guest_ids)]


@dataclass(slots=True)
class Erased:
    """What a call did, by table: rows that were emptied or deleted, and rows that are to go and cannot yet.

    `next_seq` is where to go on among the events and then the answers, 0 when each was looked at.
    """

    erased: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    next_seq: int = 0


class PersonalData:
    """One service's."""

    def __init__(self, db: Database, people: People, broker: Broker) -> None:
        self._db, self._people, self._memory = db, people, Memory(broker)

    async def shown(self, user_id: str, after: Key, limit: int) -> tuple[list[Shown], Key | None]:
        """So many rows about somebody, and where to go on; None when they were the last."""
        rows = await self._people.shown(self._db, user_id, after, limit)
        return rows, Key(rows[-1].table, rows[-1].key) if len(rows) == limit else None

    async def erase(self, tx: Executor, person: Person, start_seq: int = 0) -> Erased:
        """Empty what is kept of their calls, a part at a time; again it finds what has come since.

        The events come first, then the answers, and with the last of these the rest, which is little.
        """
        done = Erased()
        if start_seq < _ANSWERS_FROM:
            done.next_seq = await self._empty_events(tx, person, start_seq, done)
        if not done.next_seq:
            done.next_seq = await self._delete_answers(tx, person, max(start_seq - _ANSWERS_FROM, 0), done)
        if done.next_seq:
            return done
        if start_seq >= _ANSWERS_FROM:  # it took a while: what was written meanwhile is among the last
            await self._empty_events(tx, person, await tx.fetchval(_LAST_EVENTS), done)
        done.erased["dead_letters"] = await self._empty_letters(tx, person)
        if self._people.naming is not None:
            for row in await tx.fetch(self._people.naming, user_id=person.user_id):
                done.left[row["name"]] += row["rows"]
        return done

    async def forget_events(self, until_seq: int) -> tuple[bool, int]:
        """Let go of the stream up to a place; of 0 only its present end is told. Raises Unavailable."""
        if until_seq:
            return await self._memory.forget(until_seq), until_seq
        end = await self._memory.end()
        return end == 0, end

    async def _empty_events(self, tx: Executor, person: Person, after: int, done: Erased) -> int:
        """A part of them; where the next begins, 0 behind the last."""
        part = await tx.fetchrow(_EVENTS, ids=person.ids, after=after)
        assert part is not None
        done.erased["outbox_events"] += part["emptied"]
        done.left["outbox_events"] += part["waiting"]
        return int(part["last"]) if part["looked_at"] == EVENTS_AT_ONCE else 0

    async def _delete_answers(self, tx: Executor, person: Person, after: int, done: Erased) -> int:
        """A part of them; where the next begins, 0 behind the last."""
        most = min(ANSWERS_AT_ONCE, _SEARCHES_AT_ONCE // len(person.ids))
        part = await tx.fetchrow(_ANSWERS, ids=person.ids, principals=person.principals, after=after, most=most)
        assert part is not None
        done.erased["request_ids"] += part["gone"]
        return _ANSWERS_FROM + int(part["last"]) if part["looked_at"] >= most else 0

    async def _empty_letters(self, tx: Executor, person: Person) -> int:
        emptied = 0
        for row in await tx.fetch(_LETTERS, ids=person.ids):
            try:
                event = Event.FromString(row["payload"])
            except Exception:  # protobuf's DecodeError is no common base of its implementations
                continue  # what is no event of ours says nothing of a call
            theirs = event.actor.id in person.ids or (
                event.actor.type == "anonymous" and event.aggregate_id in person.ids
            )
            if theirs and (event.actor.ip_address or event.actor.user_agent):
                event.actor.ClearField("ip_address")
                event.actor.ClearField("user_agent")
                await tx.fetch(_EMPTY_LETTER, id=row["id"], payload=event.SerializeToString())
                emptied += 1
        return emptied
