"""What goes with an account beside its own rows: where its owner was, and what waits to be mailed to them."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import ARRAY, Text, bindparam, delete, func, literal_column, select, text

from lumi_common.db.database import Executor
from lumi_common.db.statement import Statement
from lumi_identity.storage.personal import PEOPLE
from lumi_identity.storage.tables import audit_logs, mails

# A guest is no user: what the audit knows of one is the cart that became the user's.
_theirs = (
    select(audit_logs.c.entity_id)
    .where(
        audit_logs.c.user_id == bindparam("user_id", type_=Text),
        audit_logs.c.entity == literal_column("'Cart'"),
        audit_logs.c.action.in_([literal_column("'cart.merged'"), literal_column("'cart.abandoned'")]),
    )
    .distinct()
    .cte("theirs")
)
_session = func.coalesce(audit_logs.c.before["session_id"].astext, audit_logs.c.after["session_id"].astext)
_WAS = Statement(
    select(
        func.coalesce(func.array_agg(_session.distinct()).filter(_session.is_not(None)), text("'{}'")).label("guests"),
        func.coalesce(func.array_agg(audit_logs.c.entity_id.distinct()), text("'{}'")).label("carts"),
    )
    .select_from(_theirs.join(audit_logs, audit_logs.c.entity_id == _theirs.c.entity_id))
    .where(audit_logs.c.entity == literal_column("'Cart'"))
)
_FORGET = Statement(
    select(func.identity.forget_person(bindparam("user_id", type_=Text), bindparam("carts", type_=ARRAY(Text))))
)
_UNSEND = Statement(delete(mails).where(PEOPLE.about(mails)).returning(mails.c.id))


class Before(NamedTuple):
    """The guests that somebody was before signing in, and the carts that were those guests', by their ids."""

    guests: Sequence[str] = ()
    carts: Sequence[str] = ()


async def forget(on: Executor, user_id: str) -> Before:
    """Forget where an account, which is locked and about to go, has been, and what was to be mailed to it."""
    was = await on.fetchrow(_WAS, user_id=user_id)
    assert was is not None
    before = Before(sorted(was["guests"]), sorted(was["carts"]))
    await forget_late(on, user_id, before.carts)
    await on.fetch(_UNSEND, user_id=user_id)
    return before


async def forget_late(on: Executor, user_id: str, carts: Sequence[str]) -> None:
    """Forget in what was filed since where somebody was who is gone."""
    await on.fetch(_FORGET, user_id=user_id, carts=list(carts))
