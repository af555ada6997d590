"""One-time tokens, of which the digest alone is kept; a row stays until it has expired or its account gets another
address, used or not.
"""

from datetime import timedelta

from sqlalchemy import Interval, Text, Update, bindparam, delete, func, insert, select, update

from lumi_common.cuid import cuid
from lumi_common.db.database import Executor
from lumi_common.db.statement import Statement
from lumi_identity.domain.one_time_token import Purpose, digest
from lumi_identity.storage.tables import one_time_tokens

_BATCH = 1000
_t = one_time_tokens.c
_OF_USER = _t.user_id == bindparam("user_id", type_=Text)
_PURPOSE = _t.purpose == bindparam("purpose", type_=Text)
_THIS = (
    _t.token_hash == bindparam("token_hash", type_=Text),
    _PURPOSE,
    _t.used_at.is_(None),
    _t.expires_at > func.now(),
)
_used: Update = update(one_time_tokens).values(used_at=func.now(), updated_at=func.now())

_ISSUE = Statement(
    insert(one_time_tokens)
    .values(
        id=bindparam("id", type_=Text),
        user_id=bindparam("user_id", type_=Text),
        purpose=bindparam("purpose", type_=Text),
        token_hash=bindparam("token_hash", type_=Text),
        expires_at=func.now() + bindparam("life", type_=Interval),
    )
    .returning(_t.expires_at)
)
_END = Statement(_used.where(_OF_USER, _PURPOSE, _t.used_at.is_(None)).returning(_t.id))
_REMOVE = Statement(delete(one_time_tokens).where(_OF_USER, _PURPOSE).returning(_t.id))
_USE = Statement(_used.where(*_THIS).returning(_t.user_id))
_HOLDER = Statement(select(_t.user_id).where(*_THIS))
_COUNT = Statement(select(func.count()).where(_OF_USER, _PURPOSE, _t.expires_at > func.now()))
_over = select(_t.id).where(_t.expires_at < func.now()).limit(_BATCH).with_for_update(skip_locked=True)
_FORGET = Statement(delete(one_time_tokens).where(_t.id.in_(_over)).returning(_t.id))


async def issue(on: Executor, user_id: str, purpose: Purpose, token: str, life: timedelta) -> None:
    """Make a token of a user's good for its life."""
    await on.fetch(_ISSUE, id=cuid(), user_id=user_id, purpose=purpose, token_hash=digest(token), life=life)


async def end(on: Executor, user_id: str, purpose: Purpose) -> None:
    """Make every token that a user has for this purpose good for nothing; the user is held."""
    await on.fetch(_END, user_id=user_id, purpose=purpose)


async def remove(on: Executor, user_id: str, purpose: Purpose) -> None:
    """Make them good for nothing likewise, and let none of them count any more."""
    await on.fetch(_REMOVE, user_id=user_id, purpose=purpose)


async def find_holder(on: Executor, purpose: Purpose, token: str) -> str | None:
    """Whose token it is, if it is good; that says nothing of the next moment."""
    holder: str | None = await on.fetchval(_HOLDER, purpose=purpose, token_hash=digest(token))
    return holder


async def use(on: Executor, purpose: Purpose, token: str) -> bool:
    """Use a token up; False for one that is not good, or was used by whoever came first."""
    return await on.fetchval(_USE, purpose=purpose, token_hash=digest(token)) is not None


async def count(on: Executor, user_id: str, purpose: Purpose) -> int:
    """How many tokens a user was given for a purpose that have not expired, used and ended ones among them."""
    return int(await on.fetchval(_COUNT, user_id=user_id, purpose=purpose))


async def forget_expired(on: Executor) -> None:
    """Delete what has expired, a batch at a time."""
    while len(await on.fetch(_FORGET)) == _BATCH:
        pass
