"""Tries to prove who one is: reserved before anything costly is done, settled after, each by one statement.

A try counts as a failure from its reservation on, so that of many at once none slips past the limit.
"""

from typing import Any

from sqlalchemy import (
    CTE,
    Boolean,
    ColumnElement,
    Float,
    Integer,
    Interval,
    Text,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    literal_column,
    not_,
    null,
    or_,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import CITEXT, JSONB, insert

from lumi_common.context import Context
from lumi_common.db.database import Executor
from lumi_common.db.repository import live
from lumi_common.db.statement import Statement
from lumi_common.db.tables import timestamp
from lumi_identity.domain.security import SecurityEvent
from lumi_identity.storage.security import event, facts
from lumi_identity.storage.tables import sign_in_attempts, users

_BATCH = 1000
_t = sign_in_attempts.c
_NOW = func.now()
_ACCOUNT, _SOURCE = bindparam("account_key", type_=Text), bindparam("source_key", type_=Text)
# The row that counts for all sources that the account does not know.
_ALL = literal_column("''", Text)
_WINDOW, _WAIT = bindparam("window", type_=Interval), bindparam("wait", type_=Interval)
_LONGEST = bindparam("longest", type_=Interval)
# Beyond this many doublings any wait is the longest.
_DOUBLINGS = 20


def _row(source: ColumnElement[str]) -> ColumnElement[bool]:
    return and_(_t.account_key == _ACCOUNT, _t.source_key == source)


_blocked = _t.blocked_until > _NOW
_account_is_blocked = exists(select(_t.failures).where(_row(_ALL), _blocked))
_is_known = exists(select(_t.failures).where(_row(_SOURCE), _t.known_until > _NOW))
_user_id = (
    live(users).with_only_columns(users.c.id).where(users.c.email == bindparam("email", type_=CITEXT)).scalar_subquery()
)


def _count(source: ColumnElement[str], limit: ColumnElement[int], chosen: Any, name: str) -> CTE:
    """One try more in the row of a source; no row while it has to wait."""
    columns = ["account_key", "source_key", "user_id", "failures", "counts_until", "expires_at"]
    first = insert(sign_in_attempts).from_select(columns, chosen)
    failures = case((_t.counts_until > _NOW, _t.failures + 1), else_=1)
    doublings = func.least(failures - limit, _DOUBLINGS)
    wait = func.least(_WAIT.op("*")(func.power(literal_column("2::float8", Float), doublings)), _LONGEST)
    waits = case((failures >= limit, wait), else_=literal_column("interval '0'", Interval))
    return (
        first.on_conflict_do_update(
            index_elements=[_t.account_key, _t.source_key],
            set_={
                # Of a deleted account still, so that it goes when that is purged.
                "user_id": func.coalesce(first.excluded.user_id, _t.user_id),
                "failures": failures,
                "blocked_until": case((failures >= limit, _NOW + wait), else_=null()),
                "counts_until": _NOW + waits + _WINDOW,
                "expires_at": func.greatest(_NOW + waits + _WINDOW, _t.known_until),
                "updated_at": _NOW,
            },
            where=or_(_t.blocked_until.is_(None), not_(_blocked)),
        )
        .returning(
            _t.user_id, _t.failures, _t.blocked_until, (func.coalesce(_t.known_until > _NOW, False)).label("known")
        )
        .cte(name)
    )


def _first(source: ColumnElement[str], *where: ColumnElement[bool]) -> Any:
    return select(_ACCOUNT, source, _user_id, literal_column("1", Integer), _NOW + _WINDOW, _NOW + _WINDOW).where(
        *where
    )


_from_source = _count(
    _SOURCE,
    bindparam("tries", type_=Integer),
    _first(_SOURCE, or_(not_(_account_is_blocked), _is_known)),
    "from_source",
)
# Reads from the other, so that the rows are always locked in this order; a source that waits is not counted here.
_from_anywhere = _count(
    _ALL,
    bindparam("account_tries", type_=Integer),
    _first(_ALL).select_from(_from_source).where(not_(_from_source.c.known)),
    "from_anywhere",
)
_waits_until = (
    select(func.max(_t.blocked_until))
    .where(_t.account_key == _ACCOUNT, or_(_t.source_key == _SOURCE, and_(_t.source_key == _ALL, not_(_is_known))))
    .scalar_subquery()
)
_s, _a = _from_source.c, _from_anywhere.c
RESERVE = Statement(
    select(
        func.coalesce(or_(_s.known, _a.failures.isnot(None)), False).label("admitted"),
        func.coalesce(_s.known, False).label("known"),
        _s.blocked_until.label("source_waits_until"),
        _a.blocked_until.label("account_waits_until"),
        func.extract("epoch", _waits_until - _NOW).label("seconds"),
    ).select_from(
        select(literal_column("1"))
        .subquery("nothing")
        .outerjoin(_from_source, true())
        .outerjoin(_from_anywhere, true())
    )
)
"""Count a try, if it is admitted; `seconds` says how long one that is not has to wait, if that was known before."""


def _settled(**values: Any) -> Statement:
    """The row of the try's source as it goes on, and one try less in that of all sources if it was counted there."""
    source = (
        update(sign_in_attempts)
        .where(_row(_SOURCE))
        .values(blocked_until=null(), updated_at=_NOW, **values)
        .returning(_t.account_key)
        .cte("source")
    )
    left = func.greatest(_t.failures - 1, 0)
    anywhere = (
        update(sign_in_attempts)
        .where(_t.account_key == source.c.account_key, _t.source_key == _ALL, not_(bindparam("known", type_=Boolean)))
        .values(
            failures=left,
            blocked_until=case((left >= bindparam("account_tries", type_=Integer), _t.blocked_until), else_=null()),
            updated_at=_NOW,
        )
        .returning(_t.account_key)
        .cte("anywhere")
    )
    return Statement(select(anywhere.c.account_key))


_known_until = _NOW + bindparam("known_for", type_=Interval)
SUCCEEDED = _settled(failures=0, known_until=_known_until, expires_at=func.greatest(_known_until, _t.counts_until))
"""The try was right: nothing is held against its source, which the account knows from now on."""

RELEASED = _settled(failures=func.greatest(_t.failures - 1, 0))
"""The try was none, or is not over: it is not counted, and what was counted before stays."""

_counted = (
    update(users)
    .where(users.c.id == bindparam("user_id", type_=Text))
    .values(
        failed_login_count=users.c.failed_login_count + 1,
        lockout_until=func.greatest(users.c.lockout_until, bindparam("lockout_until", type_=timestamp)),
        updated_at=_NOW,
    )
    .returning(users.c.id, users.c.failed_login_count)
    .cte("counted")
)
# From nothing joined with the count, so that a try at an unknown address leaves its event too, and takes as long.
_tried = (
    select(_counted.c.id)
    .select_from(select(literal_column("1")).subquery("nothing").outerjoin(_counted, true()))
    .cte("tried")
)


def _failed(type: SecurityEvent) -> Statement:
    return Statement(select(_counted.c.failed_login_count).add_cte(event(type, _tried, _tried.c.id).cte("event")))


FAILED = {type: _failed(type) for type in (SecurityEvent.SIGN_IN_FAILED, SecurityEvent.TWO_FACTOR_FAILED)}
"""Count a failure of a user exactly, whatever runs beside it; `user_id` is None for an unknown address.

`lockout_until` is when sources that the account does not know may try again, None as long as they may; what decides is
the row of all sources, which an address without an account has too: the user's column is for staff to see.
"""

_whose = (
    select(users.c.id)
    .select_from(
        select(literal_column("1")).subquery("nothing").outerjoin(users, users.c.id == bindparam("user_id", type_=Text))
    )
    .cte("whose")
)
LOCKED_OUT = Statement(event(SecurityEvent.LOCKED_OUT, _whose, _whose.c.id, details=bindparam("details", type_=JSONB)))
"""Write down that a source, or every source that the account does not know, has to wait."""

# By the key, too: what was tried before there was the account names no user. Locked in the order of RESERVE, the row of
# all sources last.
_held = (
    select(_t.account_key, _t.source_key)
    .where(or_(_t.user_id == bindparam("user_id", type_=Text), _t.account_key == _ACCOUNT))
    .order_by(_t.account_key, _t.source_key.desc())
    .with_for_update()
    .cte("held")
)
_FORGIVE = Statement(
    update(sign_in_attempts)
    .where(tuple_(_t.account_key, _t.source_key).in_(select(_held.c.account_key, _held.c.source_key)))
    .values(failures=0, blocked_until=null(), updated_at=_NOW)
    .returning(_t.account_key)
)

_unlocked = (
    update(users)
    .where(users.c.id == bindparam("user_id", type_=Text))
    .values(failed_login_count=0, lockout_until=null(), updated_at=_NOW)
    .returning(users.c.id)
    .cte("unlocked")
)
_UNLOCK = Statement(event(SecurityEvent.ACCOUNT_UNLOCKED, _unlocked, _unlocked.c.id))

_over = (
    select(_t.account_key, _t.source_key).where(_t.expires_at < _NOW).limit(_BATCH).with_for_update(skip_locked=True)
)
_FORGET = Statement(
    delete(sign_in_attempts).where(tuple_(_t.account_key, _t.source_key).in_(_over)).returning(_t.account_key)
)


async def forgive(on: Executor, user_id: str, account_key: str) -> None:
    """Forget the failed tries at an account; the caller sees to the user's row and to the security event."""
    await on.fetch(_FORGIVE, user_id=user_id, account_key=account_key)


async def unlock(on: Executor, user_id: str, account_key: str, context: Context) -> None:
    """Forget, in the caller's transaction, every failed try at an account, so that nobody has to wait any longer."""
    await on.fetch(_UNLOCK, user_id=user_id, **facts(context))
    await forgive(on, user_id, account_key)


async def forget_old(on: Executor) -> None:
    """Delete what counts no more, a batch at a time."""
    while len(await on.fetch(_FORGET)) == _BATCH:
        pass
