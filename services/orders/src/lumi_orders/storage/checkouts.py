"""The placing of orders as rows: begun, moved along, taken up by the sweeper, ended."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import (
    Boolean,
    LargeBinary,
    Text,
    and_,
    bindparam,
    case,
    delete,
    func,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.types import Integer, Interval

from lumi_common.cuid import cuid
from lumi_common.db.database import Database, Executor
from lumi_common.db.statement import Statement
from lumi_common.db.tables import timestamp
from lumi_orders.domain.cart import Cart
from lumi_orders.domain.checkout import Origin, Rival, Step
from lumi_orders.storage.carts import cart_of, cart_with_items
from lumi_orders.storage.rows import owned
from lumi_orders.storage.tables import (
    carts,
    checkouts,
    common,
    orders,
)

# How often the beginning of a placing looks again because the cart has changed under its eyes.
LOOKS = 5

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
    mine = owned(carts.c.user_id, carts.c.session_id)
    cart = cart_with_items.where(carts.c.id == bindparam("cart_id", type_=Text), mine).cte("cart")
    # The look may be older than the row is by now: the cart is held as it is, and begins nothing if it is another.
    held = (
        select(carts.c.id, carts.c.version)
        .where(carts.c.id == bindparam("cart_id", type_=Text), carts.c.status == literal_column("'ACTIVE'"), mine)
        .with_for_update(key_share=True)
        .cte("held")
    )
    as_seen = select(held.c.id).where(held.c.version == cart.c.version).exists()
    active = cart.c.status == literal_column("'ACTIVE'")
    expected = bindparam("expected", type_=Integer)
    ready = select(
        bindparam("id", type_=Text),
        _order_id,
        cart.c.id,
        literal_column("'RESERVE'"),
        _later,
        cart.c.coupon_code,
        bindparam("provider", type_=Text),
        bindparam("principal", type_=Text),
        func.nullif(request_id, literal_column("''")),
        bindparam("request_hash", type_=LargeBinary),
    ).where(
        active,
        as_seen,
        func.json_array_length(cart.c["items"]) > 0,
        or_(expected.is_(None), cart.c.version == expected),
        or_(bindparam("has_address", type_=Boolean), cart.c.shipping_address.is_not(None)),
        ~repeated,
    )
    names = ["id", "order_id", "cart_id", "step", "next_attempt_at"]
    origin = ["coupon_code", "provider", "principal", "request_id", "request_hash"]
    new = upsert(checkouts).from_select([*names, *origin], ready).on_conflict_do_nothing()
    started = new.returning(checkouts.c.id).cte("started")
    return Statement(
        select(
            cart,
            select(started.c.id).exists().label("started"),
            repeated.label("repeated"),
            and_(active, ~as_seen).label("changed"),
        ),
        step="checkout.begun",
    )


_START = _start()

_RIVAL = Statement(
    select(
        checkouts.c.order_id,
        checkouts.c.step,
        checkouts.c.principal,
        checkouts.c.request_id,
        checkouts.c.request_hash,
    )
    .where(
        or_(
            checkouts.c.cart_id == bindparam("cart_id", type_=Text),
            checkouts.c.order_id == _order_id,
            and_(
                checkouts.c.principal == bindparam("principal", type_=Text),
                checkouts.c.request_id == bindparam("request_id", type_=Text),
            ),
        )
    )
    .limit(1)
)
_STEP = Statement(
    select(checkouts.c.step)
    .join_from(checkouts, orders, orders.c.id == checkouts.c.order_id)
    .where(checkouts.c.order_id == _order_id, orders.c.status != literal_column("'CANCELLED'"))
)
_UNDO = Statement(
    update(checkouts)
    .where(checkouts.c.order_id == _order_id)
    .values(step="UNDO", next_attempt_at=_later, error=bindparam("to_error", type_=Text), updated_at=func.now())
    .returning(checkouts.c.attempts)
)
# A further payment was refused, so that nothing is to be done any more.
_DROP = Statement(
    delete(checkouts).where(checkouts.c.order_id == _order_id, checkouts.c.step == literal_column("'RETRY'"))
)
_POSTPONE = Statement(
    update(checkouts)
    .where(checkouts.c.order_id == _order_id)
    .values(next_attempt_at=_later, error=bindparam("to_error", type_=Text), updated_at=func.now())
)
_NOTE = Statement(
    update(checkouts).where(checkouts.c.order_id == _order_id).values(error=bindparam("to_error", type_=Text))
)
# Not when there is more to undo than whoever ends it knew of: somebody took it up since, or it was woken.
_END = Statement(
    delete(checkouts).where(
        checkouts.c.order_id == _order_id,
        checkouts.c.step == literal_column("'UNDO'"),
        checkouts.c.attempts == bindparam("attempts", type_=Integer),
    ),
    step="checkout.undone",
)


def _wake() -> Statement:
    """A cancelled order's giving back, begun anew."""
    again = upsert(checkouts).from_select(
        ["id", "order_id", "step", "coupon_code", "next_attempt_at"],
        select(
            bindparam("id", type_=Text), orders.c.id, literal_column("'UNDO'"), orders.c.coupon_code, func.now()
        ).where(orders.c.id == _order_id, orders.c.status == literal_column("'CANCELLED'")),
    )
    return Statement(
        again.on_conflict_do_update(
            index_elements=["order_id"],
            set_={"attempts": checkouts.c.attempts + 1, "next_attempt_at": func.now(), "updated_at": func.now()},
        )
    )


