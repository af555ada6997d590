"""Mails that wait to be sent: written with their cause, deleted once they are out.

`payload` holds the text's own facts and the id of the account that it is about, `user_id`; while a mail with a link is
on its way, also the link's token, sealed.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Insert,
    Integer,
    Interval,
    Text,
    bindparam,
    cast,
    delete,
    func,
    insert,
    literal_column,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import CITEXT, JSONB

from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Executor, Row
from lumi_common.db.repository import live
from lumi_common.db.statement import Statement
from lumi_identity.domain.mails import Template
from lumi_identity.domain.security import SecurityEvent
from lumi_identity.storage.security import event, facts
from lumi_identity.storage.tables import mails, users

_ID = mails.c.id == bindparam("id", type_=Text)
# Whoever claims a mail has it to themselves for as long as nobody else may; after that it is another's.
_CLAIMED = mails.c.attempts == bindparam("attempts", type_=Integer)
_LATER = func.clock_timestamp() + bindparam("pause", type_=Interval)
_ABOUT = mails.c.payload["user_id"].astext


def mail(template: Template, source: FromClause, user_id: ColumnElement[Any], recipient: ColumnElement[Any]) -> Insert:
    """One mail if the source has a row, as a part of a statement; its parameter is that of `mail_facts`."""
    payload = func.jsonb_build_object(literal_column("'user_id'"), user_id, type_=JSONB)
    return insert(mails).from_select(
        ["id", "recipient", "template", "payload", "next_attempt_at"],
        select(
            bindparam("mail_id", type_=Text),
            recipient,
            literal_column(f"'{template.value}'", Text),
            payload,
            func.now(),
        )
        .select_from(source)
        .limit(1),
    )


def mail_facts() -> dict[str, str]:
    """The parameter of `mail`."""
    return {"mail_id": cuid()}


_QUEUE = Statement(
    insert(mails).values(
        id=bindparam("id", type_=Text),
        recipient=bindparam("recipient", type_=Text),
        template=bindparam("template", type_=Text),
        payload=bindparam("payload", type_=JSONB),
        next_attempt_at=func.now(),
    )
)
_account = (
    live(users)
    .with_only_columns(users.c.id, users.c.email)
    .where(users.c.email == bindparam("email", type_=CITEXT))
    .subquery("account")
)
# From nothing joined with the account, so that there is a mail, an event and the time they take for nobody's too.
_asked = (
    select(_account.c.id, func.coalesce(cast(_account.c.email, Text), literal_column("''")).label("recipient"))
    .select_from(select(literal_column("1")).subquery("nothing").outerjoin(_account, true()))
    .cte("asked")
)
REQUEST_RESET = Statement(
    select(_asked.c.id).add_cte(
        event(SecurityEvent.PASSWORD_RESET_REQUESTED, _asked, _asked.c.id).cte("event"),
        mail(Template.RESET_PASSWORD, _asked, _asked.c.id, _asked.c.recipient).cte("mail"),
    )
)
"""Let whoever has an e-mail choose a new password; a mail that is for nobody is dropped by whoever sends mails."""

_due = (
    select(mails.c.id)
    .where(mails.c.next_attempt_at <= func.now())
    .order_by(mails.c.next_attempt_at)
    .limit(bindparam("most", type_=Integer))
    .with_for_update(skip_locked=True)
)
_CLAIM = Statement(
    update(mails)
    .where(mails.c.id.in_(_due))
    .values(attempts=mails.c.attempts + 1, next_attempt_at=_LATER, updated_at=func.now())
    .returning(*mails.c, (func.now() - mails.c.created_at).label("age"))
)
_KEEP = Statement(
    update(mails)
    .where(_ID, _CLAIMED)
    .values(recipient=bindparam("recipient", type_=Text), payload=bindparam("payload", type_=JSONB))
    .returning(mails.c.id)
)
_POSTPONE = Statement(
    update(mails).where(_ID, _CLAIMED).values(next_attempt_at=_LATER, updated_at=func.now()).returning(mails.c.id)
)
_REMOVE = Statement(delete(mails).where(_ID).returning(mails.c.id))
_given_up = delete(mails).where(_ID).returning(mails.c.id, _ABOUT.label("user_id")).cte("given_up")
_whose = (
    select(_given_up.c.id, users.c.id.label("user_id"))
    .select_from(_given_up.outerjoin(users, users.c.id == _given_up.c.user_id))
    .cte("whose")
)
_GIVE_UP = Statement(event(SecurityEvent.MAIL_UNDELIVERED, _whose, _whose.c.user_id))
_OLDEST_AGE = Statement(
    select(func.coalesce(func.extract("epoch", func.now() - func.min(mails.c.created_at)), literal_column("0")))
)


async def queue(on: Executor, recipient: str, template: Template, payload: Mapping[str, Any]) -> None:
    """Let a mail be sent once the caller's transaction is committed.

    `payload` has `user_id`, the account that it is about, and what the text asks for by name beside what every text
    has. A mail with a link goes to that account's address of then, whatever `recipient` is.
    """
    await on.fetch(_QUEUE, id=cuid(), recipient=recipient, template=template, payload=dict(payload))


async def claim(on: Executor, *, most: int, lease: timedelta) -> list[Row]:
    """The mails that are due, each given to this caller alone for the time of the lease, with their `age`."""
    return await on.fetch(_CLAIM, most=most, pause=lease)


async def keep(on: Executor, claimed: Row, recipient: str, payload: Mapping[str, Any]) -> bool:
    """Write what was made up for a mail, so that another try sends the same; False when it is not ours any more."""
    given = {"recipient": recipient, "payload": dict(payload)}
    return await on.fetchval(_KEEP, id=claimed["id"], attempts=claimed["attempts"], **given) is not None


async def postpone(on: Executor, claimed: Row, pause: timedelta) -> None:
    """Try a mail again after the pause."""
    await on.fetch(_POSTPONE, id=claimed["id"], attempts=claimed["attempts"], pause=pause)


async def remove(on: Executor, claimed: Row) -> None:
    """Forget a mail that is out, or is of no use any more."""
    await on.fetch(_REMOVE, id=claimed["id"])


async def give_up(on: Executor, claimed: Row, context: Context) -> None:
    """Forget a mail that nobody takes, and write down that it never arrived; not where it was to go."""
    await on.fetch(_GIVE_UP, id=claimed["id"], **facts(context))


async def oldest_age(on: Executor) -> float:
    """Seconds since the oldest mail that waits was written; 0 when none does."""
    return float(await on.fetchval(_OLDEST_AGE))
