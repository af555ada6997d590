"""The SQL of the three ways in which a reservation ends, and of what was sold coming back: one statement each."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import CTE, Integer, Text, bindparam, func, insert, literal_column, select, union_all, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as insert_once

from lumi_catalogue.domain.reservation import ReservationState
from lumi_catalogue.storage.fences import fence_order, lock_order
from lumi_catalogue.storage.reservations import of_order
from lumi_catalogue.storage.tables import (
    HOLD,
    INVENTORY,
    common,
    in_state,
    inventories,
    stock_movements,
    stock_reservations,
)
from lumi_common.db.database import Executor
from lumi_common.db.record import Change, recorded
from lumi_common.db.statement import Statement
from lumi_common.db.tables import timestamp

_r, _i, _m = stock_reservations.c, inventories.c, stock_movements.c
_MOVEMENT = ["id", "product_variant_id", "delta", "reason", "order_id"]
_RESTOCKED = literal_column("'restocked'", Text)


def _locked(*states: ReservationState, overdue: bool = False) -> CTE:
    """An order's reservations in these states, only those past their time if `overdue`, with their stock."""
    found = (
        select(_r.id, _r.product_variant_id, _r.order_id, _r.quantity, _r.state)
        .join_from(stock_reservations, inventories, _i.product_variant_id == _r.product_variant_id)
        .where(_r.order_id == bindparam("order_id", type_=Text), _r.state.in_([in_state(state) for state in states]))
    )
    if overdue:
        found = found.where(_r.expires_at <= bindparam("now", type_=timestamp))
    # Locked in the order in which a flush locks, so that neither waits for the other in a ring.
    return found.order_by(_r.product_variant_id).with_for_update(of=(stock_reservations, inventories)).cte("locked")


def _ended(locked: CTE, state: ReservationState, action: str) -> Change:
    """The end of what of it is still held."""
    held = update(stock_reservations).where(_r.id == locked.c.id, locked.c.state == in_state(ReservationState.HELD))
    return HOLD.change(held.values(state=in_state(state), updated_at=func.now()), action, audit=False, name="ended")


def _free(ended: Change) -> CTE:
    """What is held no more can be sold again."""
    line = ended.cte.c
    return (
        update(inventories)
        .where(_i.product_variant_id == line.product_variant_id)
        .values(
            quantity_reserved=_i.quantity_reserved - line.quantity,
            quantity_available=_i.quantity_available + line.quantity,
            updated_at=func.now(),
        )
        .cte("freed")
    )


def _commit() -> Statement:
    locked = _locked(ReservationState.HELD)
    ended = _ended(locked, ReservationState.COMMITTED, "stock.committed")
    line = ended.cte.c
    taken = (
        update(inventories)
        .where(_i.product_variant_id == line.product_variant_id)
        .values(
            quantity_on_hand=_i.quantity_on_hand - line.quantity,
            quantity_reserved=_i.quantity_reserved - line.quantity,
            version=_i.version + 1,
            updated_at=func.now(),
        )
        .cte("taken")
    )
    # Sold once: a movement has its reservation's id.
    sold = select(line.id, line.product_variant_id, -line.quantity, literal_column("'sold'"), line.order_id)
    moved = insert(stock_movements).from_select(_MOVEMENT, sold).cte("sold")
    return recorded(common, ended, parts=[taken, moved], answer=select(line.product_variant_id), batch=True)


def _expire() -> Statement:
    ended = _ended(_locked(ReservationState.HELD, overdue=True), ReservationState.EXPIRED, "stock.expired")
    return recorded(common, ended, parts=[_free(ended)], answer=select(ended.cte.c.product_variant_id), batch=True)


def _release() -> Statement:
    """What is held is held no more; what was sold is on hand again, and its reservation stays COMMITTED.

    Answers with a row for each, and for what came back before.
    """
    locked = _locked(ReservationState.HELD, ReservationState.COMMITTED)
    ended = _ended(locked, ReservationState.RELEASED, "stock.released")
    line = locked.c
    # An id in the shape of a cuid, made from its reservation's: the database makes none.
    made = literal_column("left(locked.id, 9) || left(md5(locked.id), 16)", Text)
    sold = select(made, line.product_variant_id, line.quantity, _RESTOCKED, line.order_id).where(
        line.state == in_state(ReservationState.COMMITTED)
    )
    # The index lets it back once, and sees what another release has committed since this statement began.
    back = (
        insert_once(stock_movements)
        .from_select(_MOVEMENT, sold)
        .on_conflict_do_nothing(
            index_elements=[_m.order_id, _m.product_variant_id], index_where=_m.reason == _RESTOCKED
        )
        .returning(_m.product_variant_id, _m.delta, _m.order_id)
        .cte("back")
    )
    restocked = INVENTORY.change(
        update(inventories)
        .where(_i.product_variant_id == back.c.product_variant_id)
        .values(
            quantity_on_hand=_i.quantity_on_hand + back.c.delta,
            quantity_available=_i.quantity_available + back.c.delta,
            version=_i.version + 1,
            updated_at=func.now(),
        ),
        "inventory.restocked",
        name="restocked",
    )
    undone = union_all(
        select(ended.cte.c.order_id, ended.cte.c.action_),
        select(back.c.order_id, literal_column("'stock.restocked'", Text)),
    ).cte("undone")
    return recorded(
        common,
        ended,
        restocked,
        root=Change(HOLD, undone, ended.action),
        parts=[_free(ended), back],
        answer=select(line.product_variant_id),
        batch=True,
    )


_COMMIT, _RELEASE, _EXPIRE = _commit(), _release(), _expire()
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
    """Give back what the order holds or was sold; needs a transaction. One that never held anything never will."""
    if await on.fetch(_RELEASE, order_id=order_id):
        return
    # Past this lock a reservation of the order is there to be seen, or comes after us and meets the fence.
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
