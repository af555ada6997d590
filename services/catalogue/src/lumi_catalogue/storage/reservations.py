"""The SQL of reservations: lock what is asked for, hold it, and the three ways in which that ends."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BindParameter,
    Insert,
    Integer,
    LargeBinary,
    Text,
    bindparam,
    cast,
    exists,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert

from lumi_catalogue.domain.reservation import Held, Line, ReservationState, Stock
from lumi_catalogue.storage.offers import OFFERS, offer
from lumi_catalogue.storage.tables import HOLD, common, inventories, stock_movements, stock_reservations
from lumi_common.cuid import cuid
from lumi_common.db.database import Executor
from lumi_common.db.record import Change, recorded
from lumi_common.db.statement import Statement
from lumi_common.db.tables import timestamp

_r, _i = stock_reservations.c, inventories.c


@dataclass(frozen=True, slots=True)
class Granted:
    """A request that gets its stock, with what its outbox row and its request record keep of the call.

    `headers` is the call's context as JSON text; without a `request_id` there is no request record.
    """

    order_id: str
    lines: Sequence[Line]
    headers: str
    principal: str
    method: str
    request_id: str
    request_hash: bytes
    response: bytes


def _each(name: str, type_: Any = Text) -> BindParameter[Any]:
    return bindparam(name, type_=ARRAY(type_))


def _state(state: ReservationState) -> Any:
    return literal_column(f"'{state}'::catalogue.stock_reservation_state", _r.state.type)


# Releasing an order that holds nothing yet must win over a reservation that is still under way: both take a lock named
# after the order, and the release leaves a request record, which the reservation minds. It goes after a day, long after
# the last call that it could meet.
def _order_locks(orders: Any) -> Any:
    return func.count(func.pg_advisory_xact_lock(func.hashtextextended(orders, literal_column("0"))))


def _fence(order_id: Any) -> Any:
    return literal_column("'order:'", Text) + order_id


_FENCE_METHOD = literal_column("'ReleaseReservation'", Text)
_FENCE_ID = literal_column("'nothing held'", Text)
_order = func.unnest(_each("orders")).table_valued("id").render_derived(name="asking")

# What the orders that ask hold already, as one JSON array in every row; null as a rule.
_HELD_ALREADY = (
    select(
        func.jsonb_agg(
            func.jsonb_build_array(
                _r.order_id,
                _r.product_variant_id,
                _r.quantity,
                cast(_r.state, Text),
                func.extract("epoch", _r.expires_at),
            )
        )
    )
    .where(_r.order_id == _each("orders").any_())
    .scalar_subquery()
)
# A condition that is decided before any row is looked at: locks of orders come before locks of rows, here and in a
# release.
_orders_locked = select(_order_locks(_order.c.id)).select_from(_order).scalar_subquery() >= literal_column("0")
_LOCK = Statement(
    OFFERS.add_columns(_HELD_ALREADY.label("held"))
    .where(_orders_locked)
    .order_by(_i.product_variant_id)
    .with_for_update(of=inventories)
)


def _hold() -> Statement:
    """All granted requests of a flush: reservations, counters, an outbox row and a request record for each order."""
    line = (
        func.unnest(_each("ids"), _each("variants"), _each("line_orders"), _each("quantities", Integer))
        .table_valued("id", "product_variant_id", "order_id", "quantity")
        .render_derived(name="line")
    )
    fence = common.request_ids.alias("fence")
    rows = select(
        line.c.id,
        line.c.product_variant_id,
        line.c.order_id,
        line.c.quantity,
        _state(ReservationState.HELD),
        bindparam("expires_at", type_=timestamp),
    ).where(
        ~exists().where(
            fence.c.principal == _fence(line.c.order_id),
            fence.c.method == _FENCE_METHOD,
            fence.c.request_id == _FENCE_ID,
        )
    )
    new = insert(stock_reservations).from_select(
        ["id", "product_variant_id", "order_id", "quantity", "state", "expires_at"], rows
    )
    held = HOLD.change(new, "stock.reserved", audit=False, name="held")

    taken = (
        func.unnest(_each("taken_variants"), _each("taken_quantities", Integer))
        .table_valued("product_variant_id", "quantity")
        .render_derived(name="taken")
    )
    counted = (
        update(inventories)
        .where(_i.product_variant_id == taken.c.product_variant_id)
        .values(
            quantity_reserved=_i.quantity_reserved + taken.c.quantity,
            quantity_available=_i.quantity_available - taken.c.quantity,
            updated_at=func.now(),
        )
        .cte("counted")
    )

    call = (
        func.unnest(
            *(_each(name) for name in ("orders", "actors", "principals", "methods", "request_ids")),
            _each("request_hashes", LargeBinary),
            _each("responses", LargeBinary),
        )
        .table_valued("order_id", "headers", "principal", "method", "request_id", "request_hash", "response")
        .render_derived(name="call")
    )
    return Statement(
        select(held.cte.c.order_id)
        .distinct()
        .add_cte(held.cte, counted, _told(held, call).cte("outbox"), _requests(call).cte("request")),
        writes_outbox=True,
    )


def _told(held: Change, call: Any) -> Insert:
    """One outbox row for each order, in the name of whoever asked; `recorded` knows one row and one name only."""
    records = (
        select(held.cte.c.order_id, func.jsonb_agg(held.cte.c.record).label("records"))
        .group_by(held.cte.c.order_id)
        .subquery("records")
    )
    drawn = (
        select(
            literal_column("nextval('catalogue.outbox_events_seq_seq')").label("seq"),
            records.c.order_id,
            records.c.records,
            cast(call.c.headers, JSONB).label("headers"),
        )
        .join_from(records, call, call.c.order_id == records.c.order_id)
        .subquery("drawn")
    )
    return insert(common.outbox).from_select(
        ["seq", "aggregate", "aggregate_id", "version", "type", "records", "headers"],
        select(
            drawn.c.seq,
            literal_column(f"'{HOLD.entity}'"),
            drawn.c.order_id,
            drawn.c.seq,
            literal_column("'stock.reserved'"),
            drawn.c.records,
            drawn.c.headers,
        ),
    )


def _requests(call: Any) -> Insert:
    kept = ["principal", "method", "request_id", "request_hash", "response"]
    return insert(common.request_ids).from_select(
        [*kept, "expires_at"],
        select(*(call.c[name] for name in kept), func.now() + literal_column("interval '24 hours'")).where(
            call.c.request_id != literal_column("''")
        ),
    )


def _end(state: ReservationState, action: str, *, overdue: bool = False) -> Statement:
    """End an order's open reservations; nothing when none is open, and only those past their time if `overdue`."""
    open_ = (
        select(_r.id, _r.product_variant_id)
        .join_from(stock_reservations, inventories, _i.product_variant_id == _r.product_variant_id)
        .where(_r.order_id == bindparam("order_id", type_=Text), _r.state == _state(ReservationState.HELD))
    )
    if overdue:
        open_ = open_.where(_r.expires_at <= bindparam("now", type_=timestamp))
    # Locked in the order in which a flush locks, so that neither waits for the other in a ring.
    locked = open_.order_by(_r.product_variant_id).with_for_update(of=(stock_reservations, inventories)).cte("locked")
    ended = HOLD.change(
        update(stock_reservations).where(_r.id == locked.c.id).values(state=_state(state), updated_at=func.now()),
        action,
        audit=False,
        name="ended",
    )
    line = ended.cte.c
    counted = update(inventories).where(_i.product_variant_id == line.product_variant_id)
    if state is ReservationState.COMMITTED:
        counted = counted.values(
            quantity_on_hand=_i.quantity_on_hand - line.quantity,
            quantity_reserved=_i.quantity_reserved - line.quantity,
            version=_i.version + 1,
        )
        # Sold once: a movement has its reservation's id.
        sold = select(line.id, line.product_variant_id, -line.quantity, literal_column("'sold'"), line.order_id)
        columns = ["id", "product_variant_id", "delta", "reason", "order_id"]
        parts = [insert(stock_movements).from_select(columns, sold).cte("sold")]
    else:
        counted = counted.values(
            quantity_reserved=_i.quantity_reserved - line.quantity,
            quantity_available=_i.quantity_available + line.quantity,
        )
        parts = []
    return recorded(
        common,
        ended,
        parts=[counted.values(updated_at=func.now()).cte("counted"), *parts],
        answer=select(line.product_variant_id, line.quantity, line.expires_at),
        batch=True,
    )


