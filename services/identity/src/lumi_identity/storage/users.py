"""Users, their passwords, and failed sign-ins."""

from sqlalchemy import Text, bindparam, func, insert, literal_column, select, true, update
from sqlalchemy.dialects.postgresql import CITEXT

from lumi_common.db.record import recorded
from lumi_common.db.repository import Repository, live
from lumi_common.db.statement import Statement
from lumi_identity.domain.security import SecurityEvent
from lumi_identity.domain.user import User
from lumi_identity.storage.security import event
from lumi_identity.storage.tables import USER, common, users


class UserRepository(Repository[User]):
    """Accounts that are not deleted; an account is its user's own."""

    aggregate, common, entity, owner = USER, common, User, "id"


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

_ID = users.c.id == bindparam("user_id", type_=Text)

FIND_BY_EMAIL = Statement(live(users).where(users.c.email == bindparam("email", type_=CITEXT)))
"""The user's row, whatever the case of the letters in the address."""

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
