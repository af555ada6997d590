"""Users, their passwords, and what becomes of an account that is deleted."""

from collections.abc import Sequence

from sqlalchemy import Text, bindparam, cast, func, insert, literal_column, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, CITEXT

from lumi_common.context import Context
from lumi_common.db.page import Listing
from lumi_common.db.record import recorded
from lumi_common.db.removal import removal
from lumi_common.db.repository import Repository, live
from lumi_common.db.statement import Statement
from lumi_common.db.tables import timestamp
from lumi_identity.domain.mails import Template
from lumi_identity.domain.one_time_token import Purpose
from lumi_identity.domain.security import SecurityEvent
from lumi_identity.domain.user import User, UserStatus
from lumi_identity.storage import one_time_tokens
from lumi_identity.storage.forgetting import Before, forget
from lumi_identity.storage.mails import mail, queue
from lumi_identity.storage.references import AGGREGATES
from lumi_identity.storage.security import event, note
from lumi_identity.storage.sessions import end_sessions
from lumi_identity.storage.sign_in_attempts import forgive
from lumi_identity.storage.tables import USER, common, users
from lumi_identity.storage.two_factor import DISABLE, remove_codes

_ID = users.c.id == bindparam("user_id", type_=Text)

# A session that ends holds its own row and asks for its user's key after; whoever holds the user asks for the sessions.
_HOLD = Statement(live(users).where(_ID).with_for_update(key_share=True))
_PURGE = removal(common, USER, "user.purged", AGGREGATES)
_MANY = Statement(live(users).where(users.c.id == func.any(bindparam("ids", type_=ARRAY(Text)))))
# Counts of failed sign-ins are told of by security events; that staff forgot them is told here.
_UNLOCKED = recorded(
    common,
    USER.change(
        update(users)
        .where(_ID, or_(users.c.failed_login_count > 0, users.c.lockout_until.is_not(None)))
        .values(failed_login_count=0, lockout_until=None, version=users.c.version + 1, updated_at=func.now()),
        "user.unlocked",
    ),
)

_named = users.alias("named")
_prefix, _lowered = func.lower(bindparam("email_prefix", type_=Text)), func.lower(cast(_named.c.email, Text))
# A range, and asked by itself: the index on how e-mails begin is of no use to a plan that does not know the text, nor
# taken by one that hopes to find a page of such accounts soon among all in the order of their ids.
_beginning_so = select(_named.c.id).where(
    _lowered.op("~>=~", is_comparison=True)(_prefix),
    _lowered.op("~<~", is_comparison=True)(func.concat(_prefix, literal_column("chr(1114111)", Text))),
)

LISTING = Listing(
    live(users, include_deleted=True),
    users.c.id,
    {
        # By the status, which says the same: asked for the time, the database would sort all accounts to find a page.
        "live": users.c.status != UserStatus.DELETED,
        "status": users.c.status == bindparam("status", type_=users.c.status.type),
        "email_prefix": users.c.id == func.any(func.array(_beginning_so.scalar_subquery(), type_=ARRAY(Text))),
        "start": users.c.created_at >= bindparam("start", type_=timestamp),
        "end": users.c.created_at < bindparam("end", type_=timestamp),
    },
    descending=True,
)
"""Accounts, the last made first."""


