"""Across services: X1 to X5. References are those that the columns declare, consumers those that the streams do."""

import importlib
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Column

from lumi_common.db.references import Reference, references
from lumi_common.events.outbox import RELAY
from lumi_common.events.streams import CONTEXTS, DURABLES, Durable
from lumi_invariants.invariant import TOLD, Invariant

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
    "card_holder", "holder",
)  # fmt: skip
# A cart that is no longer ACTIVE restricts nothing.
_ONLY_WHERE = {
    "orders.cart_items": "exists (select from orders.carts c where c.id = r.cart_id and c.status = 'ACTIVE')",
}


def declared() -> Iterator[tuple[Column[Any], Reference]]:
    """Every reference that a table of a service declares to another service's."""
    for context in CONTEXTS:
        yield from references(importlib.import_module(f"lumi_{context}.storage.tables").metadata)


def _dangling(*kinds: str) -> str:
    """Rows that name what is not there."""
    return "\nunion all\n".join(
        f"select '{column.table.fullname}.{column.name}' as reference, r.id as row_id, r.{column.name} as names "
        f"from {column.table.fullname} r where r.{column.name} is not null "
        f"and not exists (select from {reference.target} t where t.id = r.{column.name}) "
        f"and {_ONLY_WHERE.get(column.table.fullname, 'true')}"
        for column, reference in declared()
        if reference.on_delete in kinds
    )


def _unheard(consumer: Durable, context: str) -> str:
    """Events that were published and not applied, nor set aside, nor skipped by somebody before they were published."""
    heard = [f"o.published_at > {_STREAMED}"]
    if consumer.entities:
        heard.append("(" + " or ".join(f"o.type like '{entity}.%'" for entity in consumer.entities) + ")")
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


def unpublished(context: str) -> str:
    """Outbox rows that nobody has delivered yet, but for those that wait behind a dead letter."""
    return f"""
        select 'not delivered' as what, '{RELAY}' as consumer, o.id::text as event_id, o.type, o.aggregate_id
        from {context}.outbox_events o
        where o.published_at is null and not exists (
            select from {context}.inbox_versions v where v.parked and v.consumer = '{RELAY}'
                and v.aggregate = o.aggregate and v.aggregate_id = o.aggregate_id)
    """


_PAIRS = [(consumer, context) for consumer in DURABLES for context in consumer.contexts]
_EVENTS = "\nunion all\n".join(
    [unpublished(context) for context in CONTEXTS]
    + [_unheard(*pair) for pair in _PAIRS]
    + [_disordered(*pair) for pair in _PAIRS]
)
_TOLD = "\nunion all\n".join(
    f"select record ->> 'entity' as entity, record ->> 'id' as entity_id, record ->> 'action' as action, o.created_at "
    f"from {context}.outbox_events o cross join jsonb_array_elements(o.records) as record "
    f"where (record ->> 'audit')::boolean and o.created_at > {TOLD}"
    for context in CONTEXTS
)
_SILENT_ARRAY = "array[" + ", ".join(f"'{name}'" for name in _SILENT) + "]"
# A mark that closes an order has no request behind it, and says so by an empty hash.
_REQUESTS = "\nunion all\n".join(
    f"select '{context}' as context, principal, method, request_id, count(*) as times, "
    f"bool_or(response is null) as bare from {context}.request_ids where request_hash <> '' group by 2, 3, 4 "
    "having count(*) > 1 or bool_or(response is null or length(request_hash) <> 32)"
    for context in CONTEXTS
)

ACROSS = (
    Invariant("X1", "Q", "", "no row anywhere points at what was deleted", _dangling("SET NULL", "CASCADE")),
    Invariant(
        "X2",
        "C",
        "",
        "no ACTIVE cart, order or payment points at a product, variant or order that is gone",
        _dangling("RESTRICT"),
    ),
    # Records are matched by what they say and by the time of their change, which rides along to the microsecond.
    Invariant(
        "X3",
        "Q",
        "",
        "every change that was told has exactly one audit record, with its actor, and no secret in it",
        f"""
        with told as (
            select entity, entity_id, action, created_at, count(*) as told from ({_TOLD}) each group by 1, 2, 3, 4
        ), filed as (
            select entity, entity_id, action, created_at, count(*) as filed from identity.audit_logs
            where created_at > {TOLD} group by 1, 2, 3, 4
        )
        select 'told and filed' as what, entity, entity_id, action, created_at, told, filed
        from told full join filed using (entity, entity_id, action, created_at) where told is distinct from filed
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
    Invariant("X5", "C", "", "one request id, one answer, in every service", _REQUESTS),
)
