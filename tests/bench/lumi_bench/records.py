"""Whether what was measured is the whole of it: every order with its audit, outbox and request records."""

import asyncpg

from lumi_local.process import StackError

_ORDERS = "select count(*) from orders.orders where status = 'PAID'"
# What one order leaves, by name; each is counted once per order.
_LEFT: dict[str, str] = {
    "paid orders": _ORDERS,
    "requests kept by orders": "select count(*) from orders.request_ids where method like '%PlaceOrder'",
    "requests kept by catalogue": "select count(*) from catalogue.request_ids where method like '%ReserveStock'",
    "requests kept by payments": "select count(*) from payments.request_ids where method like '%CreatePayment'",
    "orders with stock sold": "select count(distinct order_id) from catalogue.stock_movements where reason = 'sold'",
    **{
        f"{type} events of {schema}": f"select count(*) from {schema}.outbox_events where type = '{type}'"
        for schema, type in (
            ("catalogue", "stock.reserved"),
            ("catalogue", "stock.committed"),
            ("orders", "order.placed"),
            ("orders", "order.paid"),
            ("payments", "payment.settled"),
        )
    },
    **{
        f"{action} audit records": f"select count(*) from identity.audit_logs where action = '{action}'"
        for action in ("cart.checked_out", "order.placed", "order.paid", "payment.settled")
    },
}


async def check_orders(dsn: str, orders: int) -> None:
    """StackError names what is missing, or there too often."""
    connection = await asyncpg.connect(dsn)
    try:
        counts = {name: await connection.fetchval(query) for name, query in _LEFT.items()}
    finally:
        await connection.close()
    if off := [f"{name}: {count}" for name, count in counts.items() if count != orders]:
        raise StackError(f"{orders} orders were placed, and they left\n  " + "\n  ".join(off))


async def count_orders(dsn: str, orders: int) -> None:
    """StackError when the replayed statements did not write so many orders."""
    connection = await asyncpg.connect(dsn)
    try:
        found = await connection.fetchval(_ORDERS)
    finally:
        await connection.close()
    if found != orders:
        raise StackError(f"the same statements should have written {orders} orders and wrote {found}")
