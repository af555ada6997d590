"""The end of what payments have to keep of people: with their order's, which tells of it."""

from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Text, bindparam, func, null, or_, select, text, update

from lumi_common.db.database import Executor
from lumi_common.db.personal import kept
from lumi_common.db.record import Aggregate, Change, recorded
from lumi_common.db.statement import Statement
from lumi_common.events.event import Event
from lumi_payments.storage.tables import PAYMENT, PAYMENT_REFUND, common, payment_refunds, payment_steps, payments

FORGOTTEN = "order.forgotten"

_of_orders = select(payments.c.id).where(payments.c.order_id == func.any(bindparam("order_ids", type_=ARRAY(Text))))


def _filled(aggregate: Aggregate) -> ColumnElement[bool]:
    return or_(*(aggregate.table.c[name].is_not(None) for name in kept(aggregate.table)))


def _emptied(aggregate: Aggregate, which: ColumnElement[bool], action: str) -> Change:
    values: dict[str, Any] = {name: null() for name in kept(aggregate.table)}
    if aggregate.versioned:
        values["version"] = aggregate.table.c.version + 1
    without = update(aggregate.table).where(which, _filled(aggregate))
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
    text("""
delete from webhook_events w using (select id, created_at from webhook_events order by id limit 1000) oldest
where w.id = oldest.id and oldest.created_at < now() - cast(:age as interval) returning w.id
""")
)


async def follow(tx: Executor, event: Event) -> None:
    """Empty what the payments of orders tell of people whose orders no longer do."""
    ids = [record.id for record in event.records if record.action == FORGOTTEN]
    for statement in (_FORGET, _FORGET_REFUNDS):
        await tx.fetch(statement, order_ids=ids)


async def forget_webhooks(on: Executor, age: Any) -> None:
    """Delete what providers told longer ago than `age`, a timedelta."""
    while len(await on.fetch(_FORGET_WEBHOOKS, age=age)) == 1000:
        pass
