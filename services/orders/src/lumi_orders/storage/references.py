"""What orders refers to of other services, and what becomes of it when that goes."""

from typing import Any

from sqlalchemy import ColumnElement, Text, bindparam, delete, func, literal_column, select, update

from lumi_common.db.record import recorded
from lumi_common.db.referrer import Referrer
from lumi_common.db.removal import ROWS_AT_ONCE
from lumi_common.db.statement import Statement
from lumi_orders.storage.carts import telling
from lumi_orders.storage.tables import CART, CART_ITEM, ORDER, cart_items, carts, common, metadata

# Everything here that has records of its own.
AGGREGATES = (CART, ORDER)


def _leaving() -> Statement:
    """A variant that goes is taken out of carts that nobody fills any more, some at once; takes `id`, the variant's."""
    # The cart before its items, as whoever changes or deletes it takes them.
    holds_it = cart_items.c.product_variant_id == bindparam("id", type_=Text)
    held = (
        select(carts.c.id)
        .where(carts.c.id.in_(select(cart_items.c.cart_id).where(holds_it)))
        .order_by(carts.c.id)
        .limit(literal_column(str(ROWS_AT_ONCE)))
        .with_for_update(key_share=True)
        .cte("held")
    )
    gone = delete(cart_items).where(holds_it, cart_items.c.cart_id.in_(select(held.c.id)))
    item = CART_ITEM.change(gone, "cart.item_removed", name="item")
    cart = CART.change(
        update(carts)
        .where(carts.c.id.in_(select(item.cte.c.cart_id)))
        .values(version=carts.c.version + 1, updated_at=func.now()),
        "cart.item_removed",
        name="cart",
    )
    taken = select(item.cte.c.record).where(item.cte.c.cart_id == cart.cte.c.id).scalar_subquery()

    def side(name: str) -> ColumnElement[Any]:
        return func.coalesce(taken.op("->")(literal_column(f"'{name}'")), literal_column("'{}'::jsonb"))

    return recorded(common, telling(cart, {name: side(name) for name in ("keys", "before")}), batch=True)


REFERRER = Referrer(metadata, common, AGGREGATES, leaving={"orders.cart_items.product_variant_id": _leaving()})
