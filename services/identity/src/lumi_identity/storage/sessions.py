"""Sessions: no aggregates, so their security events stand in for audit records."""

from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Interval,
    Text,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    select,
    update,
)

from lumi_common.db.database import Executor
from lumi_common.db.statement import Statement
from lumi_identity.domain.security import SecurityEvent
from lumi_identity.domain.session import Session
from lumi_identity.domain.user import UserStatus
from lumi_identity.storage.grants import permission_keys
from lumi_identity.storage.security import event
from lumi_identity.storage.tables import user_sessions, users

_ID = bindparam("session_id", type_=Text)
_BATCH = 1000
_LATER = func.now() + bindparam("lifetime", type_=Interval)


def _is_active() -> ColumnElement[bool]:
    return (users.c.status == UserStatus.ACTIVE) & users.c.deleted_at.is_(None)


def _is_live() -> ColumnElement[bool]:
    return user_sessions.c.revoked_at.is_(None) & (user_sessions.c.expires_at > func.now())


def _event(type: SecurityEvent, session: CTE) -> CTE:
    return event(type, session, session.c.user_id, session.c.id).cte("event")


# The user's row is held, so that whoever suspends them meanwhile ends this session too, or it does not begin.
_guard = (
    select(users.c.id)
    .where(
        users.c.id == bindparam("user_id", type_=Text),
        users.c.password_hash == bindparam("password_hash", type_=Text),
        _is_active(),
    )
    .with_for_update(key_share=True)
    .cte("guard")
)
_opened = (
    insert(user_sessions)
    .from_select(
        ["id", "family_id", "user_id", "refresh_token_hash", "fingerprint", "ip_address", "user_agent", "expires_at"],
        select(
            _ID,
            _ID,
            _guard.c.id,
            bindparam("refresh_token_hash", type_=Text),
            bindparam("fingerprint", type_=Text),
            bindparam("ip_address", type_=Text),
            bindparam("user_agent", type_=Text),
            _LATER,
        ),
    )
    .returning(user_sessions.c.id, user_sessions.c.user_id, user_sessions.c.expires_at)
    .cte("session")
)
OPEN = Statement(
    select(_opened.c.user_id, _opened.c.expires_at, permission_keys(_opened.c.user_id, _opened)).add_cte(
        update(users)
        .where(users.c.id == _opened.c.user_id, users.c.failed_login_count > 0)
        .values(failed_login_count=0, updated_at=func.now())
        .cte("forgiven"),
        _event(SecurityEvent.SIGNED_IN, _opened),
    )
)
"""Begin a session of the user whose password hash was verified; no row when it changed or the user is not active."""

FIND = Statement(
    select(
        *(user_sessions.c[name] for name in Session.__dataclass_fields__ if name != "now"),
        func.now().label("now"),
        permission_keys(user_sessions.c.user_id, user_sessions),
    )
    .join(users, users.c.id == user_sessions.c.user_id)
    .where(user_sessions.c.id == _ID, _is_live(), _is_active())
)
"""A live session of an active user, with what they may do."""

_rotated = (
    update(user_sessions)
    .where(
        user_sessions.c.id == _ID,
        user_sessions.c.generation == bindparam("generation"),
        user_sessions.c.user_id == users.c.id,
        _is_live(),
        _is_active(),
    )
    .values(
        generation=user_sessions.c.generation + 1,
        previous_token_hash=user_sessions.c.refresh_token_hash,
        refresh_token_hash=bindparam("refresh_token_hash", type_=Text),
        rotated_at=func.now(),
        expires_at=_LATER,
        updated_at=func.now(),
    )
    .returning(user_sessions.c.user_id, user_sessions.c.expires_at)
    .cte("rotated")
)
ROTATE = Statement(select(_rotated.c.user_id, _rotated.c.expires_at, permission_keys(_rotated.c.user_id, _rotated)))
"""The next generation's token in place of this one's; no row when another call came first."""


def _revoked(*which: ColumnElement[bool]) -> CTE:
    return (
        update(user_sessions)
        .where(user_sessions.c.revoked_at.is_(None), *which)
        .values(revoked_at=func.now(), updated_at=func.now())
        .returning(user_sessions.c.id, user_sessions.c.user_id)
        .cte("revoked")
    )


def _revoke(type: SecurityEvent, *which: ColumnElement[bool]) -> Statement:
    revoked = _revoked(*which)
    return Statement(select(revoked.c.id).add_cte(_event(type, revoked)))


_OF_USER = user_sessions.c.user_id == bindparam("user_id", type_=Text)

SIGN_OUT = _revoke(SecurityEvent.SIGNED_OUT, user_sessions.c.id == _ID, _OF_USER)
"""End one session of a user."""

REVOKE_FAMILY = _revoke(
    SecurityEvent.REFRESH_TOKEN_REUSED, user_sessions.c.family_id == bindparam("family_id", type_=Text)
)
"""End every session that came from the same sign-in."""

REVOKE_ALL = _revoke(SecurityEvent.PASSWORD_CHANGED, _OF_USER)
"""End every session of a user whose password changed."""

_account = select(users.c.id).where(users.c.id == bindparam("user_id", type_=Text)).cte("account")
END_ALL = Statement(event(SecurityEvent.ACCOUNT_DELETED, _account, _account.c.id).add_cte(_revoked(_OF_USER)))
"""End every session of a user who was deleted, whether they have one or not."""

_over = (
    select(user_sessions.c.id)
    .where(user_sessions.c.expires_at < func.now() - literal_column("interval '30 days'", Interval))
    .limit(_BATCH)
    .with_for_update(skip_locked=True)
)
_FORGET = Statement(delete(user_sessions).where(user_sessions.c.id.in_(_over)).returning(user_sessions.c.id))


async def forget_old(on: Executor) -> None:
    """Delete the sessions that have been over for 30 days, a batch at a time."""
    while len(await on.fetch(_FORGET)) == _BATCH:
        pass


def session(row: Any) -> Session:
    """The session of a row of FIND."""
    return Session(**{name: row[name] for name in Session.__dataclass_fields__})
