"""Security events: written by the statement that they tell of."""

from typing import Any

from sqlalchemy import ColumnElement, FromClause, Insert, Text, bindparam, func, insert, literal_column, null, select
from sqlalchemy.dialects.postgresql import JSONB

from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_identity.domain.security import SecurityEvent
from lumi_identity.storage.tables import security_events


def event(
    type: SecurityEvent,
    source: FromClause,
    user_id: ColumnElement[Any],
    session_id: ColumnElement[Any] | None = None,
) -> Insert:
    """One security event if the source has a row; its parameters are those of `facts`."""
    payload = null() if session_id is None else func.jsonb_build_object("session_id", session_id, type_=JSONB)
    return insert(security_events).from_select(
        ["id", "user_id", "type", "payload", "ip_address", "user_agent"],
        select(
            bindparam("event_id", type_=Text),
            user_id,
            literal_column(f"'{type.value}'", Text),
            payload,
            bindparam("ip_address", type_=Text),
            bindparam("user_agent", type_=Text),
        )
        .select_from(source)
        .limit(1),
    )


def facts(context: Context) -> dict[str, str | None]:
    """The parameters of a security event: its id, and where the call came from."""
    return {
        "event_id": cuid(),
        "ip_address": context.ip or None,
        "user_agent": context.user_agent or None,
    }
