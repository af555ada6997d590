"""Rows of the outbox as messages.

The SQL takes the records apart: their JSON goes out as the text that Postgres makes of it, numbers untouched, and
Python neither parses nor writes any. Names carry no schema: the connection's search path leads to the service's own.
"""

from dataclasses import dataclass
from typing import Any

from lumi.common.v1 import event_pb2

from lumi_common.tracing import TRACEPARENT

# An aggregate parked for this name has an event that no stream takes; its later ones wait behind it.
RELAY = "relay"

# Marks what the last batch delivered and reads the next one in the same round trip. $1: their seqs, $2: how many.
ADVANCE = f"""
with marked as (
  update outbox_events set published_at = now() where seq = any($1::bigint[])
), due as (
  select * from outbox_events o
  where published_at is null and seq <> all($1::bigint[])
    and not exists (
      select from inbox_versions v
      where v.consumer = '{RELAY}' and v.aggregate = o.aggregate and v.aggregate_id = o.aggregate_id and v.parked)
  order by seq limit $2
)
select due.seq, due.id::text, due.aggregate, due.aggregate_id, due.version, due.type,
  floor(extract(epoch from due.created_at))::bigint as seconds,
  extract(microseconds from due.created_at)::bigint % 1000000 as micros,
  to_char(due.created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as time,
  due.headers->>'actor_type' as actor_type, due.headers->>'actor_id' as actor_id,
  due.headers->>'ip_address' as ip_address, due.headers->>'user_agent' as user_agent,
  due.headers->>'traceparent' as traceparent, parts.*
from due cross join lateral (
  select array_agg(r->>'entity') as entities, array_agg(r->>'id') as ids, array_agg(r->>'action') as actions,
    array_agg(coalesce((r->>'audit')::boolean, false)) as audits, array_agg(r->>'keys') as keys,
    array_agg(r->>'before') as befores, array_agg(r->>'after') as afters
  from jsonb_array_elements(due.records) as r
) as parts
order by due.seq
"""


@dataclass(frozen=True, slots=True)
class Message:
    """An event ready to go: `seq` is its outbox row, `key` its aggregate, `id` the message id."""

    seq: int
    key: tuple[str, str]
    id: str
    subject: str
    headers: dict[str, str]
    payload: bytes


def message(source: str, row: Any) -> Message:
    """The message of a row of ADVANCE; `source` is the context that the event comes from."""
    (seq, id, aggregate, aggregate_id, version, type, seconds, micros, time, *call) = row.values()
    actor_type, actor_id, ip_address, user_agent, traceparent, *parts = call
    event = event_pb2.Event(
        id=id, type=type, source=source, aggregate=aggregate, aggregate_id=aggregate_id, version=version
    )
    event.time.seconds, event.time.nanos = seconds, micros * 1000
    actor = event.actor
    actor.type, actor.id = actor_type or "", actor_id or ""
    actor.ip_address, actor.user_agent = ip_address or "", user_agent or ""
    if parts[0] is not None:
        add = event.records.add
        for entity, record_id, action, audit, keys, before, after in zip(*parts, strict=True):
            add(
                entity=entity, id=record_id, action=action, audit=audit,
                keys=keys or "", before=before or "", after=after or "",
            )  # fmt: skip
    headers = {
        "Nats-Msg-Id": id,
        "ce-specversion": "1.0",
        "ce-id": id,
        "ce-type": f"lumi.{source}.{type}",
        "ce-source": f"lumi://{source}",
        "ce-subject": f"{aggregate}/{aggregate_id}",
        "ce-time": time,
        "content-type": "application/protobuf",
    }
    if traceparent:
        headers[TRACEPARENT] = traceparent
    return Message(seq, (aggregate, aggregate_id), id, f"lumi.{source}.{type}", headers, event.SerializeToString())
