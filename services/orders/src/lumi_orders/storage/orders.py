"""Orders with their items: read in one statement, moved along in one, guarded by the version that was read."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    ARRAY,
    CTE,
    Text,
    bindparam,
    case,
    cast,
    column,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import Integer, Interval

from lumi_common.cuid import cuid
from lumi_common.db.database import Executor, Row
from lumi_common.db.page import Listing, Page
from lumi_common.db.record import Change, recorded
from lumi_common.db.statement import Statement
from lumi_common.db.tables import timestamp
from lumi_common.errors import NotFound, Reason
from lumi_orders.domain.order import MILESTONES, NEXT, Order, OrderItem, OrderStatus
from lumi_orders.storage.rows import items_of, owned
from lumi_orders.storage.tables import (
    ORDER,
    checkouts,
    common,
    order_items,
    order_status,
    order_status_history,
    orders,
)

_COLUMNS = tuple(field.name for field in fields(Order) if field.name != "items")
_ITEM_COLUMNS = tuple(field.name for field in fields(OrderItem))

_id = bindparam("id", type_=Text)
_now = bindparam("now", type_=timestamp)
_expected = bindparam("expected", type_=Integer)
_order = select(*(orders.c[name] for name in _COLUMNS), items_of(orders, order_items, "order_id", _ITEM_COLUMNS))
_mine = owned(orders.c.user_id, orders.c.guest_session_id)
_GET = Statement(_order.where(orders.c.id == _id, _mine))
_BY_REFERENCE = Statement(_order.where(orders.c.reference == bindparam("reference"), _mine))
_ID_OF_CART = Statement(select(orders.c.id).where(orders.c.cart_id == bindparam("cart_id")))
_LIST = Listing(
    _order,
    orders.c.id,
    {
        # One or the other, so that an index gives a page of a user's orders in its order.
        "owner": orders.c.user_id == bindparam("owner", type_=Text),
        "guest": orders.c.guest_session_id == bindparam("guest", type_=Text),
        "user_id": orders.c.user_id == bindparam("user_id", type_=Text),
        "status": orders.c.status == bindparam("status", type_=order_status),
    },
    descending=True,
)
_EXPIRED = Statement(
    select(orders.c.id)
    .where(
        orders.c.status == literal_column("'PENDING'"),
        orders.c.created_at < func.now() - bindparam("age", type_=Interval),
        ~select(checkouts.c.id).where(checkouts.c.order_id == orders.c.id).exists(),
    )
    .order_by(orders.c.created_at)
    .limit(bindparam("limit", type_=Integer))
)
_ids = func.unnest(bindparam("ids", type_=ARRAY(Text)))
_asked = _ids.table_valued(column("id", Text), name="asked").render_derived()
_STATES = Statement(
    select(
        _asked.c.id,
        case(
            (orders.c.status != literal_column("'CANCELLED'"), "LIVE"),
            (orders.c.id.is_not(None), "GONE"),
            (checkouts.c.step != literal_column("'UNDO'"), "PLACING"),
            else_="GONE",
        ).label("state"),
    ).select_from(
        _asked.outerjoin(orders, orders.c.id == _asked.c.id).outerjoin(checkouts, checkouts.c.order_id == _asked.c.id)
    )
)


# Where the record of a change tells the status that the row had.
_BEFORE = literal_column("'before'", Text), literal_column("'status'", Text)


def moved(to: OrderStatus, action: str, *guards: Any) -> tuple[Change, CTE]:
    """An order's next status, from any that leads there, and the row of its history.

    Nothing happens once another change came first. Their parameters are those of `moving`.
    """
    ways = (orders.c.status == literal_column(f"'{status}'") for status, onward in NEXT.items() if to in onward)
    milestone = {MILESTONES[to]: _now} if to in MILESTONES else {}
    change = ORDER.change(
        update(orders)
        .where(orders.c.id == _id, orders.c.version == _expected, or_(*ways), *guards)
        .values(status=to, version=orders.c.version + 1, updated_at=_now, **milestone),
        action,
        name="moved",
    )
    names = ["id", "order_id", "from_status", "to_status", "version", "actor", "reason", "created_at", "updated_at"]
    history = insert(order_status_history).from_select(
        names,
        select(
            bindparam("history_id", type_=Text),
            change.cte.c.id,
            cast(func.jsonb_extract_path_text(change.cte.c.record, *_BEFORE), order_status),
            change.cte.c.status,
            change.cte.c.version,
            bindparam("actor", type_=Text),
            bindparam("reason", type_=Text),
            _now,
            _now,
        ),
    )
    return change, history.cte("history")


def moving(order: Order, actor: str, reason: str | None = None) -> dict[str, Any]:
    """The parameters of a statement made with `moved`, from the order as it will be."""
    return {**changing(order), "history_id": cuid(), "actor": actor, "reason": reason}


def noting(order: Order) -> dict[str, Any]:
    """The parameters of UPDATE, from the order as it will be."""
    return {**changing(order), "to_notes": order.notes, "to_metadata": order.metadata}


def changing(order: Order) -> dict[str, Any]:
    """What every guarded change takes, from the order as it will be."""
    return {"id": order.id, "expected": order.version - 1, "now": order.updated_at}


def _cancel() -> Statement:
    """CANCELLED, and the giving back of what was taken for it as a row, in one commit."""
    # Before its placing is over an order is not cancelled, but undone. No placing begins anew, and a further payment
    # does with a new version of the order, so none is missed.
    placing = select(checkouts.c.id).where(checkouts.c.order_id == _id).exists()
    change, history = moved(OrderStatus.CANCELLED, "order.cancelled", ~placing)
    undo = insert(checkouts).from_select(
        ["id", "order_id", "step", "coupon_code", "next_attempt_at"],
        select(
            bindparam("checkout_id", type_=Text),
            change.cte.c.id,
            literal_column("'UNDO'"),
            change.cte.c.coupon_code,
            func.now() + bindparam("lease", type_=Interval),
        ),
    )
    return recorded(common, change, parts=(history, undo.cte("undo")), request=True)


def _give_up() -> Statement:
    """CANCELLED, because the placing of the order is being undone."""
    undoing = checkouts.c.order_id == _id, checkouts.c.step == literal_column("'UNDO'")
    change, history = moved(OrderStatus.CANCELLED, "order.cancelled", select(checkouts.c.id).where(*undoing).exists())
    return recorded(common, change, parts=(history,))


def _pay() -> Statement:
    change, history = moved(OrderStatus.PAID, "order.paid")
    return recorded(common, change, parts=(history,))


def _advance(to: OrderStatus) -> Statement:
    change, history = moved(to, f"order.{to.lower()}")
    return recorded(common, change, parts=(history,), request=True)


def _update() -> Statement:
    """Other notes; no status, so no history."""
    change = ORDER.change(
        update(orders)
        .where(orders.c.id == _id, orders.c.version == _expected)
        .values(
            notes=bindparam("to_notes", type_=Text),
            metadata=bindparam("to_metadata", type_=JSONB),
            version=orders.c.version + 1,
            updated_at=_now,
        ),
        "order.updated",
    )
    return recorded(common, change, request=True)


# All take the parameters of `moving`, UPDATE those of `noting`; CANCEL, ADVANCE and UPDATE what `Database.once` gives.
# CANCEL takes `checkout_id` and `lease` too.
CANCEL = _cancel()
GIVE_UP = _give_up()
PAY = _pay()
ADVANCE = {to: _advance(to) for to in (OrderStatus.FULFILLED, OrderStatus.SHIPPED, OrderStatus.DELIVERED)}
UPDATE = _update()


def order_of(row: Row) -> Order:
    """The order of a row that was read with its items."""
    order = Order(**{name: row[name] for name in _COLUMNS})
    order.status = OrderStatus(order.status)
    order.items = [OrderItem(**item) for item in row["items"]]
    return order


class Orders:
    """Reading orders; who may is said by `owner`, None for everybody's."""

    def __init__(self, executor: Executor) -> None:
        self._on = executor

    async def find(self, id: str, *, owner: str | None = None) -> Order | None:
        """The order with its items, or None."""
        row = await self._on.fetchrow(_GET, id=id, owner=owner)
        return None if row is None else order_of(row)

    async def get(self, id: str, *, owner: str | None) -> Order:
        """The order with its items; raises NotFound."""
        order = await self.find(id, owner=owner)
        if order is None:
            raise NotFound(Reason.NOT_FOUND, "no such order", entity="Order", id=id)
        return order

    async def get_by_reference(self, reference: str, *, owner: str | None) -> Order:
        """The order with this reference; raises NotFound."""
        row = await self._on.fetchrow(_BY_REFERENCE, reference=reference, owner=owner)
        if row is None:
            raise NotFound(Reason.NOT_FOUND, "no such order", entity="Order", reference=reference)
        return order_of(row)

    async def id_of_cart(self, cart_id: str) -> str | None:
        """The order that a cart became, or None."""
        id: str | None = await self._on.fetchval(_ID_OF_CART, cart_id=cart_id)
        return id

    async def list_page(
        self,
        *,
        owner: str | None,
        user_id: str | None,
        status: OrderStatus | None,
        size: int,
        token: str,
        of_guest: bool = False,
    ) -> Page[Order]:
        """A page of orders, newest first; of one user, in one status, where these are given.

        `of_guest` says that the owner is a guest.
        """
        whose = {"guest" if of_guest else "owner": owner}
        return await _LIST.page(self._on, order_of, size=size, token=token, user_id=user_id, status=status, **whose)

    async def states(self, ids: Sequence[str]) -> dict[str, str]:
        """LIVE, PLACING or GONE for each id."""
        return {row["id"]: row["state"] for row in await self._on.fetch(_STATES, ids=list(ids))}

    async def expired(self, age: timedelta, limit: int = 50) -> list[str]:
        """Ids of orders that have been waiting for their money longer than `age`, the oldest first."""
        return [row["id"] for row in await self._on.fetch(_EXPIRED, age=age, limit=limit)]

    async def pay(self, order: Order, actor: str) -> bool:
        """Write an order that `Order.pay` moved; False when another change came first."""
        return await self._on.fetchrow(PAY, **moving(order, actor)) is not None

    async def give_up(self, order: Order, actor: str, reason: str) -> bool:
        """Write an order that `Order.cancel` ended while its placing is being undone; False when another came first."""
        return await self._on.fetchrow(GIVE_UP, **moving(order, actor, reason)) is not None
