"""The SQL of reserving: lock what is asked for, write what is granted, and look up what is held."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    BindParameter,
    Insert,
    Integer,
    LargeBinary,
    Select,
    Text,
    and_,
    bindparam,
    cast,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import insert as insert_once

from lumi_catalogue.domain.reservation import Held, Line, ReservationState, Stock
from lumi_catalogue.storage.fences import not_fenced, orders_locked
from lumi_catalogue.storage.offers import OFFERS, SELLS_ON, offer
from lumi_catalogue.storage.tables import HOLD, common, in_state, inventories, stock_reservations
from lumi_common.cuid import cuid
from lumi_common.db.database import Executor
from lumi_common.db.record import Change
from lumi_common.db.statement import Statement
from lumi_common.db.tables import timestamp
from lumi_common.errors import Aborted
from lumi_common.errors import Reason as CommonReason

_r, _i = stock_reservations.c, inventories.c

RequestKey = tuple[str, str, str]
"""Principal, method and request id."""

_KEY = ("principal", "method", "request_id")
_KEPT = (*_KEY, "request_hash", "response")


class Granted(NamedTuple):
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


class FirstAnswer(NamedTuple):
    """What the call that first had a request id was answered, and the hash of its body."""

    request_hash: bytes
    response: bytes


class Locked(NamedTuple):
    """What requests are decided by: the stock of their variants, locked, and what their orders hold already.

    `first_answers` has those that their request ids had before.
    """

    stock: Stock
    held: dict[str, list[Held]]
    first_answers: dict[RequestKey, FirstAnswer]


def _each(name: str, type_: Any = Text) -> BindParameter[Any]:
    return bindparam(name, type_=ARRAY(type_))


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


def _first_answers() -> Select[Any]:
    ids = common.request_ids.c
    asked = func.unnest(*(_each(f"{name}s") for name in _KEY)).table_valued(*_KEY).render_derived(name="asked")
    same = and_(*(ids[name] == asked.c[name] for name in _KEY))
    return select(*(ids[name] for name in _KEPT)).join_from(asked, common.request_ids, same)


_FIRST_ANSWERS = Statement(_first_answers())
_first = _first_answers().subquery("first")
# As one JSON array in every row, with bytes in hexadecimal digits; null as a rule.
_ANSWERED_BEFORE = select(
    func.jsonb_agg(
        func.jsonb_build_array(
            *(_first.c[name] for name in _KEY), *(func.encode(_first.c[name], "hex") for name in FirstAnswer._fields)
        )
    )
).scalar_subquery()
_LOCK = Statement(
    OFFERS.add_columns(_HELD_ALREADY.label("held"), _ANSWERED_BEFORE.label("first_answers"))
    .where(orders_locked("orders"))
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
    rows = select(
        line.c.id,
        line.c.product_variant_id,
        line.c.order_id,
        line.c.quantity,
        in_state(ReservationState.HELD),
        bindparam("expires_at", type_=timestamp),
    ).where(not_fenced(line.c.order_id))
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
        .where(
            _i.product_variant_id == taken.c.product_variant_id,
            # Says the same again: found by its key, whatever was known of the table when the statement was planned.
            _i.product_variant_id == _each("taken_variants").any_(),
            or_(_i.quantity_available >= taken.c.quantity, SELLS_ON),
        )
        .values(
            quantity_reserved=_i.quantity_reserved + taken.c.quantity,
            quantity_available=_i.quantity_available - taken.c.quantity,
            updated_at=func.now(),
        )
        .returning(_i.id)
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
        select(held.cte.c.order_id, select(func.count()).select_from(counted).scalar_subquery().label("counted"))
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
    return insert(common.request_ids).from_select(
        [*_KEPT, "expires_at"],
        select(*(call.c[name] for name in _KEPT), func.now() + literal_column("interval '24 hours'")).where(
            call.c.request_id != literal_column("''")
        ),
    )


_HOLD = _hold()
_OF_ORDER = Statement(
    select(_r.product_variant_id, _r.quantity, _r.state, _r.expires_at)
    .where(_r.order_id == bindparam("order_id", type_=Text))
    .order_by(_r.id)
)
_KEEP = Statement(
    insert_once(common.request_ids)
    .values(**{name: bindparam(name) for name in _KEPT}, expires_at=func.now() + literal_column("interval '24 hours'"))
    .on_conflict_do_nothing()
    .returning(common.request_ids.c.request_id)
)


async def lock(
    on: Executor, variant_ids: Collection[str], order_ids: Collection[str], keys: Sequence[RequestKey]
) -> Locked:
    """Lock the variants' stock, in order of id, and look up what else requests for it are decided by."""
    rows = await on.fetch(_LOCK, ids=list(variant_ids), orders=sorted(order_ids), **_of_keys(keys))
    if not rows:
        return Locked(Stock(()), {}, await first_answers(on, keys))
    held: dict[str, list[Held]] = {}
    for order_id, variant_id, quantity, state, seconds in rows[0]["held"] or ():
        expires_at = datetime.fromtimestamp(float(seconds), UTC)
        held.setdefault(order_id, []).append(Held(variant_id, quantity, ReservationState(state), expires_at))
    answers = {
        (principal, method, request_id): FirstAnswer(bytes.fromhex(request_hash), bytes.fromhex(response))
        for principal, method, request_id, request_hash, response in rows[0]["first_answers"] or ()
    }
    return Locked(Stock(offer(row) for row in rows), held, answers)


async def hold(on: Executor, granted: Sequence[Granted], taken: Mapping[str, int], expires_at: datetime) -> set[str]:
    """Write what has been granted; `taken` is its sum by variant. The orders written: those released before are not.

    When an order is missing from the answer the counters are wrong: roll back, and ask again without it. So they are
    when this raises Aborted: the policy of a variant that was to sell on has changed.
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
    if any(row["counted"] != len(taken) for row in written):
        raise Aborted(CommonReason.UNAVAILABLE, "what may be sold has just changed: try again")
    return {row["order_id"] for row in written}


async def first_answers(on: Executor, keys: Sequence[RequestKey]) -> dict[RequestKey, FirstAnswer]:
    """Those of the calls that first had these request ids."""
    rows = await on.fetch(_FIRST_ANSWERS, **_of_keys(keys))
    return {
        (row["principal"], row["method"], row["request_id"]): FirstAnswer(row["request_hash"], row["response"])
        for row in rows
    }


async def keep(on: Executor, granted: Granted) -> bool:
    """Keep the answer of a request that found its stock reserved; False when its id has one."""
    row = await on.fetchrow(
        _KEEP,
        principal=granted.principal,
        method=granted.method,
        request_id=granted.request_id,
        request_hash=granted.request_hash,
        response=granted.response,
    )
    return row is not None


async def of_order(on: Executor, order_id: str) -> list[Held]:
    """Every reservation of an order, open or ended, oldest first."""
    rows = await on.fetch(_OF_ORDER, order_id=order_id)
    return [
        Held(row["product_variant_id"], row["quantity"], ReservationState(row["state"]), row["expires_at"])
        for row in rows
    ]


def _of_keys(keys: Sequence[RequestKey]) -> dict[str, list[str]]:
    principals, methods, ids = (list(each) for each in zip(*keys, strict=True))
    return {"principals": principals, "methods": methods, "request_ids": ids}
