"""The second factor of users: its sealed secret, the last code that was taken, the recovery codes, and challenges."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Interval,
    Text,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    null,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from lumi_common.cuid import cuid
from lumi_common.db.database import Executor, Row
from lumi_common.db.record import recorded
from lumi_common.db.repository import live
from lumi_common.db.statement import Statement
from lumi_identity.domain.one_time_token import Purpose, digest
from lumi_identity.domain.user import User
from lumi_identity.storage.tables import USER, common, one_time_tokens, recovery_codes, users

# A challenge that was answered wrongly this often is good for nothing.
CHALLENGE_TRIES = 5

_ID = users.c.id == bindparam("user_id", type_=Text)
_SEALED = users.c.two_factor_secret == bindparam("sealed", type_=Text)
_STEP = bindparam("step", type_=BigInteger)
# A code is good once, on however many servers it is shown at the same time: the step only grows.
_STEP_IS_NEW = or_(users.c.last_totp_step.is_(None), users.c.last_totp_step < _STEP)
_next = {"version": users.c.version + 1, "updated_at": func.now()}

LOCK = Statement(
    live(users)
    .with_only_columns(users.c.two_factor_secret, users.c.two_factor_enabled)
    .where(_ID)
    .with_for_update(key_share=True)
)
"""What a user has of a second factor; it stays so until the transaction ends."""

ENROL = recorded(
    common,
    USER.change(
        update(users)
        .where(_ID, users.c.deleted_at.is_(None), ~users.c.two_factor_enabled)
        .values(two_factor_secret=bindparam("sealed", type_=Text), **_next),
        "user.two_factor_enrolled",
    ),
)
"""Another secret to be confirmed; no row where there is a second factor."""

ENABLE = recorded(
    common,
    USER.change(
        update(users)
        .where(_ID, _SEALED, _STEP_IS_NEW, ~users.c.two_factor_enabled)
        .values(two_factor_enabled=True, last_totp_step=_STEP, **_next),
        "user.two_factor_enabled",
    ),
)
"""The secret is confirmed by the code of a step; no row when another call came first or the code was used before."""

DISABLE = recorded(
    common,
    USER.change(
        update(users)
        .where(_ID, users.c.two_factor_enabled)
        .values(two_factor_enabled=False, two_factor_secret=null(), **_next),
        "user.two_factor_disabled",
    ),
)
"""No second factor any more; the last step stays, so that a code that was taken stays taken."""

TAKE_STEP = Statement(
    update(users)
    .where(_ID, _SEALED, _STEP_IS_NEW, users.c.two_factor_enabled)
    .values(last_totp_step=_STEP, updated_at=func.now())
    .returning(users.c.id)
)
"""Take the code of a step; no row when it, or a later one, was taken before."""

RESEAL = recorded(
    common,
    USER.change(
        update(users).where(_ID, _SEALED).values(two_factor_secret=bindparam("resealed", type_=Text), **_next),
        "user.two_factor_resealed",
    ),
)
"""The same secret under today's key; no row when it is another by now."""

_codes = recovery_codes.c
_OF_USER = _codes.user_id == bindparam("user_id", type_=Text)
_REMOVE = Statement(delete(recovery_codes).where(_OF_USER).returning(_codes.id))
_digests = (
    func.unnest(bindparam("ids", type_=ARRAY(Text)), bindparam("digests", type_=ARRAY(Text)))
    .table_valued("id", "digest")
    .render_derived(name="given")
)
_INSERT = Statement(
    insert(recovery_codes).from_select(
        ["id", "user_id", "code_hash"], select(_digests.c.id, bindparam("user_id", type_=Text), _digests.c.digest)
    )
)
_USE = Statement(
    update(recovery_codes)
    .where(_OF_USER, _codes.code_hash == bindparam("digest", type_=Text), _codes.used_at.is_(None))
    .values(used_at=func.now(), updated_at=func.now())
    .returning(_codes.id)
)
_LEFT = Statement(select(func.count()).where(_OF_USER, _codes.used_at.is_(None)))

_tokens = one_time_tokens.c
_ISSUE = Statement(
    insert(one_time_tokens)
    .from_select(
        ["id", "user_id", "purpose", "token_hash", "expires_at"],
        live(users)
        .with_only_columns(
            bindparam("id", type_=Text),
            users.c.id,
            literal_column(f"'{Purpose.TWO_FACTOR.value}'", Text),
            bindparam("token_hash", type_=Text),
            func.now() + bindparam("life", type_=Interval),
        )
        .where(_ID, users.c.password_hash == bindparam("password_hash", type_=Text), users.c.two_factor_enabled),
    )
    .returning(_tokens.expires_at)
)
_THIS = (
    _tokens.token_hash == bindparam("token_hash", type_=Text),
    _tokens.purpose == literal_column(f"'{Purpose.TWO_FACTOR.value}'", Text),
    _tokens.used_at.is_(None),
    _tokens.expires_at > func.now(),
)
# A challenge dies with the sessions of its user, as when their password is set anew.
_TRY = Statement(
    update(one_time_tokens)
    .where(
        *_THIS,
        _tokens.tries < CHALLENGE_TRIES,
        _tokens.user_id == users.c.id,
        users.c.deleted_at.is_(None),
        func.coalesce(_tokens.created_at > users.c.not_before, true()),
    )
    .values(tries=_tokens.tries + 1, updated_at=func.now())
    .returning(*users.c)
)


async def issue_challenge(on: Executor, user: User, token: str, life: timedelta) -> datetime | None:
    """A challenge for a user whose password was verified; its end, None when something about them has changed since."""
    ends: datetime | None = await on.fetchval(
        _ISSUE,
        id=cuid(),
        user_id=user.id,
        password_hash=user.password_hash,
        token_hash=digest(token),
        life=life,
    )
    return ends


async def try_challenge(on: Executor, token: str) -> Row | None:
    """The row of the user whose challenge it is, once more; None for one that is not good, or was tried too often."""
    return await on.fetchrow(_TRY, token_hash=digest(token))


async def replace_codes(on: Executor, user_id: str, digests: Sequence[str]) -> None:
    """Keep these recovery codes of a user, who is held, and no other."""
    await on.fetch(_REMOVE, user_id=user_id)
    await on.fetch(_INSERT, user_id=user_id, ids=[cuid() for _ in digests], digests=list(digests))


async def remove_codes(on: Executor, user_id: str) -> None:
    """Keep no recovery code of a user."""
    await on.fetch(_REMOVE, user_id=user_id)


async def use_code(on: Executor, user_id: str, digest: str) -> bool:
    """Use a recovery code up; False for one that is not good, or was used by whoever came first."""
    return await on.fetchval(_USE, user_id=user_id, digest=digest) is not None


async def codes_left(on: Executor, user_id: str) -> int:
    """How many recovery codes a user may still use."""
    return int(await on.fetchval(_LEFT, user_id=user_id))
