"""Security events: written by the statement or in the transaction that they tell of."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Insert,
    Text,
    and_,
    bindparam,
    case,
    column,
    func,
    insert,
    literal_column,
    null,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import TypeEngine

from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Executor
from lumi_common.db.page import Listing
from lumi_common.db.repository import live
from lumi_common.db.statement import Statement
from lumi_common.db.tables import timestamp
from lumi_identity.domain.security import SecurityEvent
from lumi_identity.storage.tables import security_events, users

_BY = bindparam("by", type_=Text)


def event(
    type: SecurityEvent | ColumnElement[str],
    source: FromClause,
    user_id: ColumnElement[Any],
    session_id: ColumnElement[Any] | None = None,
    *,
    details: ColumnElement[Any] | None = None,
) -> Insert:
    """One security event if the source has a row; its parameters are those of `facts`.

    Its payload is `details`, a JSON object, with the session and, in `by`, whoever of the staff did it to somebody
    else's account.
    """
    parts = [literal_column("'by'"), case((user_id != _BY, _BY))]
    if session_id is not None:
        parts += [literal_column("'session_id'"), session_id]
    known = func.jsonb_strip_nulls(func.jsonb_build_object(*parts, type_=JSONB), type_=JSONB)
    payload: ColumnElement[Any] = known if details is None else known.op("||")(details)
    return insert(security_events).from_select(
        ["id", "user_id", "type", "payload", "ip_address", "user_agent"],
        select(
            bindparam("event_id", type_=Text),
            user_id,
            literal_column(f"'{type.value}'", Text) if isinstance(type, SecurityEvent) else type,
            func.nullif(payload, literal_column("'{}'::jsonb"), type_=JSONB),
            bindparam("ip_address", type_=Text),
            bindparam("user_agent", type_=Text),
        )
        .select_from(source)
        .limit(1),
    )


def facts(context: Context) -> dict[str, str | None]:
    """The parameters of a security event: its id, who of the staff calls, and where the call came from.

    Of the staff is who holds a permission: a customer whose token comes with a try at another's account is no more
    than where that came from, which its owner is to see.
    """
    caller = context.principal
    return {
        "event_id": cuid(),
        "by": caller.id if caller.permissions else None,
        "ip_address": context.ip or None,
        "user_agent": context.user_agent or None,
    }


_account = select(users.c.id).where(users.c.id == bindparam("user_id", type_=Text)).cte("account")
_NOTE = Statement(
    event(bindparam("type", type_=Text), _account, _account.c.id, details=bindparam("details", type_=JSONB))
)


async def note(
    on: Executor, type: SecurityEvent, user_id: str, context: Context, details: Mapping[str, Any] | None = None
) -> None:
    """Write a security event of an account in the caller's transaction; nothing secret or personal is in `details`."""
    await on.fetch(_NOTE, type=type, user_id=user_id, details=dict(details or {}), **facts(context))


class Refused(NamedTuple):
    """Calls that were refused alike; of texts those that are empty are not known."""

    id: str
    user_id: str
    caller: str
    method: str
    reason: str
    times: int
    since: datetime
    ip_address: str
    user_agent: str


_TYPES: dict[str, TypeEngine[Any]] = {
    **{name: Text() for name in Refused._fields},
    "times": BigInteger(),
    "since": timestamp,
}
_refused = (
    func.unnest(*(bindparam(name, type_=ARRAY(type)) for name, type in _TYPES.items()))
    .table_valued(*(column(name, type) for name, type in _TYPES.items()), name="refused")
    .render_derived()
)
# Held, so that nobody is purged between the look at them and the event that names them.
_known = (
    select(users.c.id)
    .where(users.c.id == func.any(bindparam("user_id", type_=ARRAY(Text))))
    .order_by(users.c.id)
    .with_for_update(read=True, key_share=True)
    .cte("known")
)
# Whoever was purged before it came is nobody and was nowhere.
_is_purged = and_(_refused.c.user_id != "", _known.c.id.is_(None))
_RECORD_REFUSED = Statement(
    insert(security_events).from_select(
        ["id", "user_id", "type", "payload", "ip_address", "user_agent"],
        select(
            _refused.c.id,
            _known.c.id,
            literal_column(f"'{SecurityEvent.ACCESS_REFUSED}'", Text),
            func.jsonb_strip_nulls(
                func.jsonb_build_object(
                    literal_column("'service'"),
                    bindparam("service", type_=Text),
                    literal_column("'caller'"),
                    func.nullif(_refused.c.caller, ""),
                    literal_column("'method'"),
                    func.nullif(_refused.c.method, ""),
                    literal_column("'reason'"),
                    _refused.c.reason,
                    literal_column("'count'"),
                    _refused.c.times,
                    literal_column("'since'"),
                    _refused.c.since,
                ),
                type_=JSONB,
            ),
            *(
                case((_is_purged, null()), else_=func.nullif(_refused.c[name], ""))
                for name in ("ip_address", "user_agent")
            ),
        ).select_from(_refused.outerjoin(_known, _known.c.id == _refused.c.user_id)),
    )
)


async def record_refused(on: Executor, service: str, refused: Sequence[Refused]) -> None:
    """Write down what a service refused, in one statement."""
    columns = map(list, zip(*refused, strict=True))
    await on.fetch(_RECORD_REFUSED, service=service, **dict(zip(Refused._fields, columns, strict=True)))


_e = security_events.c
NEWEST_FIRST = Listing(
    live(security_events),
    _e.id,
    {
        "user_id": _e.user_id == bindparam("user_id", type_=Text),
        "owner": _e.user_id == bindparam("owner", type_=Text),
        "type": _e.type == bindparam("type", type_=Text),
        "start": _e.created_at >= bindparam("start", type_=timestamp),
        "end": _e.created_at < bindparam("end", type_=timestamp),
    },
    descending=True,
)
"""Security events, the last first."""
