"""Audit logs: filed from events, never changed."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Text, and_, bindparam, case, cast, column, func, insert, null, select
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from lumi_common.cuid import cuid
from lumi_common.db.database import Executor, Row
from lumi_common.db.page import Listing
from lumi_common.db.repository import live
from lumi_common.db.statement import Statement
from lumi_common.db.tables import timestamp
from lumi_common.errors import NotFound, Reason
from lumi_common.events.event import Event
from lumi_identity.storage.tables import audit_logs, users


class _Filed(NamedTuple):
    id: str
    actor_id: str
    actor_type: str
    action: str
    entity: str
    entity_id: str
    before: str | None
    after: str | None
    ip_address: str | None
    user_agent: str | None
    created_at: datetime


_TYPES = {name: timestamp if name == "created_at" else Text() for name in _Filed._fields}
_records = (
    func.unnest(*(bindparam(name, type_=ARRAY(type)) for name, type in _TYPES.items()))
    .table_valued(*(column(name, type) for name, type in _TYPES.items()), name="records")
    .render_derived()
)
_SAME = ("action", "actor_type", "created_at", "entity", "entity_id", "id")
_ORIGIN = ("ip_address", "user_agent")
# Held, so that nobody is purged between the look at them and the record that names them.
_actors = (
    select(users.c.id)
    .where(users.c.id == func.any(bindparam("actor_id", type_=ARRAY(Text))))
    .order_by(users.c.id)
    .with_for_update(read=True, key_share=True)
    .cte("actors")
)
_is_of_a_user = _records.c.actor_type == "user"
# An actor who was purged before the record came is nobody and was nowhere; one who is no user is somewhere.
_FILE = Statement(
    insert(audit_logs).from_select(
        [*_SAME, *_ORIGIN, "user_id", "before", "after"],
        select(
            *(_records.c[name] for name in _SAME),
            *(case((and_(_is_of_a_user, _actors.c.id.is_(None)), null()), else_=_records.c[name]) for name in _ORIGIN),
            _actors.c.id,
            cast(_records.c.before, JSONB),
            cast(_records.c.after, JSONB),
        ).select_from(_records.outerjoin(_actors, and_(_is_of_a_user, _actors.c.id == _records.c.actor_id))),
    )
)


async def file(on: Executor, events: Sequence[Event]) -> None:
    """File every record of these events that is one of the audit's, in one statement."""
    rows = list(_rows(events))
    if rows:
        await on.fetch(_FILE, **dict(zip(_Filed._fields, map(list, zip(*rows, strict=True)), strict=True)))


def _rows(events: Sequence[Event]) -> Iterable[_Filed]:
    for event in events:
        actor, ip_address, user_agent, time = event.actor, event.ip_address, event.user_agent, event.time
        for record in event.records:
            if record.audit:
                yield _Filed(
                    cuid(),
                    actor.id,
                    actor.type,
                    record.action,
                    record.entity,
                    record.id,
                    record.before_json,
                    record.after_json,
                    ip_address or None,
                    user_agent or None,
                    time,
                )


_GET = Statement(live(audit_logs).where(audit_logs.c.id == bindparam("id", type_=Text)))


async def get_audit_log(on: Executor, id: str) -> Row:
    """One record; raises NotFound."""
    row = await on.fetchrow(_GET, id=id)
    if row is None:
        raise NotFound(Reason.NOT_FOUND, "no such audit log", entity="AuditLog", id=id)
    return row


NEWEST_FIRST = Listing(
    live(audit_logs),
    audit_logs.c.id,
    {name: audit_logs.c[name] == bindparam(name, type_=Text) for name in ("user_id", "action", "entity")},
    descending=True,
)
"""Records in the order of filing, the last first."""

# Records of one entity may be filed in another order than that of the changes, so the time leads and the id decides.
_timed = (
    live(audit_logs)
    .add_columns(
        (func.to_char(audit_logs.c.created_at, "YYYYMMDDHH24MISSUS") + audit_logs.c.id).label("moment"),
    )
    .subquery("timed")
)
TIMELINE = Listing(
    select(_timed),
    _timed.c.moment,
    {name: _timed.c[name] == bindparam(name, type_=Text) for name in ("entity", "entity_id")},
)
"""Records in the order of the changes, the first first."""
