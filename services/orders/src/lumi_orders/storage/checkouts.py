"""The placing of orders as rows: begun, moved along, taken up by the sweeper, ended."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    ARRAY,
    LargeBinary,
    Text,
    bindparam,
    case,
    column,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import Integer, Interval, Numeric

from lumi_common.cuid import cuid
from lumi_common.db.database import Database, Executor
from lumi_common.db.record import recorded
from lumi_common.db.statement import Statement
from lumi_orders.domain.cart import Cart, CartStatus
from lumi_orders.domain.checkout import Origin, Step
from lumi_orders.domain.order import Order, OrderStatus
from lumi_orders.storage.carts import cart_of, cart_with_items
from lumi_orders.storage.orders import moved
from lumi_orders.storage.rows import owned
from lumi_orders.storage.tables import (
    CART,
    ORDER,
    carts,
    checkouts,
    common,
    order_items,
    order_status_history,
    orders,
    timestamp,
)

_order_id = bindparam("order_id", type_=Text)
_later = func.now() + bindparam("lease", type_=Interval)
_now = bindparam("now", type_=timestamp)


def _start() -> Statement:
    """Step 1: the checkout of an ACTIVE cart with items, and the cart as it was then."""
    requests = common.request_ids
    request_id = bindparam("request_id", type_=Text)
    repeated = (
        select(requests.c.request_id)
        .where(
            requests.c.principal == bindparam("principal", type_=Text),
            requests.c.method == bindparam("method", type_=Text),
            requests.c.request_id == request_id,
        )
        .exists()
    )
    cart = cart_with_items.where(carts.c.id == bindparam("cart_id", type_=Text), owned(carts.c.user_id)).cte("cart")
    expected = bindparam("expected", type_=Integer)
    ready = select(
        bindparam("id", type_=Text),
        _order_id,
        cart.c.id,
        literal_column("'RESERVE'"),
        _later,
        bindparam("provider", type_=Text),
        bindparam("principal", type_=Text),
        func.nullif(request_id, literal_column("''")),
        bindparam("request_hash", type_=LargeBinary),
    ).where(
        cart.c.status == literal_column("'ACTIVE'"),
        func.json_array_length(cart.c["items"]) > 0,
        or_(expected.is_(None), cart.c.version == expected),
        ~repeated,
    )
    names = ["id", "order_id", "cart_id", "step", "next_attempt_at"]
    origin = ["provider", "principal", "request_id", "request_hash"]
    started = insert(checkouts).from_select([*names, *origin], ready).returning(checkouts.c.id).cte("started")
    return Statement(select(cart, select(started.c.id).exists().label("started"), repeated.label("repeated")))


def _place() -> Statement:
    """Step 4: order, items and history, the cart closed, the checkout moved on; all or nothing."""
    # The checkout is locked first, so that it cannot be undone while the cart below is waited for.
    held = (
        select(checkouts.c.order_id)
        .where(checkouts.c.order_id == bindparam("id", type_=Text), checkouts.c.step == literal_column("'RESERVE'"))
        .with_for_update()
        .cte("held")
    )
    closed = CART.change(
        update(carts)
        .where(
            carts.c.id == bindparam("cart_id", type_=Text),
            carts.c.version == bindparam("cart_version", type_=Integer),
            carts.c.status == literal_column("'ACTIVE'"),
            select(held.c.order_id).exists(),
        )
        .values(status=CartStatus.CHECKED_OUT, version=carts.c.version + 1, updated_at=_now),
        "cart.checked_out",
        name="closed",
    )
    onward = (
        update(checkouts)
        .where(checkouts.c.cart_id == closed.cte.c.id, checkouts.c.order_id == bindparam("id", type_=Text))
        .values(step="PAY", updated_at=func.now())
    )
    given = {name: bindparam(name, type_=orders.c[name].type) for name in _GIVEN}
    placed = ORDER.change(
        insert(orders).from_select(
            [*_GIVEN, "cart_id", "placed_at", "created_at", "updated_at"],
            select(*given.values(), closed.cte.c.id, _now, _now, _now),
        ),
        "order.placed",
        name="placed",
    )
    history = insert(order_status_history).from_select(
        ["id", "order_id", "to_status", "version", "actor", "created_at", "updated_at"],
        select(
            bindparam("history_id", type_=Text),
            placed.cte.c.id,
            placed.cte.c.status,
            placed.cte.c.version,
            bindparam("actor", type_=Text),
            _now,
            _now,
        ),
    )
    return recorded(
        common,
        placed,
        closed,
        parts=(onward.cte("onward"), _items(placed.cte.c.id, placed.cte.c.currency), history.cte("history")),
        answer=select(placed.cte.c.id),
    )


_GIVEN = (
    "id", "reference", "user_id", "total_amount", "subtotal_amount", "tax_amount", "discount_amount",
    "shipping_amount", "currency", "coupon_code", "shipping_address_id", "billing_address_id",
    "shipping_address_snapshot", "billing_address_snapshot", "metadata", "notes",
)  # fmt: skip
# Of each item's values one array: many rows by one statement that is compiled once.
_LINES: dict[str, Any] = {
    "id": Text, "product_id": Text, "product_variant_id": Text, "quantity": Integer, "unit_price": Numeric(12, 2),
    "total_amount": Numeric(14, 2), "discount_amount": Numeric(14, 2), "tax_amount": Numeric(14, 2),
    "title_snapshot": Text,
}  # fmt: skip


def _items(order_id: Any, currency: Any) -> Any:
    arrays = [bindparam(f"item_{name}", type_=ARRAY(kind)) for name, kind in _LINES.items()]
    arrays.append(bindparam("item_variant_snapshot", type_=ARRAY(JSONB)))
    columns = [column(name, kind) for name, kind in _LINES.items()] + [column("variant_snapshot", JSONB)]
    lines = func.unnest(*arrays).table_valued(*columns, name="lines").render_derived()
    return (
        insert(order_items)
        .from_select(
            [*_LINES, "variant_snapshot", "order_id", "currency", "created_at", "updated_at"],
            select(*lines.c, order_id, currency, _now, _now),
        )
        .cte("items")
    )


def _settle() -> Statement:
    """Step 6: the order is PAID, the checkout over, its answer kept under its request id."""
    change, history = moved(OrderStatus.PAID, "order.paid")
    over = delete(checkouts).where(checkouts.c.order_id == change.cte.c.id)
    return recorded(common, change, parts=(history, over.cte("over")), answer=select(change.cte.c.id), request=True)


def _finish() -> Statement:
    """The checkout is over without a change of the order; its answer is kept under its request id."""
    over = delete(checkouts).where(checkouts.c.order_id == _order_id).returning(checkouts.c.order_id).cte("over")
    request_id = bindparam("request_id", type_=Text)
    kept = insert(common.request_ids).from_select(
        ["principal", "method", "request_id", "request_hash", "response", "expires_at"],
        select(
            bindparam("principal", type_=Text),
            bindparam("method", type_=Text),
            request_id,
            bindparam("request_hash", type_=LargeBinary),
            bindparam("response", type_=LargeBinary),
            func.now() + literal_column("interval '24 hours'", Interval),
        )
        .select_from(over)
        .where(request_id != literal_column("''")),
    )
    return Statement(select(over.c.order_id).add_cte(kept.cte("kept")))


_START = _start()
PLACE = _place()
# Takes the parameters of `orders.moving`, and what `Database.once` gives.
SETTLE = _settle()
# Takes `order_id`, and what `Database.once` gives.
FINISH = _finish()

_UNDO = Statement(
    update(checkouts)
    .where(checkouts.c.order_id == _order_id)
    .values(step="UNDO", next_attempt_at=_later, error=bindparam("to_error", type_=Text), updated_at=func.now())
    .returning(checkouts.c.id)
)
_POSTPONE = Statement(
    update(checkouts)
    .where(checkouts.c.order_id == _order_id)
    .values(next_attempt_at=_later, error=bindparam("to_error", type_=Text), updated_at=func.now())
)
_END = Statement(
    delete(checkouts).where(checkouts.c.order_id == _order_id, checkouts.c.step == literal_column("'UNDO'"))
)
_due = (
    select(checkouts.c.id)
    .where(checkouts.c.next_attempt_at <= func.now())
    .order_by(checkouts.c.next_attempt_at)
    .limit(bindparam("limit", type_=Integer))
    .with_for_update(skip_locked=True)
    .cte("due")
)
# Whoever takes a row has it until its time comes again, doubled with each attempt up to half a minute.
_CLAIM = Statement(
    update(checkouts)
    .where(checkouts.c.id == _due.c.id)
    .values(
        attempts=checkouts.c.attempts + 1,
        next_attempt_at=func.now()
        + func.least(
            bindparam("lease", type_=Interval).op("*")(func.power(2, func.least(checkouts.c.attempts, 6))),
            literal_column("interval '30 seconds'"),
            type_=Interval,
        ),
        step=case((checkouts.c.step == literal_column("'RESERVE'"), literal_column("'UNDO'")), else_=checkouts.c.step),
        updated_at=func.now(),
    )
    .returning(
        checkouts.c.order_id,
        checkouts.c.step,
        checkouts.c.provider,
        checkouts.c.principal,
        checkouts.c.request_id,
        checkouts.c.request_hash,
    )
)


@dataclass(frozen=True, slots=True)
class Started:
    """What step 1 found: the cart, whether its checkout began, and whether this call was answered before."""

    cart: Cart
    started: bool
    repeated: bool


@dataclass(frozen=True, slots=True)
class Due:
    """A checkout that somebody left, taken up; `origin` is None where the call gave no request id."""

    order_id: str
    step: Step
    provider: str
    origin: Origin | None


class Checkouts:
    """Rows of orders being placed or undone; `lease` is how long they are left to whoever has them."""

    def __init__(self, executor: Executor | Database) -> None:
        self._on = executor

    async def start(
        self,
        *,
        order_id: str,
        cart_id: str,
        owner: str | None,
        expected: int | None,
        provider: str,
        origin: Origin,
        method: str,
        lease: timedelta,
    ) -> Started | None:
        """Begin the placing of a cart; None when there is no such cart.

        Raises what the database's refusals say when another placing of this cart, or under this request id, is on.
        """
        row = await self._on.fetchrow(
            _START,
            id=cuid(),
            order_id=order_id,
            cart_id=cart_id,
            owner=owner,
            expected=expected,
            provider=provider,
            principal=origin.principal,
            method=method,
            request_id=origin.request_id,
            request_hash=origin.request_hash,
            lease=lease,
        )
        return None if row is None else Started(cart_of(row), row["started"], row["repeated"])

    async def undo(self, order_id: str, error: str, lease: timedelta) -> bool:
        """Turn back; False when the checkout is over."""
        return await self._on.fetchrow(_UNDO, order_id=order_id, to_error=error[:500], lease=lease) is not None

    async def postpone(self, order_id: str, error: str, lease: timedelta) -> None:
        """Leave it to the sweeper, once `lease` is over."""
        await self._on.fetchrow(_POSTPONE, order_id=order_id, to_error=error[:500], lease=lease)

    async def end(self, order_id: str) -> None:
        """All of it is undone."""
        await self._on.fetchrow(_END, order_id=order_id)

    async def claim(self, lease: timedelta, limit: int = 20) -> list[Due]:
        """Take up checkouts whose time has come; one whose order is not written yet is to be undone."""
        return [
            Due(
                row["order_id"],
                Step(row["step"]),
                row["provider"] or "",
                Origin(row["principal"], row["request_id"], row["request_hash"]) if row["request_id"] else None,
            )
            for row in await self._on.fetch(_CLAIM, lease=lease, limit=limit)
        ]


def placing(order: Order, cart: Cart, actor: str) -> dict[str, Any]:
    """The parameters of PLACE, from the new order and the cart as step 1 found it."""
    values = {name: getattr(order, name) for name in _GIVEN}
    values |= {f"item_{name}": [getattr(item, name) for item in order.items] for name in _LINES}
    return {
        **values,
        "item_variant_snapshot": [item.variant_snapshot for item in order.items],
        "cart_id": cart.id,
        "cart_version": cart.version,
        "now": order.created_at,
        "history_id": cuid(),
        "actor": actor,
    }
