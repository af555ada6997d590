"""Sessions: no aggregates, so their security events stand in for audit records."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Interval,
    Select,
    Text,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from lumi_common.context import Context
from lumi_common.db.database import Executor
from lumi_common.db.page import Listing
from lumi_common.db.statement import Statement
from lumi_common.db.tables import timestamp
from lumi_common.errors import NotFound, Reason
from lumi_identity.domain.security import SecurityEvent
from lumi_identity.domain.session import Session
from lumi_identity.domain.user import UserStatus
from lumi_identity.storage.grants import permission_keys
from lumi_identity.storage.security import event, facts
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


# Whoever takes something from a user locks their row, writes, and sets `not_before`. A token is issued under a lock on
# the same row, at a time taken after it, and only if `not_before` still is what was read before the permissions were:
# so either the token is older than `not_before`, or it knows of the change. `now()` would be the time before the lock.
_CLOCK = func.clock_timestamp()
_AS_READ = users.c.not_before.is_not_distinct_from(bindparam("not_before", type_=timestamp))
_USER_ID = bindparam("user_id", type_=Text)

_knows_password = (
    users.c.id == _USER_ID,
    users.c.password_hash == bindparam("password_hash", type_=Text),
    _is_active(),
)
FIND_USER = Statement(select(users.c.not_before).where(*_knows_password))
"""From when on the tokens of a user count, if they are active and their password is the one that was verified."""

# The user's row is held, so that whoever suspends them meanwhile ends this session too, or it does not begin.
_guard = select(users.c.id).where(*_knows_password, _AS_READ).with_for_update(key_share=True).cte("guard")
_opened = (
    insert(user_sessions)
    .from_select(
        [
            *("id", "family_id", "user_id", "refresh_token_hash", "fingerprint", "ip_address", "user_agent"),
            *("expires_at", "created_at"),
        ],
        select(
            _ID,
            _ID,
            _guard.c.id,
            bindparam("refresh_token_hash", type_=Text),
            bindparam("fingerprint", type_=Text),
            bindparam("ip_address", type_=Text),
            bindparam("user_agent", type_=Text),
            _LATER,
            _CLOCK,
        ),
    )
    .returning(
        user_sessions.c.id,
        user_sessions.c.user_id,
        user_sessions.c.generation,
        user_sessions.c.expires_at,
        user_sessions.c.created_at,
    )
    .cte("session")
)


def _issued(row: CTE, issued_at: ColumnElement[Any]) -> Select[Any]:
    """What a token is made of."""
    return select(
        row.c.id,
        row.c.user_id,
        row.c.generation,
        row.c.expires_at,
        issued_at.label("issued_at"),
        permission_keys(row.c.user_id, row),
    )


OPEN = Statement(
    _issued(_opened, _opened.c.created_at).add_cte(
        update(users)
        .where(users.c.id == _opened.c.user_id, users.c.failed_login_count > 0)
        .values(failed_login_count=0, updated_at=func.now())
        .cte("forgiven"),
        _event(SecurityEvent.SIGNED_IN, _opened),
    )
)
"""Begin a session of a user found by FIND_USER; no row when something about them has changed since."""

FIND = Statement(
    select(
        *(user_sessions.c[name] for name in Session.__dataclass_fields__ if name != "now"),
        func.now().label("now"),
        users.c.not_before,
    )
    .join(users, users.c.id == user_sessions.c.user_id)
    .where(user_sessions.c.id == _ID, _is_live(), _is_active())
)
"""A live session of an active user, and from when on that user's tokens count."""

# Held for as long as the statement takes: several sessions of a user may go on at once, and whoever changes them waits.
_unchanged = select(users.c.id).where(users.c.id == _USER_ID, _is_active(), _AS_READ).with_for_update(read=True)
_rotating, _reissuing = _unchanged.cte("guard"), _unchanged.cte("guard")
_rotated = (
    update(user_sessions)
    .where(
        user_sessions.c.id == _ID,
        user_sessions.c.generation == bindparam("generation"),
        user_sessions.c.user_id == _rotating.c.id,
        _is_live(),
    )
    .values(
        generation=user_sessions.c.generation + 1,
        previous_token_hash=user_sessions.c.refresh_token_hash,
        refresh_token_hash=bindparam("refresh_token_hash", type_=Text),
        rotated_at=_CLOCK,
        expires_at=_LATER,
        updated_at=func.now(),
    )
    .returning(
        user_sessions.c.id,
        user_sessions.c.user_id,
        user_sessions.c.generation,
        user_sessions.c.expires_at,
        user_sessions.c.rotated_at,
    )
    .cte("rotated")
)
ROTATE = Statement(_issued(_rotated, _rotated.c.rotated_at))
"""The next generation's token in place of this one's; no row when another call came first or the user has changed."""

_same = (
    select(user_sessions.c.id, user_sessions.c.user_id, user_sessions.c.generation, user_sessions.c.expires_at)
    .join(_reissuing, _reissuing.c.id == user_sessions.c.user_id)
    .where(user_sessions.c.id == _ID, user_sessions.c.generation == bindparam("generation"), _is_live())
    .with_for_update(read=True, of=user_sessions)
    .cte("same")
)
REISSUE = Statement(_issued(_same, _CLOCK))
"""Another access token of a session that stays as it is; no row as for ROTATE."""


