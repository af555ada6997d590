"""Undoing an order wins over a reservation of it that is still under way.

A release that finds nothing held leaves a request record in the order's name, and a reservation that meets one is
refused. Both take a lock named after the order, so that neither misses the other. The record goes after a day, long
after the last call that it could meet.
"""

from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Text, bindparam, exists, func, literal_column, select
from sqlalchemy.dialects.postgresql import insert

from lumi_catalogue.storage.tables import common
from lumi_common.db.database import Executor
from lumi_common.db.statement import Statement

_METHOD = literal_column("'ReleaseReservation'", Text)
_REQUEST = literal_column("'nothing held'", Text)


def _principal(order_id: ColumnElement[str]) -> ColumnElement[str]:
    return literal_column("'order:'", Text) + order_id


def _locks(order_ids: ColumnElement[str]) -> ColumnElement[int]:
    return func.count(func.pg_advisory_xact_lock(func.hashtextextended(order_ids, literal_column("0"))))


def orders_locked(parameter: str) -> ColumnElement[bool]:
    """A condition that is always true, decided before any row is looked at: the orders' locks come before rows'."""
    order = func.unnest(bindparam(parameter, type_=ARRAY(Text))).table_valued("id").render_derived(name="asking")
    return select(_locks(order.c.id)).select_from(order).scalar_subquery() >= literal_column("0")


def not_fenced(order_id: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether the order may still hold something."""
    fence: Any = common.request_ids.alias("fence")
    return ~exists().where(
        fence.c.principal == _principal(order_id), fence.c.method == _METHOD, fence.c.request_id == _REQUEST
    )


_order_id = bindparam("order_id", type_=Text)
_LOCK = Statement(select(_locks(_order_id)))
_FENCE = Statement(
    insert(common.request_ids)
    .from_select(
        ["principal", "method", "request_id", "request_hash", "expires_at"],
        select(
            _principal(_order_id),
            _METHOD,
            _REQUEST,
            literal_column("''::bytea"),
            func.now() + literal_column("interval '24 hours'"),
        ),
    )
    .on_conflict_do_nothing()
)


async def lock_order(on: Executor, order_id: str) -> None:
    """Wait for a reservation of the order that is under way; later ones wait until the transaction ends."""
    await on.fetch(_LOCK, order_id=order_id)


async def fence_order(on: Executor, order_id: str) -> None:
    """See to it that the locked order, which holds nothing, never will."""
    await on.fetch(_FENCE, order_id=order_id)
