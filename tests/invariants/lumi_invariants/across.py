"""Across services: X1 to X4. References are those that the columns declare, consumers those that the streams do."""

import importlib
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Column

from lumi_common.db.invariants import TOLD, YOUNG, Invariant, undelivered
from lumi_common.db.references import Reference, references
from lumi_common.events.outbox import RELAY
from lumi_common.events.streams import CONTEXTS, DURABLES, Durable

# What a consumer hears of what it is sent; all of it where nothing is said.
HEARD: dict[str, tuple[str, ...]] = {
    "catalogue-reservations": ("order.paid",),
    "orders-payments": ("payment.settled",),
}
# A stream keeps its events for 30 days: a consumer that is new hears of nothing before.
_STREAMED = "now() - interval '29 days'"
# Columns whose values no record may tell, whoever's they are.
_SILENT = (
    "password_hash", "two_factor_secret", "refresh_token_hash", "previous_token_hash", "token_hash", "code_hash",
    "card_token", "private_key", "email", "first_name", "last_name", "phone", "full_name", "line1", "line2",
    "postal_code", "shipping_address", "billing_address", "shipping_address_snapshot", "billing_address_snapshot",
    "card_holder", "holder", "label", "city", "state", "country", "notes", "metadata", "fingerprint", "recipient",
)  # fmt: skip


def declared() -> Iterator[tuple[Column[Any], Reference]]:
    """Every reference that a table of a service declares to another service's."""
    for context in CONTEXTS:
        yield from references(importlib.import_module(f"lumi_{context}.storage.tables").metadata)


def _dangling(*kinds: str) -> str:
    """Rows that name what is not there."""
    return "\nunion all\n".join(
        f"select '{column.table.fullname}.{column.name}' as reference, r.id as row_id, r.{column.name} as target_id "
        f"from {column.table.fullname} r where r.{column.name} is not null "
        f"and not exists (select from {reference.target} t where t.id = r.{column.name}) "
        f"and ({reference.while_})"
        for column, reference in declared()
        if reference.on_delete in kinds
    )


def _unheard(consumer: Durable, context: str) -> str:
    """Events that were published and not applied, nor set aside, nor skipped by somebody before they were published."""
    heard = [f"o.published_at > {_STREAMED}"]
    if consumer.entities:
        heard.append("(" + " or ".join(f"o.type like '{entity}.%'" for entity in consumer.entities) + ")")
    if consumer.verbs:
        heard.append("(" + " or ".join(f"o.type like '%.{verb}'" for verb in consumer.verbs) + ")")
    if consumer.name in HEARD:
        heard.append("o.type in (" + ", ".join(f"'{type}'" for type in HEARD[consumer.name]) + ")")
    return f"""
        select 'not applied' as what, '{consumer.name}' as consumer, o.id::text as event_id, o.type, o.aggregate_id
        from {context}.outbox_events o
        left join {consumer.service}.inbox_events i on i.consumer = '{consumer.name}' and i.event_id = o.id
        left join {context}.inbox_events skipped on skipped.consumer = '{RELAY}' and skipped.event_id = o.id
        where {" and ".join(heard)} and i.event_id is null and skipped.event_id is null and not exists (
            select from {consumer.service}.dead_letters d
            where d.consumer = '{consumer.name}' and d.event_id = o.id::text)
    """


def _disordered(consumer: Durable, context: str) -> str:
    """Events that were applied before an earlier one of their aggregate."""
    return f"""
        select 'out of order', consumer, event_id::text, type, aggregate_id from (
            select i.*, o.type, o.aggregate_id,
                lag(i.applied_at) over (partition by o.aggregate, o.aggregate_id order by o.version) as before
            from {consumer.service}.inbox_events i join {context}.outbox_events o on o.id = i.event_id
            where i.consumer = '{consumer.name}'
        ) applied where applied_at < before
    """


_PAIRS = [(consumer, context) for consumer in DURABLES for context in consumer.contexts]
_EVENTS = "\nunion all\n".join(
    [undelivered(context, YOUNG) for context in CONTEXTS]
    + [_unheard(*pair) for pair in _PAIRS]
    + [_disordered(*pair) for pair in _PAIRS]
)
# Whose change it was, before and after: a hash of them. Who is gone by now is nobody.
_SAID = "md5(concat({who}, ' ', coalesce(({before})::text, '-'), coalesce(({after})::text, '-'))) as said"
_ACTOR = """(
    select u.id from identity.users u where u.id = o.headers ->> 'actor_id' and o.headers ->> 'actor_type' = 'user'
)"""
_SAID_THERE = _SAID.format(who=_ACTOR, before="record -> 'before'", after="record -> 'after'")
_SAID_HERE = _SAID.format(who="user_id", before="before", after="after")
_TOLD = "\nunion all\n".join(
    f"select record ->> 'entity' as entity, record ->> 'id' as entity_id, record ->> 'action' as action, o.created_at, "
    f"o.headers ->> 'actor_type' as actor_type, {_SAID_THERE} "
    f"from {context}.outbox_events o cross join jsonb_array_elements(o.records) as record "
    f"where (record ->> 'audit')::boolean and o.created_at > {TOLD}"
    for context in CONTEXTS
)
_SAME = "entity, entity_id, action, created_at, actor_type, said"
_SILENT_ARRAY = "array[" + ", ".join(f"'{name}'" for name in _SILENT) + "]"

ACROSS = (
    Invariant("X1", "Q", "", "no row anywhere points at what was deleted", _dangling("SET NULL", "CASCADE")),
    Invariant(
        "X2",
        "C",
        "",
        "no ACTIVE cart, order or payment points at a product, variant or order that is gone",
        _dangling("RESTRICT"),
    ),
    # Records are matched by what they say and by the time of their change, which rides along to the microsecond. That
    # every change is told no row can say: a test holds what triggers on the tables saw against what was told.
    Invariant(
        "X3",
        "Q",
        "",
        "every change that was told has exactly one audit record, with its actor, and no secret in it",
        f"""
        with told as (
            select {_SAME}, count(*) as told from ({_TOLD}) each group by {_SAME}
        ), filed as (
            select {_SAME}, count(*) as filed from (
                select *, {_SAID_HERE} from identity.audit_logs where created_at > {TOLD}
            ) each group by {_SAME}
        )
        select 'told and filed' as what, entity, entity_id, action, created_at, told, filed
        from told full join filed using ({_SAME}) where told is distinct from filed
        union all
        select 'no actor', entity, entity_id, action, created_at, null, null from identity.audit_logs
        where actor_type = ''
        union all
        select 'tells ' || shown.key, entity, entity_id, action, created_at, null, null
        from identity.audit_logs cross join lateral (
            select * from jsonb_each_text(before) union all select * from jsonb_each_text(after)
        ) shown
        where (before ?| {_SILENT_ARRAY} or after ?| {_SILENT_ARRAY})
            and shown.key = any({_SILENT_ARRAY}) and shown.value <> '[redacted]'
        """,
    ),
    Invariant(
        "X4",
        "Q",
        "",
        "every event is delivered or dead-lettered; each consumer applied it once, in order per aggregate",
        _EVENTS,
    ),
)
