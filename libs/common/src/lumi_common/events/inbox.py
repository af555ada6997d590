"""The inbox: what each consumer has applied, what it must not apply, and what waits behind a poisoned event."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import text

from lumi_common.cuid import cuid
from lumi_common.db.database import Executor
from lumi_common.db.statement import Statement
from lumi_common.events.event import Event
from lumi_common.events.puller import Delivery

# Names carry no schema: the connection's search path leads to the service's own.
_INCOMING = """
  select * from unnest(cast(:ids as uuid[]), cast(:aggregates as text[]), cast(:aggregate_ids as text[]),
    cast(:versions as bigint[])) as e (event_id, aggregate, aggregate_id, version)
"""
# An event is fresh when it is in no inbox row, newer than its aggregate's last, and its aggregate is not parked.
# A rival that is applying the same event holds its inbox row: the insert waits for it, and then finds it known.
_ADMIT = Statement(
    text(f"""
with incoming as ({_INCOMING}), known as (
  select i.*, v.version as last, coalesce(v.parked, false) as parked from incoming i
  left join inbox_versions v
    on v.consumer = :consumer and v.aggregate = i.aggregate and v.aggregate_id = i.aggregate_id
), fresh as (
  insert into inbox_events (consumer, event_id)
  select :consumer, event_id from known where not parked and (last is null or version > last)
  on conflict do nothing
  returning event_id
), moved as (
  insert into inbox_versions (consumer, aggregate, aggregate_id, version)
  select :consumer, aggregate, aggregate_id, max(version) from known
  where event_id in (select event_id from fresh) group by aggregate, aggregate_id
  on conflict (consumer, aggregate, aggregate_id) do update set version = excluded.version, updated_at = now()
  where inbox_versions.version < excluded.version
)
select cast(event_id as text) as id, false as parked from fresh
union all
select cast(k.event_id as text), true from known k
where k.parked and not exists (
  select from inbox_events d where d.consumer = :consumer and d.event_id = k.event_id)
""")
)
_KNOWN = Statement(
    text("""
select coalesce(v.parked, false) as parked,
  coalesce(v.version >= :version, false) or exists (
    select from inbox_events d where d.consumer = :consumer and d.event_id = cast(:event_id as uuid)) as known
from (select) as nothing left join inbox_versions v
  on v.consumer = :consumer and v.aggregate = :aggregate and v.aggregate_id = :aggregate_id
""")
)
# Reads `parked` under a lock, so that an event is never left behind a redrive that has just finished.
_SHELVE = Statement(
    text("""
with behind as (
  select 1 from inbox_versions
  where consumer = :consumer and aggregate = :aggregate and aggregate_id = :aggregate_id and parked for share
), known as (
  select id from dead_letters where consumer = :consumer and event_id = :event_id
), shelved as (
  insert into dead_letters (id, consumer, event_id, subject, payload, error, attempts)
  select :id, :consumer, :event_id, :subject, cast(:payload as bytea), :error, 0
  from behind where not exists (select from known)
)
select 1 from behind
""")
)
_PARK = Statement(
    text("""
with parked as (
  insert into inbox_versions (consumer, aggregate, aggregate_id, version, parked)
  values (:consumer, :aggregate, :aggregate_id, 0, true)
  on conflict (consumer, aggregate, aggregate_id) do update set parked = true, updated_at = now()
)
insert into dead_letters (id, consumer, event_id, subject, payload, error, attempts)
values (:id, :consumer, :event_id, :subject, :payload, :error, :attempts)
""")
)
_BURY = Statement(
    text("""
insert into dead_letters (id, consumer, event_id, subject, payload, error, attempts)
values (:id, :consumer, :event_id, :subject, :payload, :error, :attempts)
""")
)

_ERROR_LENGTH = 2000


@dataclass(slots=True)
class Admission:
    """Of the events offered: ids to apply now, and ids that wait behind a poisoned one."""

    fresh: set[str] = field(default_factory=set)
    parked: set[str] = field(default_factory=set)


class Inbox:
    """One consumer's inbox; each method is one statement of the transaction it is given."""

    def __init__(self, consumer: str) -> None:
        self._consumer = consumer

    async def admit(self, tx: Executor, events: Sequence[Event]) -> Admission:
        """Record these events as applied, as far as they are news; to be called in the transaction of their effect."""
        admission = Admission()
        rows = await tx.fetch(
            _ADMIT,
            consumer=self._consumer,
            ids=[event.id for event in events],
            aggregates=[event.aggregate for event in events],
            aggregate_ids=[event.aggregate_id for event in events],
            versions=[event.version for event in events],
        )
        for id, parked in rows:
            (admission.parked if parked else admission.fresh).add(id)
        return admission

    async def state(self, tx: Executor, event: Event) -> tuple[bool, bool]:
        """Whether its aggregate is parked, and whether the event is applied already or not newer than what is."""
        row = await tx.fetchrow(
            _KNOWN,
            consumer=self._consumer,
            event_id=event.id,
            aggregate=event.aggregate,
            aggregate_id=event.aggregate_id,
            version=event.version,
        )
        return (row["parked"], row["known"]) if row else (False, False)

    async def shelve(self, tx: Executor, event: Event, delivery: Delivery) -> bool:
        """Let it wait in the dead letters; False when its aggregate is parked no longer."""
        row = await tx.fetchrow(
            _SHELVE,
            id=cuid(),
            consumer=self._consumer,
            aggregate=event.aggregate,
            aggregate_id=event.aggregate_id,
            event_id=event.id,
            subject=delivery.subject,
            payload=delivery.payload,
            error=f"waits behind an earlier event of {event.aggregate} {event.aggregate_id}",
        )
        return row is not None

    async def park(self, tx: Executor, event: Event, delivery: Delivery, error: BaseException) -> None:
        """Set a poisoned event aside, and with it whatever its aggregate tells later."""
        await tx.fetch(
            _PARK,
            aggregate=event.aggregate,
            aggregate_id=event.aggregate_id,
            **self._letter(delivery, event.id, error),
        )

    async def bury(self, tx: Executor, delivery: Delivery, error: BaseException) -> None:
        """Set aside what is no event at all."""
        await tx.fetch(_BURY, **self._letter(delivery, delivery.event_id, error))

    def _letter(self, delivery: Delivery, event_id: str, error: BaseException) -> dict[str, object]:
        return {
            "id": cuid(),
            "consumer": self._consumer,
            "event_id": event_id,
            "subject": delivery.subject,
            "payload": delivery.payload,
            "error": repr(error)[:_ERROR_LENGTH],
            "attempts": delivery.attempts,
        }
