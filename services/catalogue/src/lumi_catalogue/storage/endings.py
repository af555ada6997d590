"""The SQL of the three ways in which a reservation ends, each in one guarded statement."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Integer, Text, bindparam, func, insert, literal_column, select, update
from sqlalchemy.dialects.postgresql import ARRAY

from lumi_catalogue.domain.reservation import ReservationState
from lumi_catalogue.storage.fences import fence_order, lock_order
from lumi_catalogue.storage.reservations import of_order
from lumi_catalogue.storage.tables import HOLD, common, in_state, inventories, stock_movements, stock_reservations
from lumi_common.db.database import Executor
from lumi_common.db.record import recorded
from lumi_common.db.statement import Statement
from lumi_common.db.tables import timestamp

_r, _i = stock_reservations.c, inventories.c


def _end(state: ReservationState, action: str, *, overdue: bool = False) -> Statement:
    """End an order's open reservations; nothing when none is open, and only those past their time if `overdue`."""
    open_ = (
        select(_r.id, _r.product_variant_id)
        .join_from(stock_reservations, inventories, _i.product_variant_id == _r.product_variant_id)
        .where(_r.order_id == bindparam("order_id", type_=Text), _r.state == in_state(ReservationState.HELD))
    )
    if overdue:
        open_ = open_.where(_r.expires_at <= bindparam("now", type_=timestamp))
    # Locked in the order in which a flush locks, so that neither waits for the other in a ring.
    locked = open_.order_by(_r.product_variant_id).with_for_update(of=(stock_reservations, inventories)).cte("locked")
    ended = HOLD.change(
        update(stock_reservations).where(_r.id == locked.c.id).values(state=in_state(state), updated_at=func.now()),
        action,
        audit=False,
        name="ended",
    )
    line = ended.cte.c
    counted = update(inventories).where(_i.product_variant_id == line.product_variant_id)
    if state is ReservationState.COMMITTED:
        counted = counted.values(
            quantity_on_hand=_i.quantity_on_hand - line.quantity,
            quantity_reserved=_i.quantity_reserved - line.quantity,
            version=_i.version + 1,
        )
        # Sold once: a movement has its reservation's id.
        sold = select(line.id, line.product_variant_id, -line.quantity, literal_column("'sold'"), line.order_id)
        columns = ["id", "product_variant_id", "delta", "reason", "order_id"]
        parts = [insert(stock_movements).from_select(columns, sold).cte("sold")]
    else:
        counted = counted.values(
            quantity_reserved=_i.quantity_reserved - line.quantity,
            quantity_available=_i.quantity_available + line.quantity,
        )
        parts = []
    return recorded(
        common,
        ended,
        parts=[counted.values(updated_at=func.now()).cte("counted"), *parts],
        answer=select(line.product_variant_id, line.quantity, line.expires_at),
        batch=True,
    )


_COMMIT = _end(ReservationState.COMMITTED, "stock.committed")
_RELEASE = _end(ReservationState.RELEASED, "stock.released")
_EXPIRE = _end(ReservationState.EXPIRED, "stock.expired", overdue=True)
_OVERDUE = Statement(
    select(_r.order_id)
    .distinct()
    .where(_r.state == in_state(ReservationState.HELD), _r.expires_at <= bindparam("now", type_=timestamp))
    .limit(bindparam("most", type_=Integer))
)
_EXTEND = Statement(
    update(stock_reservations)
    .where(_r.order_id == bindparam("orders", type_=ARRAY(Text)).any_(), _r.state == in_state(ReservationState.HELD))
    .values(expires_at=bindparam("until", type_=timestamp), updated_at=func.now())
)


async def commit(on: Executor, order_id: str) -> bool:
    """Take what the order holds out of the stock for good; False when it holds nothing (any more)."""
    return bool(await on.fetch(_COMMIT, order_id=order_id))


async def release(on: Executor, order_id: str) -> None:
    """Give back what the order holds; needs a transaction. One that never held anything never will."""
    if await on.fetch(_RELEASE, order_id=order_id):
        return
    # Past this lock a reservation of the order is either committed, or comes after us and meets the fence.
    await lock_order(on, order_id)
    if not await on.fetch(_RELEASE, order_id=order_id) and not await of_order(on, order_id):
        await fence_order(on, order_id)


async def expire(on: Executor, order_id: str, now: datetime) -> bool:
    """Make an order's open reservations EXPIRED if they are past their time; False when there are none."""
    return bool(await on.fetch(_EXPIRE, order_id=order_id, now=now))


async def overdue(on: Executor, now: datetime, most: int) -> list[str]:
    """At most so many orders with open reservations past their time."""
    return [row["order_id"] for row in await on.fetch(_OVERDUE, now=now, most=most)]


async def extend(on: Executor, order_ids: Collection[str], until: datetime) -> None:
    """Hold on longer for orders that live."""
    await on.fetch(_EXTEND, orders=list(order_ids), until=until)
