"""The beginning of a further payment: the order's next version and a checkout, in one statement or not at all."""

from datetime import timedelta
from typing import Any

from sqlalchemy import LargeBinary, Text, bindparam, func, literal_column, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.types import Integer, Interval

from lumi_common.db.record import recorded
from lumi_common.db.statement import Statement
from lumi_common.db.tables import timestamp
from lumi_orders.domain.checkout import Origin
from lumi_orders.domain.order import Order
from lumi_orders.storage.orders import changing
from lumi_orders.storage.tables import ORDER, checkouts, common, orders


def _retry_payment() -> Statement:
    """A further payment of an order that waits for its money, as a row; the order's version is its lock."""
    requests = common.request_ids
    request_id = bindparam("request_id", type_=Text)
    repeated = select(requests.c.request_id).where(
        requests.c.principal == bindparam("principal", type_=Text),
        requests.c.method == bindparam("method", type_=Text),
        requests.c.request_id == request_id,
    )
    as_seen = (
        orders.c.id == bindparam("id", type_=Text),
        orders.c.version == bindparam("expected", type_=Integer),
        orders.c.status == literal_column("'PENDING'"),
    )
    # Held first: the row below is written for the order as it was seen, or not at all.
    held = select(orders.c.id).where(*as_seen, ~repeated.exists()).with_for_update().cte("held")
    begun = (
        upsert(checkouts)
        .from_select(
            ["id", "order_id", "step", "next_attempt_at", "provider", "principal", "request_id", "request_hash"],
            select(
                bindparam("checkout_id", type_=Text),
                held.c.id,
                literal_column("'RETRY'"),
                func.now() + bindparam("lease", type_=Interval),
                bindparam("provider", type_=Text),
                bindparam("principal", type_=Text),
                func.nullif(request_id, literal_column("''")),
                bindparam("request_hash", type_=LargeBinary),
            ),
        )
        .on_conflict_do_nothing()
        .returning(checkouts.c.order_id)
        .cte("begun")
    )
    change = ORDER.change(
        update(orders)
        .where(*as_seen, select(begun.c.order_id).exists())
        .values(version=orders.c.version + 1, updated_at=bindparam("now", type_=timestamp)),
        "order.payment_retried",
    )
    return recorded(common, change, parts=(begun,))


RETRY_PAYMENT = _retry_payment()


def retrying(
    order: Order, checkout_id: str, provider: str, origin: Origin, method: str, lease: timedelta
) -> dict[str, Any]:
    """Its parameters, from the order as it will be."""
    return {
        **changing(order),
        "checkout_id": checkout_id,
        "provider": provider,
        "lease": lease,
        "method": method,
        "principal": origin.principal,
        "request_id": origin.request_id,
        "request_hash": origin.request_hash,
    }