_WAKE = _wake()
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
        checkouts.c.id,
        checkouts.c.order_id,
        checkouts.c.step,
        checkouts.c.attempts,
        checkouts.c.coupon_code,
        checkouts.c.provider,
        checkouts.c.principal,
        checkouts.c.request_id,
        checkouts.c.request_hash,
    )
)

_COUNT = Statement(select(checkouts.c.step, func.count().label("number")).group_by(checkouts.c.step))


@dataclass(frozen=True, slots=True)
class Started:
    """What step 1 found: the cart, whether its checkout began, and whether this call was answered before."""

    cart: Cart
    started: bool
    repeated: bool


@dataclass(frozen=True, slots=True)
class Due:
    """A checkout that somebody left, taken up; `origin` is None where the call gave no request id."""

    id: str
    order_id: str
    step: Step
    attempts: int
    coupon_code: str | None
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
        has_address: bool,
        provider: str,
        origin: Origin,
        method: str,
        lease: timedelta,
    ) -> Started | None:
        """Begin the placing of a cart; None when there is no such cart.

        Nothing begins unless the cart may be placed, and while another placing of it, or under this request id, is on.
        """
        for _ in range(LOOKS):
            row = await self._on.fetchrow(
                _START,
                id=cuid(),
                order_id=order_id,
                cart_id=cart_id,
                owner=owner,
                expected=expected,
                has_address=has_address,
                provider=provider,
                principal=origin.principal,
                method=method,
                request_id=origin.request_id,
                request_hash=origin.request_hash,
                lease=lease,
            )
            if row is None or not row["changed"]:
                break
        return None if row is None else Started(cart_of(row), row["started"], row["repeated"])

    async def find_rival(self, origin: Origin, *, cart_id: str = "", order_id: str = "") -> Rival | None:
        """What is at this cart or this order, or goes by this request id, if anything is."""
        row = await self._on.fetchrow(
            _RIVAL, cart_id=cart_id, order_id=order_id, principal=origin.principal, request_id=origin.request_id
        )
        if row is None:
            return None
        asked_by = Origin(row["principal"] or "", row["request_id"] or "", row["request_hash"] or b"")
        return Rival(row["order_id"], Step(row["step"]), asked_by)

    async def step_of(self, order_id: str) -> Step | None:
        """At what an order that is there and not cancelled is being worked, if it is."""
        step = await self._on.fetchval(_STEP, order_id=order_id)
        return None if step is None else Step(step)

    async def undo(self, order_id: str, error: str, lease: timedelta) -> int | None:
        """Turn back; how often it was taken up so far, None when the checkout is over."""
        attempts: int | None = await self._on.fetchval(_UNDO, order_id=order_id, to_error=error[:500], lease=lease)
        return attempts

    async def wake(self, order_id: str) -> None:
        """Have the sweeper give back, now, what was taken for a cancelled order; any other is left alone."""
        await self._on.fetchrow(_WAKE, id=cuid(), order_id=order_id)

    async def drop(self, order_id: str) -> None:
        """No further payment is being made, since it was refused."""
        await self._on.fetchrow(_DROP, order_id=order_id)

    async def postpone(self, order_id: str, error: str, lease: timedelta) -> None:
        """Leave it to the sweeper, once `lease` is over."""
        await self._on.fetchrow(_POSTPONE, order_id=order_id, to_error=error[:500], lease=lease)

    async def note(self, order_id: str, error: str) -> None:
        """Say what keeps it from going on."""
        await self._on.fetchrow(_NOTE, order_id=order_id, to_error=error[:500])

    async def end(self, order_id: str, attempts: int) -> None:
        """All of it is undone that there was when it had been taken up `attempts` times."""
        await self._on.fetchrow(_END, order_id=order_id, attempts=attempts)

    async def count_by_step(self) -> dict[str, int]:
        """How many there are at each step."""
        found = {row["step"]: row["number"] for row in await self._on.fetch(_COUNT)}
        return {step: found.get(step, 0) for step in Step}

    async def claim(self, lease: timedelta, limit: int = 20) -> list[Due]:
        """Take up checkouts whose time has come; one whose order is not written yet is to be undone."""
        return [
            Due(
                row["id"],
                row["order_id"],
                Step(row["step"]),
                row["attempts"],
                row["coupon_code"],
                row["provider"] or "",
                Origin(row["principal"], row["request_id"], row["request_hash"]) if row["request_id"] else None,
            )
            for row in await self._on.fetch(_CLAIM, lease=lease, limit=limit)
        ]