def _revoked(*which: ColumnElement[bool]) -> CTE:
    """The sessions that end, locked before they are given the time from which their tokens count no more."""
    ending = (
        select(user_sessions.c.id)
        .where(user_sessions.c.revoked_at.is_(None), *which)
        .order_by(user_sessions.c.id)
        .with_for_update(key_share=True, of=user_sessions)
        .cte("ending")
    )
    return (
        update(user_sessions)
        .where(user_sessions.c.id == ending.c.id)
        .values(revoked_at=func.now(), not_before=_CLOCK, updated_at=func.now())
        .returning(user_sessions.c.id, user_sessions.c.user_id, user_sessions.c.not_before)
        .cte("revoked")
    )


def _revoke(type: SecurityEvent, *which: ColumnElement[bool]) -> Statement:
    revoked = _revoked(*which)
    return Statement(select(revoked.c.id, revoked.c.not_before).add_cte(_event(type, revoked)), revokes=True)


_OF_USER = user_sessions.c.user_id == _USER_ID

SIGN_OUT = _revoke(SecurityEvent.SIGNED_OUT, user_sessions.c.id == _ID, _OF_USER)
"""End one session of a user."""

REVOKE_FAMILY = _revoke(
    SecurityEvent.REFRESH_TOKEN_REUSED, user_sessions.c.family_id == bindparam("family_id", type_=Text)
)
"""End every session that came from the same sign-in."""

_REVOKE = _revoke(SecurityEvent.SESSION_REVOKED, user_sessions.c.id == _ID)
_all_but = _revoked(_OF_USER, user_sessions.c.id != bindparam("but", type_=Text))
_REVOKE_ALL = Statement(
    select(_all_but.c.id, _all_but.c.not_before).add_cte(
        event(SecurityEvent.SESSIONS_REVOKED, _all_but, _all_but.c.user_id).cte("event")
    ),
    revokes=True,
)
_OWNER = bindparam("owner", type_=Text)
_GET = Statement(
    select(user_sessions.c.id).where(
        user_sessions.c.id == _ID, or_(_OWNER.is_(None), user_sessions.c.user_id == _OWNER)
    )
)

LIVE = Listing(
    select(
        *(user_sessions.c[name] for name in ("id", "user_id", "fingerprint", "ip_address", "user_agent")),
        *(user_sessions.c[name] for name in ("created_at", "rotated_at", "expires_at")),
    ).where(_is_live()),
    user_sessions.c.id,
    {"user_id": _OF_USER},
    descending=True,
)
"""The live sessions of a user, the newest first."""


async def revoke(on: Executor, session_id: str, context: Context) -> None:
    """End a session, if it is not over already; raises NotFound for one that is not the caller's to end."""
    if await on.fetchrow(_GET, session_id=session_id, owner=context.owner) is None:
        raise NotFound(Reason.NOT_FOUND, "no such session", entity="UserSession", id=session_id)
    await on.fetch(_REVOKE, session_id=session_id, **facts(context))


async def revoke_all(on: Executor, user_id: str, context: Context, *, but: str = "") -> int:
    """End every session of a user, except the one of the id `but`; how many were ended."""
    return len(await on.fetch(_REVOKE_ALL, user_id=user_id, but=but, **facts(context)))


def _end(type: SecurityEvent) -> Statement:
    """The user is locked first, as by whoever begins or goes on with a session."""
    account = select(users.c.id).where(users.c.id == _USER_ID).with_for_update(key_share=True).cte("account")
    ended = _revoked(user_sessions.c.user_id == account.c.id, user_sessions.c.id != bindparam("but", type_=Text))
    return _outdate(account, event(type, account, account.c.id).cte("event"), ended)


def _outdate(locked: CTE, *parts: CTE) -> Statement:
    outdated = (
        update(users)
        .where(users.c.id == locked.c.id)
        .values(not_before=_CLOCK, updated_at=func.now())
        .returning(users.c.id, users.c.not_before)
        .cte("outdated")
    )
    return Statement(select(outdated.c.id, outdated.c.not_before).add_cte(*parts), revokes=True)


_END = {type: _end(type) for type in SecurityEvent}
_OUTDATE = _outdate(
    select(users.c.id)
    .where(users.c.id == func.any(bindparam("user_ids", type_=ARRAY(Text))))
    .order_by(users.c.id)
    .with_for_update(key_share=True)
    .cte("changed")
)


async def end_sessions(on: Executor, user_id: str, event: SecurityEvent, context: Context, *, but: str = "") -> None:
    """End every live session of a user, except the one of the id `but`, and write the security event.

    No access token that was issued before counts from now on; the session that stays has to refresh.
    """
    await on.fetch(_END[event], user_id=user_id, but=but, **facts(context))


async def outdate(on: Executor, user_ids: Iterable[str]) -> None:
    """Refuse from now on the access tokens that these users were issued before; their sessions go on and refresh.

    For a change of what they may do, in its transaction, after everything else that it writes.
    """
    await on.fetch(_OUTDATE, user_ids=list(user_ids))


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