class UserRepository(Repository[User]):
    """Accounts that are not deleted, unless they are asked for too; an account is its user's own."""

    aggregate, common, entity, owner = USER, common, User, "id"

    async def find_many(self, ids: Sequence[str]) -> list[User]:
        """Those of these accounts that there are, in this order."""
        found = {row["id"]: self.row(row) for row in await self._on.fetch(_MANY, ids=list(ids))}
        return [found[id] for id in ids if id in found]

    async def hold(self, id: str) -> User:
        """Like `lock`, though what refers to the user may still come and go; raises NotFound."""
        held = await self.find_held(id)
        if held is None:
            raise self.not_found(id)
        return held

    async def find_held(self, id: str) -> User | None:
        """The account, held likewise, or None."""
        row = await self._on.fetchrow(_HOLD, user_id=id)
        return None if row is None else self.row(row)

    async def create(self, user: User, context: Context) -> User:
        """Write an account that staff made, and mail its owner how to choose a password."""
        made = await self.insert(user, "user.created")
        await note(self._on, SecurityEvent.ACCOUNT_CREATED, user.id, context)
        await queue(self._on, user.email, Template.RESET_PASSWORD, {"user_id": user.id})
        return made

    async def save_changed(self, user: User, changed: Sequence[str], context: Context) -> User:
        """Write an account, which is held, whose columns `changed` are others now."""
        saved = await self.save(user, "user.updated")
        await note(self._on, SecurityEvent.ACCOUNT_UPDATED, user.id, context, {"fields": list(changed)})
        return saved

    async def move(self, user: User, old_email: str, context: Context) -> None:
        """See to it that an account, which is held, is reached at its new e-mail alone, and tell the old one so."""
        await note(self._on, SecurityEvent.EMAIL_CHANGED, user.id, context)
        for purpose in (Purpose.VERIFY_EMAIL, Purpose.RESET_PASSWORD):
            # Not only ended: what the old address was mailed does not count at the new one, which would otherwise wait
            # in vain for a link. Staff alone change an address, so nobody fills mailboxes by it.
            await one_time_tokens.remove(self._on, user.id, purpose)
        await queue(self._on, old_email, Template.EMAIL_CHANGED, {"user_id": user.id})
        await queue(self._on, user.email, Template.VERIFY_EMAIL, {"user_id": user.id})

    async def save_suspended(self, user: User, context: Context) -> User:
        """Write that an account, which is held, was suspended, and end all its sessions."""
        saved = await self.save(user, "user.suspended")
        await end_sessions(self._on, user.id, SecurityEvent.ACCOUNT_SUSPENDED, context)
        return saved

    async def save_reactivated(self, user: User, context: Context) -> User:
        """Write that an account, which is held, is no longer suspended."""
        saved = await self.save(user, "user.reactivated")
        await note(self._on, SecurityEvent.ACCOUNT_REACTIVATED, user.id, context)
        return saved

    async def unlock(self, user: User, account_key: str, context: Context) -> User:
        """Forget the failed sign-ins of an account, which is held; the same account where there were none."""
        await forgive(self._on, user.id, account_key)
        row = await self._on.fetchrow(_UNLOCKED, user_id=user.id)
        if row is None:
            return user
        await note(self._on, SecurityEvent.ACCOUNT_UNLOCKED, user.id, context)
        return self.row(row)

    async def remove_two_factor(self, user: User, context: Context) -> User:
        """Take the second factor of an account, which is held, away, end all its sessions, and mail its owner so.

        The same account where there was none.
        """
        row = await self._on.fetchrow(DISABLE, user_id=user.id)
        if row is None:
            return user
        await remove_codes(self._on, user.id)
        await end_sessions(self._on, user.id, SecurityEvent.TWO_FACTOR_DISABLED, context)
        await queue(self._on, user.email, Template.TWO_FACTOR_DISABLED, {"user_id": user.id})
        return self.row(row)

    async def save_deleted(self, user: User, context: Context) -> User:
        """Write that an account, which is held, was deleted, and end all its sessions."""
        saved = await self.save(user, "user.deleted")
        await end_sessions(self._on, user.id, SecurityEvent.ACCOUNT_DELETED, context)
        return saved

    async def save_undeleted(self, user: User, context: Context) -> User:
        """Write that an account, which is locked, is back."""
        saved = await self.save(user, "user.undeleted")
        await note(self._on, SecurityEvent.ACCOUNT_UNDELETED, user.id, context)
        return saved

    async def remove(self, user: User) -> Before:
        """Delete an account, which is locked, with all that is its own; what it did stays, and was nobody's doing.

        Who its owner was before signing in.
        """
        before = await forget(self._on, user.id)
        await self._on.fetch(_PURGE, id=user.id)
        return before


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
    parts=(
        event(SecurityEvent.SIGNED_UP, _signed_up.cte, _signed_up.cte.c.id).cte("event"),
        mail(Template.VERIFY_EMAIL, _signed_up.cte, _signed_up.cte.c.id, cast(_signed_up.cte.c.email, Text)).cte(
            "mail"
        ),
    ),
)
"""A new user, as written, who is mailed a link to verify their e-mail."""

_BY_EMAIL = users.c.email == bindparam("email", type_=CITEXT)

FIND_BY_EMAIL = Statement(live(users).where(_BY_EMAIL))
"""The user's row, whatever the case of the letters in the address."""

FIND_BY_EMAIL_WITH_DELETED = Statement(live(users, include_deleted=True).where(_BY_EMAIL))
"""Likewise, of an account that is deleted too: its address stays taken."""


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