_HOLD = _hold()
_COMMIT = _end(ReservationState.COMMITTED, "stock.committed")
_RELEASE = _end(ReservationState.RELEASED, "stock.released")
_EXPIRE = _end(ReservationState.EXPIRED, "stock.expired", overdue=True)
_OF_ORDER = Statement(
    select(_r.product_variant_id, _r.quantity, _r.state, _r.expires_at)
    .where(_r.order_id == bindparam("order_id", type_=Text))
    .order_by(_r.id)
)
_OVERDUE = Statement(
    select(_r.order_id)
    .distinct()
    .where(_r.state == _state(ReservationState.HELD), _r.expires_at <= bindparam("now", type_=timestamp))
    .limit(bindparam("most", type_=Integer))
)
_EXTEND = Statement(
    update(stock_reservations)
    .where(_r.order_id == _each("orders").any_(), _r.state == _state(ReservationState.HELD))
    .values(expires_at=bindparam("until", type_=timestamp), updated_at=func.now())
)
_LOCK_ORDER = Statement(select(_order_locks(bindparam("order_id", type_=Text))))
_FENCE = Statement(
    insert(common.request_ids)
    .from_select(
        ["principal", "method", "request_id", "request_hash", "expires_at"],
        select(
            _fence(bindparam("order_id", type_=Text)),
            _FENCE_METHOD,
            _FENCE_ID,
            literal_column("''::bytea"),
            func.now() + literal_column("interval '24 hours'"),
        ),
    )
    .on_conflict_do_nothing()
)
_FIRST_ANSWER = Statement(
    select(common.request_ids.c.request_hash, common.request_ids.c.response).where(
        common.request_ids.c.principal == bindparam("principal"),
        common.request_ids.c.method == bindparam("method"),
        common.request_ids.c.request_id == bindparam("request_id"),
    )
)


