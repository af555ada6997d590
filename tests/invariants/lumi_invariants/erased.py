"""Across services: X6. Who was erased is nowhere any more; the columns are those that the tables declare."""

from collections.abc import Iterator

from lumi_common.db.invariants import Invariant
from lumi_common.db.personal import PERSON, blanked
from lumi_common.events.streams import CONTEXTS
from lumi_invariants.across import declared

# Whoever was erased, under each id that they had: as a user, and as guests before that, who may come again later.
_WHO = """
    select e.id as erasure_id, e.subject_id as id, 'user' as kind, e.completed_at as until
    from identity.erasures e where e.step = 'COMPLETE'
    union all
    select e.id, g.id, 'guest', e.completed_at
    from identity.erasures e cross join jsonb_array_elements_text(e.guest_ids) as g(id) where e.step = 'COMPLETE'
"""
# What a row has in place of a user when it is a guest's.
_GUEST = ("session_id", "guest_session_id")


def _parts() -> Iterator[str]:
    for context in CONTEXTS:
        yield f"""
            select 'says where they were' as what, '{context}.outbox_events' as table, who.erasure_id,
                o.id::text as row_id
            from who join {context}.outbox_events o on o.headers ->> 'actor_id' = who.id
                or (o.headers ->> 'actor_type' = 'anonymous' and o.aggregate_id = who.id)
            where coalesce(o.headers ->> 'ip_address', o.headers ->> 'user_agent') is not null
                and o.created_at < who.until
        """
        yield f"""
            select 'keeps an answer to them', '{context}.request_ids', who.erasure_id, null
            from who join {context}.request_ids r on r.principal = who.kind || ':' || who.id
            where r.created_at < who.until
        """
    for column, reference in declared():
        if reference.target == PERSON:
            yield f"""
                select 'names them', '{column.table.fullname}', who.erasure_id, r.id
                from who join {column.table.fullname} r on r.{column.name} = who.id
            """
    yield f"select 'is there', '{PERSON}', who.erasure_id, u.id from who join {PERSON} u on u.id = who.id"
    yield """
        select 'mails them', 'identity.mails', who.erasure_id, m.id
        from who join identity.mails m on m.payload ->> 'user_id' = who.id
    """
    yield """
        select 'says where they were', 'identity.security_events', who.erasure_id, s.id
        from who join identity.security_events s on s.payload ->> 'by' = who.id
        where coalesce(s.ip_address, s.user_agent) is not null
    """
    yield """
        select 'says where they were', 'identity.audit_logs', who.erasure_id, a.id
        from who join identity.audit_logs a on a.entity = 'User' and a.entity_id = who.id and a.actor_type = 'anonymous'
        where coalesce(a.ip_address, a.user_agent) is not null
    """
    yield from _nobodys()


def _nobodys() -> Iterator[str]:
    """Addresses on what is neither a user's nor a guest's: whose it was is gone."""
    for column, reference in declared():
        table = column.table
        names = [name for name in blanked(table) if "address" in name]
        if reference.target == PERSON and names:
            alone = " and ".join(f"{name} is null" for name in (column.name, *(g for g in _GUEST if g in table.c)))
            filled = " or ".join(f"{name} is not null" for name in names)
            rows = f"{table.fullname} where {alone} and ({filled})"
            yield f"select 'is nobody''s', '{table.fullname}', null, id from {rows}"


ERASED = (
    Invariant(
        "X6",
        "Q",
        "",
        "of whoever was erased nothing is left in any table but what the law keeps",
        "with who as (" + _WHO + ")\n" + "\nunion all\n".join(_parts()),
    ),
)
