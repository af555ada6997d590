"""The end of what orders and carts have to keep of people: told as `order.forgotten`, which payments follow."""

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Interval, Table, bindparam, func, literal_column, null, or_, select, update

from lumi_common.db.database import Executor
from lumi_common.db.personal import declared
from lumi_common.db.record import Aggregate, recorded
from lumi_common.db.removal import ROWS_AT_ONCE, in_parts
from lumi_common.db.statement import Statement
from lumi_orders.domain.cart import CartStatus
from lumi_orders.storage.tables import CART, ORDER, carts, common, order_status_history, orders


def _forgetting(aggregate: Aggregate, time: ColumnElement[Any], *which: ColumnElement[bool]) -> Any:
    """The change of some rows whose time is over and that still tell of somebody."""
    table: Table = aggregate.table
    personal = [column for column, _ in declared(table)]
    over = (
        select(table.c.id)
        .where(
            time < func.now() - bindparam("age", type_=Interval),
            or_(*(column.is_not(None) for column in personal)),
            *which,
        )
        .limit(literal_column(str(ROWS_AT_ONCE)))
        .with_for_update(skip_locked=True)
    )
    emptied: dict[str, Any] = {column.name: null() for column in personal}
    without = update(table).where(table.c.id.in_(over))
    values = {**emptied, "version": table.c.version + 1, "updated_at": func.now()}
    return aggregate.change(without.values(values), f"{aggregate.entity.lower()}.forgotten")


def _forget_orders() -> Statement:
    change = _forgetting(ORDER, orders.c.created_at)
    history = (
        update(order_status_history)
        .where(order_status_history.c.order_id.in_(select(change.cte.c.id)), order_status_history.c.reason.is_not(None))
        .values(reason=null(), updated_at=func.now())
        .cte("history")
    )
    return recorded(common, change, parts=(history,), batch=True)


_FORGET_ORDERS = _forget_orders()
_FORGET_CARTS = recorded(
    common,
    _forgetting(CART, carts.c.updated_at, carts.c.status != literal_column(f"'{CartStatus.ACTIVE}'")),
    batch=True,
)


async def forget_old(on: Executor, age: timedelta) -> None:
    """Empty what orders tell of people that were made longer ago than `age`, and carts that nobody has filled since."""
    await in_parts(on, _FORGET_ORDERS, age=age)
    await in_parts(on, _FORGET_CARTS, age=age)