async def lock(
    on: Executor, variant_ids: Collection[str], order_ids: Collection[str]
) -> tuple[Stock, dict[str, list[Held]]]:
    """The variants' stock, locked in order of id, and what these orders hold already, by order."""
    rows = await on.fetch(_LOCK, ids=list(variant_ids), orders=sorted(order_ids))
    held: dict[str, list[Held]] = {}
    for order_id, variant_id, quantity, state, seconds in (rows[0]["held"] or ()) if rows else ():
        expires_at = datetime.fromtimestamp(float(seconds), UTC)
        held.setdefault(order_id, []).append(Held(variant_id, quantity, ReservationState(state), expires_at))
    return Stock(offer(row) for row in rows), held


async def hold(on: Executor, granted: Sequence[Granted], taken: Mapping[str, int], expires_at: datetime) -> set[str]:
    """Write what has been granted; `taken` is its sum by variant. The orders written: those released before are not.

    When an order is missing from the answer the counters are wrong: roll back, and ask again without it.
    """
    lines = [(each.order_id, line) for each in granted for line in each.lines]
    written = await on.fetch(
        _HOLD,
        ids=[cuid() for _ in lines],
        variants=[line.product_variant_id for _, line in lines],
        line_orders=[order_id for order_id, _ in lines],
        quantities=[line.quantity for _, line in lines],
        expires_at=expires_at,
        taken_variants=list(taken),
        taken_quantities=list(taken.values()),
        orders=[each.order_id for each in granted],
        actors=[each.headers for each in granted],
        principals=[each.principal for each in granted],
        methods=[each.method for each in granted],
        request_ids=[each.request_id for each in granted],
        request_hashes=[each.request_hash for each in granted],
        responses=[each.response for each in granted],
    )
    return {row["order_id"] for row in written}


async def first_answer(on: Executor, principal: str, method: str, request_id: str) -> tuple[bytes, bytes] | None:
    """Hash of the body and serialized answer of the call that first had this request id."""
    row = await on.fetchrow(_FIRST_ANSWER, principal=principal, method=method, request_id=request_id)
    return None if row is None else (row["request_hash"], row["response"])


async def of_order(on: Executor, order_id: str) -> list[Held]:
    """Every reservation of an order, open or ended, oldest first."""
    rows = await on.fetch(_OF_ORDER, order_id=order_id)
    return [
        Held(row["product_variant_id"], row["quantity"], ReservationState(row["state"]), row["expires_at"])
        for row in rows
    ]


async def commit(on: Executor, order_id: str) -> bool:
    """Take what the order holds out of the stock for good; False when it holds nothing (any more)."""
    return bool(await on.fetch(_COMMIT, order_id=order_id))


async def release(on: Executor, order_id: str) -> None:
    """Give back what the order holds; needs a transaction. One that never held anything never will."""
    if await on.fetch(_RELEASE, order_id=order_id):
        return
    # Past this lock a reservation of the order is either committed, or comes after us and meets the fence.
    await on.fetch(_LOCK_ORDER, order_id=order_id)
    if not await on.fetch(_RELEASE, order_id=order_id) and not await of_order(on, order_id):
        await on.fetch(_FENCE, order_id=order_id)


async def expire(on: Executor, order_id: str, now: datetime) -> bool:
    """Make an order's open reservations EXPIRED if they are past their time; False when there are none."""
    return bool(await on.fetch(_EXPIRE, order_id=order_id, now=now))


async def overdue(on: Executor, now: datetime, most: int) -> list[str]:
    """At most so many orders with open reservations past their time."""
    return [row["order_id"] for row in await on.fetch(_OVERDUE, now=now, most=most)]


async def extend(on: Executor, order_ids: Collection[str], until: datetime) -> None:
    """Hold on longer for orders that live."""
    await on.fetch(_EXTEND, orders=list(order_ids), until=until)
