"""The statements of placing an order that write it, move it along and end its checkout: each all or nothing."""

from typing import Any

from sqlalchemy import ARRAY, Text, bindparam, column, delete, func, insert, literal_column, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import Integer, Numeric

from lumi_common.cuid import cuid
from lumi_common.db.record import recorded
from lumi_common.db.statement import Statement
from lumi_common.db.tables import timestamp
from lumi_orders.domain.cart import Cart, CartStatus
from lumi_orders.domain.order import Order, OrderStatus
from lumi_orders.storage.orders import moved
from lumi_orders.storage.requests import kept
from lumi_orders.storage.tables import (
    CART,
    ORDER,
    carts,
    checkouts,
    common,
    order_items,
    order_status_history,
    orders,
)

_now = bindparam("now", type_=timestamp)


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
    "id", "reference", "user_id", "guest_session_id", "total_amount", "subtotal_amount", "tax_amount",
    "discount_amount", "shipping_amount", "prices_include_tax", "currency", "coupon_code", "shipping_address_id",
    "billing_address_id", "shipping_address_snapshot", "billing_address_snapshot", "metadata", "notes",
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
    over = (
        delete(checkouts)
        .where(checkouts.c.order_id == bindparam("order_id", type_=Text))
        .returning(checkouts.c.order_id)
        .cte("over")
    )
    return Statement(select(over.c.order_id).add_cte(kept(over).cte("kept")), step="checkout.finished")


# Takes the parameters of `placing`.
PLACE = _place()
# Takes the parameters of `orders.moving`, and what `Database.once` gives.
SETTLE = _settle()
# Takes `order_id`, and what `Database.once` gives.
FINISH = _finish()


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
