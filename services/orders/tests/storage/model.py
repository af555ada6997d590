"""Short ways to carts and orders in the database, and to what was recorded of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_orders.domain.cart import Cart, InventoryPolicy, Offer
from lumi_orders.domain.checkout import Origin
from lumi_orders.domain.order import MILESTONES, Order, OrderStatus, SoldLine, place
from lumi_orders.domain.reference import new_reference
from lumi_orders.storage import carts, placing
from lumi_orders.storage.checkouts import Checkouts, Started
from lumi_orders.storage.orders import ADVANCE, CANCEL, PAY, moving
from lumi_orders.storage.requests import UNASKED

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LEASE = timedelta(seconds=30)


def an_offer(price: str = "1.25", **facts: Any) -> Offer:
    given: dict[str, Any] = {
        "product_variant_id": cuid(), "product_id": cuid(), "product_title": "Milk", "variant_title": "1 l",
        "sku": "m-1", "unit_price": Decimal(price), "compare_at_price": None, "currency": "USD",
        "policy": InventoryPolicy.TRACK, "available": 10, "sellable": True,
    }  # fmt: skip
    return Offer(**(given | facts))


async def new_cart(db: Database, context: Context, *items: tuple[Offer, int]) -> Cart:
    cart = Cart(cuid(), context.principal.id, NOW, NOW, "TRY")
    await db.on(context).fetchrow(carts.CREATE, **UNASKED, **carts.creating(cart))
    for offer, quantity in items:
        await put(db, context, cart, offer, quantity)
    return cart


async def put(db: Database, context: Context, cart: Cart, offer: Offer, quantity: int) -> Any:
    cart.change(NOW)
    item = cart.add(offer, quantity)
    values = carts.saving_item(cart, item)
    return await db.on(context).fetchrow(carts.PUT_ITEM, **UNASKED, action="cart.item_added", **values)


async def start(
    db: Database, context: Context, cart: Cart, order_id: str, request_id: str = "", **facts: Any
) -> Started:
    given: dict[str, Any] = {
        "order_id": order_id, "cart_id": cart.id, "owner": context.principal.id, "expected": None, "has_address": True,
        "provider": "MANUAL", "origin": Origin(context.principal.key, request_id, b"hash"),
        "method": context.method, "lease": LEASE,
    }  # fmt: skip
    started = await Checkouts(db).start(**(given | facts))
    assert started is not None
    return started


def an_order(cart: Cart, order_id: str, discount: str = "0.00") -> Order:
    lines = [
        SoldLine(cuid(), item.product_variant_id, item.quantity, item.unit_price, "Milk", {"sku": "m"})
        for item in cart.items
    ]
    return place(
        order_id, new_reference(), lines, currency=cart.currency, discount=Decimal(discount), now=NOW,
        user_id=cart.user_id, cart_id=cart.id, metadata={"basket": 7},
    )  # fmt: skip


async def place_order(db: Database, context: Context, cart: Cart) -> Order:
    """An order with its checkout at the step PAY."""
    order = an_order(cart, cuid())
    await start(db, context, cart, order.id)
    assert await db.on(context).fetchrow(placing.PLACE, **placing.placing(order, cart, "user:ada"))
    return order


async def a_placed_order(db: Database, context: Context) -> Order:
    """An order whose placing is over, and which waits for its money."""
    order = await place_order(db, context, await new_cart(db, context, (an_offer(), 1)))
    await db.on(context).fetchrow(placing.FINISH, **UNASKED, order_id=order.id)
    return order


async def an_order_that_is(status: OrderStatus, db: Database, context: Context) -> Order:
    """An order that went all the way to this status; to CANCELLED from PENDING."""
    order = await a_placed_order(db, context)
    for step in (OrderStatus.PAID, OrderStatus.FULFILLED, OrderStatus.SHIPPED, OrderStatus.DELIVERED):
        if order.status is not status and status is not OrderStatus.CANCELLED:
            assert await go(db, context, order, step)
    if status is OrderStatus.CANCELLED:
        assert await go(db, context, order, status)
    return order


async def go(db: Database, context: Context, order: Order, to: OrderStatus) -> bool:
    """Write the order's next status, whatever it is; False when the statement let nothing through."""
    moved = replace(order, status=to, version=order.version + 1)
    if to in MILESTONES:
        setattr(moved, MILESTONES[to], moved.updated_at)
    values = moving(moved, "user:ada", "so it goes")
    if to is OrderStatus.CANCELLED:
        values |= {"checkout_id": cuid(), "lease": LEASE}
    statement = {OrderStatus.PAID: PAY, OrderStatus.CANCELLED: CANCEL, **ADVANCE}[to]
    if await db.on(context).fetchrow(statement, **(UNASKED if statement is not PAY else {}), **values) is None:
        return False
    order.status, order.version = moved.status, moved.version
    for milestone in MILESTONES.values():
        setattr(order, milestone, getattr(moved, milestone))
    return True


async def told(db: Database, aggregate_id: str) -> list[Any]:
    """The outbox rows of an aggregate, in order."""
    rows = await db.pool.fetch("select * from outbox_events where aggregate_id = $1 order by seq", aggregate_id)
    return list(rows)


async def history(db: Database, order_id: str) -> list[tuple[Any, ...]]:
    rows = await db.pool.fetch(
        "select from_status, to_status, version from order_status_history where order_id = $1 order by version",
        order_id,
    )
    return [tuple(row) for row in rows]


async def step_of(db: Database, order_id: str) -> str | None:
    step: str | None = await db.pool.fetchval("select step from checkouts where order_id = $1", order_id)
    return step
