"""Deleting carts and orders for good: held first, looked at in a later statement, then gone with all that is theirs.

So whatever began while the row was waited for is seen, and nothing begins after that.
"""

from sqlalchemy import Text, bindparam, func, select

from lumi_common.db.database import Executor
from lumi_common.db.removal import removal
from lumi_common.db.statement import Statement
from lumi_common.errors import NotFound, Reason
from lumi_orders.domain.cart import Cart
from lumi_orders.domain.order import Order
from lumi_orders.storage.carts import Carts
from lumi_orders.storage.orders import Orders
from lumi_orders.storage.references import AGGREGATES
from lumi_orders.storage.rows import owned
from lumi_orders.storage.tables import CART, ORDER, carts, checkouts, common, orders

_id = bindparam("id", type_=Text)
_HOLD_CART = Statement(
    select(carts.c.id).where(carts.c.id == _id, owned(carts.c.user_id, carts.c.session_id)).with_for_update()
)
# It loses its cart by a change of its own.
_HOLD_ORDER_OF = Statement(select(orders.c.id).where(orders.c.cart_id == _id).with_for_update())
_HOLD_ORDER = Statement(select(orders.c.id).where(orders.c.id == _id).with_for_update())
_AT_IT = Statement(select(func.count()).select_from(checkouts).where(checkouts.c.order_id == _id))
_DELETE_CART = removal(common, CART, "cart.deleted", AGGREGATES)
_DELETE_ORDER = removal(common, ORDER, "order.deleted", AGGREGATES)


class Deleting:
    """Locks and deletes within a transaction."""

    def __init__(self, tx: Executor) -> None:
        self._on = tx

    async def lock_cart(self, id: str, *, owner: str | None) -> Cart:
        """The cart with its items, held with the order that was written from it; raises NotFound."""
        await self._on.fetchrow(_HOLD_CART, id=id, owner=owner)
        await self._on.fetchrow(_HOLD_ORDER_OF, id=id)
        return await Carts(self._on).get(id, owner=owner)

    async def delete_cart(self, cart: Cart) -> None:
        """Delete a locked cart with its items; its order names it no longer."""
        await self._on.fetchrow(_DELETE_CART, id=cart.id)

    async def lock_order(self, id: str) -> Order:
        """The order, held; raises NotFound."""
        if await self._on.fetchrow(_HOLD_ORDER, id=id) is None:
            raise NotFound(Reason.NOT_FOUND, "no such order", entity="Order", id=id)
        return await Orders(self._on).get(id, owner=None)

    async def is_in_flight(self, order: Order) -> bool:
        """Whether something of an order is still to be done, or to be given back."""
        return bool(await self._on.fetchval(_AT_IT, id=order.id))

    async def delete_order(self, order: Order) -> None:
        """Delete a locked order with its items and its history."""
        await self._on.fetchrow(_DELETE_ORDER, id=order.id)
