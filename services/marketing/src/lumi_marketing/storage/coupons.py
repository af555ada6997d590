"""Coupons and redemptions in Postgres."""

from decimal import Decimal

from sqlalchemy import (
    Boolean,
    Interval,
    Numeric,
    Text,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects import postgresql

from lumi_common.cuid import cuid
from lumi_common.db.page import Listing
from lumi_common.db.record import recorded
from lumi_common.db.removal import ROWS_AT_ONCE, in_parts, removal, removals
from lumi_common.db.repository import Repository
from lumi_common.db.statement import Statement
from lumi_marketing.domain.coupon import Coupon, Redemption
from lumi_marketing.domain.errors import Reason
from lumi_marketing.storage.references import AGGREGATES
from lumi_marketing.storage.tables import COUPON, COUPON_USAGE, common, coupon_usages, coupons

_BY_CODE = select(coupons).where(coupons.c.code == bindparam("code", type_=coupons.c.code.type))
_FIND_BY_CODE = Statement(_BY_CODE)

# One order's redemption and release exclude each other, and redemptions of one coupon queue at its row.
_alone = func.pg_advisory_xact_lock(func.hashtextextended(bindparam("order_id", type_=Text), literal_column("0")))
_ALONE = Statement(select(_alone))
_LOCK_BY_CODE = Statement(_BY_CODE.add_columns(_alone).with_for_update(of=coupons))

# A release is a mark among the request ids that says: this order's redemption is answered for good. It lives a day,
# far longer than any redemption can be on its way.
_CLOSED = {"principal": "closed", "method": "lumi.marketing.v1.CouponService/RedeemCoupon"}
_marks = common.request_ids
_CLOSE = Statement(
    postgresql.insert(_marks)
    .values(
        **_CLOSED,
        request_id=bindparam("order_id", type_=Text),
        request_hash=literal_column("''::bytea"),
        expires_at=func.now() + literal_column("interval '24 hours'", Interval),
    )
    .on_conflict_do_nothing()
)

# Run after the locks are held, in a statement of its own: only then does its snapshot hold what came before.
_REDEEMED = Statement(
    select(
        select(func.count())
        .where(
            coupon_usages.c.coupon_id == bindparam("coupon_id", type_=Text),
            coupon_usages.c.user_id == bindparam("user_id", type_=Text),
        )
        .scalar_subquery()
        .label("by_user"),
        exists(
            select(_marks.c.request_id).where(
                _marks.c.principal == _CLOSED["principal"],
                _marks.c.method == _CLOSED["method"],
                _marks.c.request_id == bindparam("order_id", type_=Text),
            )
        ).label("closed"),
    )
)
_USAGE = Statement(
    select(coupon_usages).where(
        coupon_usages.c.coupon_id == bindparam("coupon_id", type_=Text),
        coupon_usages.c.order_id == bindparam("order_id", type_=Text),
    )
)
_COUNT_BY_USER = Statement(
    select(func.count()).where(
        coupon_usages.c.coupon_id == bindparam("coupon_id", type_=Text),
        coupon_usages.c.user_id == bindparam("user_id", type_=Text),
    )
)

_counted = (
    update(coupons)
    .where(coupons.c.id == bindparam("coupon_id", type_=Text))
    .values(usage_count=coupons.c.usage_count + 1, updated_at=func.now())
    .returning(coupons.c.id)
    .cte("counted")
)
_REDEEM = recorded(
    common,
    COUPON_USAGE.change(
        insert(coupon_usages).from_select(
            ["id", "coupon_id", "user_id", "order_id", "discount_amount"],
            select(
                bindparam("id", type_=Text),
                _counted.c.id,
                bindparam("user_id", type_=Text),
                bindparam("order_id", type_=Text),
                bindparam("amount", type_=Numeric(14, 2)),
            ),
        ),
        "coupon_usage.redeemed",
    ),
)
# The coupon before its redemptions, as whoever redeems or deletes it takes them.
_of_order = coupon_usages.c.order_id == bindparam("order_id", type_=Text)
_held = (
    select(coupons.c.id)
    .where(coupons.c.id.in_(select(coupon_usages.c.coupon_id).where(_of_order)))
    .with_for_update(key_share=True)
    .cte("held")
)
_gone = COUPON_USAGE.change(
    delete(coupon_usages).where(_of_order, coupon_usages.c.coupon_id.in_(select(_held.c.id))),
    "coupon_usage.released",
)
_uncounted = (
    update(coupons)
    .where(coupons.c.id == _gone.cte.c.coupon_id)
    .values(usage_count=coupons.c.usage_count - 1, updated_at=func.now())
    .returning(coupons.c.id)
    .cte("uncounted")
)
_RELEASE = recorded(common, _gone, parts=(_uncounted,))

# A popular coupon's do not fit one message.
_some_uses = (
    select(coupon_usages.c.id)
    .where(coupon_usages.c.coupon_id == bindparam("id", type_=Text))
    .limit(literal_column(str(ROWS_AT_ONCE)))
)
_DELETE_USES = removals(
    common,
    COUPON_USAGE,
    delete(coupon_usages).where(coupon_usages.c.id.in_(_some_uses)),
    "coupon_usage.deleted",
    AGGREGATES,
)
_DELETE = removal(common, COUPON, "coupon.deleted", AGGREGATES)


class CouponRepository(Repository[Coupon]):
    """Coupons by id and by code, and their redemptions."""

    aggregate, common, entity, missing = COUPON, common, Coupon, Reason.COUPON_NOT_FOUND

    async def get_by_code(self, code: str) -> Coupon:
        """The coupon with this code, whatever its letters' case; raises NotFound."""
        row = await self._on.fetchrow(_FIND_BY_CODE, code=code)
        if row is None:
            raise self.not_found(code)
        return self.row(row)

    async def lock_for(self, order_id: str, code: str) -> Coupon:
        """The coupon, held together with the order's redemption until the transaction ends; raises NotFound."""
        row = await self._on.fetchrow(_LOCK_BY_CODE, order_id=order_id, code=code)
        if row is None:
            raise self.not_found(code)
        return self.row(row)

    async def used_by(self, coupon_id: str, user_id: str) -> int | None:
        """How often this user redeemed it; None of a guest, whose `user_id` is empty."""
        if not user_id:
            return None
        count: int = await self._on.fetchval(_COUNT_BY_USER, coupon_id=coupon_id, user_id=user_id)
        return count

    async def redemption(self, coupon_id: str, order_id: str) -> Redemption | None:
        """The coupon's redemption by this order, if there is one."""
        row = await self._on.fetchrow(_USAGE, coupon_id=coupon_id, order_id=order_id)
        return None if row is None else Redemption(row["id"], order_id, row["discount_amount"], row["used_at"])

    async def standing(self, coupon_id: str, user_id: str, order_id: str) -> tuple[int | None, bool]:
        """How often this user redeemed it, None of a guest, and whether the order's redemption is closed already."""
        row = await self._on.fetchrow(_REDEEMED, coupon_id=coupon_id, user_id=user_id, order_id=order_id)
        assert row is not None
        return row["by_user"] if user_id else None, row["closed"]

    async def redeem(self, coupon_id: str, user_id: str, order_id: str, amount: Decimal) -> Redemption:
        """Count one more use and keep whose it was; the coupon must be locked."""
        row = await self._on.fetchrow(
            _REDEEM, id=cuid(), coupon_id=coupon_id, user_id=user_id or None, order_id=order_id, amount=amount
        )
        assert row is not None
        return Redemption(row["id"], order_id, amount, row["used_at"])

    async def delete(self, coupon: Coupon) -> None:
        """Delete a locked coupon with its redemptions."""
        await in_parts(self._on, _DELETE_USES, id=coupon.id)
        await self._on.fetchrow(_DELETE, id=coupon.id)

    async def release(self, order_id: str) -> None:
        """Give back what this order redeemed, if anything, and let nothing more be redeemed for it."""
        await self._on.fetchrow(_ALONE, order_id=order_id)
        await self._on.fetchrow(_CLOSE, order_id=order_id)
        await self._on.fetchrow(_RELEASE, order_id=order_id)


_is_active = coupons.c.is_active == bindparam("is_active", type_=Boolean)
COUPONS = Listing(select(coupons), coupons.c.id, {"is_active": _is_active}, descending=True)
