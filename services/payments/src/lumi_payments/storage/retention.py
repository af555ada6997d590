"""The end of what payments have to keep of people: with their order's, which tells of it."""

from datetime import timedelta
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Text, bindparam, func, literal_column, null, or_, select, text, update

from lumi_common.db.database import Executor
from lumi_common.db.personal import kept
from lumi_common.db.record import Aggregate, Change, recorded
from lumi_common.db.removal import ROWS_AT_ONCE, in_parts
from lumi_common.db.statement import Statement
from lumi_common.events.event import Event
from lumi_payments.storage.tables import PAYMENT, PAYMENT_REFUND, common, payment_refunds, payment_steps, payments

FORGOTTEN = "order.forgotten"

_of_orders = select(payments.c.id).where(payments.c.order_id == func.any(bindparam("order_ids", type_=ARRAY(Text))))


def _emptied(aggregate: Aggregate, which: ColumnElement[bool], action: str) -> Change:
    """The change of some of these rows that still tell of somebody: of any number of them one event cannot tell."""
    table = aggregate.table
    values: dict[str, Any] = {name: null() for name in kept(table)}
    filled = or_(*(table.c[name].is_not(None) for name in values))
    if aggregate.versioned:
        values["version"] = table.c.version + 1
    some = select(table.c.id).where(which, filled).limit(literal_column(str(ROWS_AT_ONCE)))
    without = update(table).where(table.c.id.in_(some))
    return aggregate.change(without.values(**values, updated_at=func.now()), action, name=action.partition(".")[0])


_steps = (
    update(payment_steps)
    .where(payment_steps.c.payment_id.in_(_of_orders), payment_steps.c.payload.is_not(None))
    .values(payload=null(), updated_at=func.now())
    .cte("steps")
)
_FORGET = recorded(
    common, _emptied(PAYMENT, payments.c.id.in_(_of_orders), "payment.forgotten"), parts=(_steps,), batch=True
)
_FORGET_REFUNDS = recorded(
    common,
    _emptied(PAYMENT_REFUND, payment_refunds.c.payment_id.in_(_of_orders), "payment_refund.forgotten"),
    batch=True,
)
# Along the key: ids sort by time.
_FORGET_WEBHOOKS = Statement(
    text(f"""
delete from webhook_events w using (select id, created_at from webhook_events order by id limit {ROWS_AT_ONCE}) oldest
where w.id = oldest.id and oldest.created_at < now() - cast(:age as interval) returning w.id
""")
)


async def follow(tx: Executor, event: Event) -> None:
    """Empty what the payments of orders tell of people whose orders no longer do."""
    ids = [record.id for record in event.records if record.action == FORGOTTEN]
    for statement in (_FORGET, _FORGET_REFUNDS):
        await in_parts(tx, statement, order_ids=ids)


async def forget_webhooks(on: Executor, age: timedelta) -> None:
    """Delete what providers told longer ago than `age`."""
    await in_parts(on, _FORGET_WEBHOOKS, age=age)
