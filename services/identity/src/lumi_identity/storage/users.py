"""Users, their passwords, failed sign-ins, and what becomes of an account that is deleted."""

from sqlalchemy import Text, bindparam, func, insert, literal_column, select, true, update
from sqlalchemy.dialects.postgresql import CITEXT

from lumi_common.context import Context
from lumi_common.db.record import recorded
from lumi_common.db.removal import removal
from lumi_common.db.repository import Repository, live
from lumi_common.db.statement import Statement
from lumi_identity.domain.security import SecurityEvent
from lumi_identity.domain.user import User
from lumi_identity.storage.references import AGGREGATES
from lumi_identity.storage.security import event, facts
from lumi_identity.storage.sessions import END_ALL
from lumi_identity.storage.tables import USER, common, users

_ID = users.c.id == bindparam("user_id", type_=Text)

# A session that ends holds its own row and asks for its user's key after; whoever holds the user asks for the sessions.
_HOLD = Statement(live(users).where(_ID).with_for_update(key_share=True))
_back = live(users).with_only_columns(users.c.id).where(_ID).cte("back")
_UNDELETED = Statement(event(SecurityEvent.ACCOUNT_UNDELETED, _back, _back.c.id))
_FORGET_ORIGINS = Statement(select(func.identity.forget_origins(bindparam("user_id", type_=Text))))
_PURGE = removal(common, USER, "user.purged", AGGREGATES)


class UserRepository(Repository[User]):
    """Accounts that are not deleted, unless they are asked for too; an account is its user's own."""

    aggregate, common, entity, owner = USER, common, User, "id"

    async def hold(self, id: str) -> User:
        """Like `lock`, though what refers to the user may still come and go; raises NotFound."""
        row = await self._on.fetchrow(_HOLD, user_id=id)
        if row is None:
            raise self.not_found(id)
        return self.row(row)

    async def save_deleted(self, user: User, context: Context) -> User:
        """Write that an account, which is held, was deleted, and end all its sessions."""
        saved = await self.save(user, "user.deleted")
        await self._on.fetch(END_ALL, user_id=user.id, **facts(context))
        return saved

    async def save_undeleted(self, user: User, context: Context) -> User:
        """Write that an account, which is locked, is back."""
        saved = await self.save(user, "user.undeleted")
        await self._on.fetch(_UNDELETED, user_id=user.id, **facts(context))
        return saved

    async def remove(self, user: User) -> None:
        """Delete an account, which is locked, with all that is its own; what it did stays, and was nobody's doing."""
        await self._on.fetch(_FORGET_ORIGINS, user_id=user.id)
        await self._on.fetch(_PURGE, id=user.id)


_signed_up = USER.change(
    insert(users).values(
        {
            name: bindparam(name, type_=users.c[name].type)
            for name in ("id", "email", "password_hash", "first_name", "last_name", "phone")
        }
    ),
    "user.signed_up",
)
SIGN_UP = recorded(
    common,
    _signed_up,
    parts=(event(SecurityEvent.SIGNED_UP, _signed_up.cte, _signed_up.cte.c.id).cte("event"),),
)
"""A new user, as written."""

_BY_EMAIL = users.c.email == bindparam("email", type_=CITEXT)

FIND_BY_EMAIL = Statement(live(users).where(_BY_EMAIL))
"""The user's row, whatever the case of the letters in the address."""

FIND_BY_EMAIL_WITH_DELETED = Statement(live(users, include_deleted=True).where(_BY_EMAIL))
"""Likewise, of an account that is deleted too: its address stays taken."""

_counted = (
    update(users)
    .where(_ID)
    .values(failed_login_count=users.c.failed_login_count + 1, updated_at=func.now())
    .returning(users.c.id, users.c.failed_login_count)
    .cte("counted")
)
# From nothing joined with the count, so that a try at an unknown address leaves its event too, and takes as long.
_tried = (
    select(_counted.c.id)
    .select_from(select(literal_column("1")).subquery("nothing").outerjoin(_counted, true()))
    .cte("tried")
)
SIGN_IN_FAILED = Statement(
    select(_counted.c.failed_login_count).add_cte(event(SecurityEvent.SIGN_IN_FAILED, _tried, _tried.c.id).cte("event"))
)
"""Count a failed sign-in exactly, whatever runs beside it; `user_id` is None for an unknown address."""


def _set_password(action: str) -> Statement:
    change = (
        update(users)
        .where(_ID, users.c.password_hash == bindparam("old_hash", type_=Text))
        .values(password_hash=bindparam("new_hash", type_=Text), version=users.c.version + 1, updated_at=func.now())
    )
    return recorded(common, USER.change(change, action))


REHASH = _set_password("user.password_rehashed")
"""The same password under today's cost and pepper; no row when the hash is another by now."""

SET_PASSWORD = _set_password("user.password_changed")
"""Another password in place of the one that was read."""
