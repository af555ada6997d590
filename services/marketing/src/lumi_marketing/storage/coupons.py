"""Coupons and redemptions in Postgres."""

from decimal import Decimal

from sqlalchemy import Boolean, Numeric, Text, bindparam, case, delete, func, insert, select, update

from lumi_common.cuid import cuid
from lumi_common.db.page import Listing
from lumi_common.db.record import recorded
from lumi_common.db.repository import Repository
from lumi_common.db.statement import Statement
from lumi_marketing.domain.coupon import Coupon
from lumi_marketing.domain.errors import Reason
from lumi_marketing.storage.tables import COUPON, COUPON_USAGE, common, coupon_usages, coupons

_BY_CODE = select(coupons).where(coupons.c.code == bindparam("code", type_=coupons.c.code.type))
_FIND_BY_CODE = Statement(_BY_CODE)
_LOCK_BY_CODE = Statement(_BY_CODE.with_for_update())

# Run after the lock is held, in a statement of its own: only then does its snapshot hold every earlier redemption.
_REDEEMED = Statement(
    select(
        func.count().filter(coupon_usages.c.user_id == bindparam("user_id", type_=Text)).label("by_user"),
        func.max(
            case(
                (
                    coupon_usages.c.order_id == bindparam("order_id", type_=Text),
                    coupon_usages.c.discount_amount,
                )
            )
        ).label("for_order"),
    ).where(coupon_usages.c.coupon_id == bindparam("coupon_id", type_=Text))
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
    .values(usage_count=coupons.c.usage_count + 1)
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
_gone = COUPON_USAGE.change(
    delete(coupon_usages).where(coupon_usages.c.order_id == bindparam("order_id", type_=Text)),
    "coupon_usage.released",
)
_uncounted = (
    update(coupons)
    .where(coupons.c.id == _gone.cte.c.coupon_id)
    .values(usage_count=coupons.c.usage_count - 1)
    .returning(coupons.c.id)
    .cte("uncounted")
)
_RELEASE = recorded(common, _gone, parts=(_uncounted,))


class CouponRepository(Repository[Coupon]):
    """Coupons by id and by code, and their redemptions."""

    aggregate, common, entity, missing = COUPON, common, Coupon, Reason.COUPON_NOT_FOUND

    async def get_by_code(self, code: str) -> Coupon:
        """The coupon with this code, whatever its letters' case; raises NotFound."""
        row = await self._on.fetchrow(_FIND_BY_CODE, code=code)
        if row is None:
            raise self.not_found(code)
        return self.row(row)

    async def lock_by_code(self, code: str) -> Coupon:
        """The same, held until the transaction ends: redemptions of one coupon queue here."""
        row = await self._on.fetchrow(_LOCK_BY_CODE, code=code)
        if row is None:
            raise self.not_found(code)
        return self.row(row)

    async def used_by(self, coupon_id: str, user_id: str) -> int:
        """How often this user redeemed it."""
        count: int = await self._on.fetchval(_COUNT_BY_USER, coupon_id=coupon_id, user_id=user_id)
        return count

    async def redeemed(self, coupon_id: str, user_id: str, order_id: str) -> tuple[int, Decimal | None]:
        """How often this user redeemed it, and for what amount this order did; call it with the coupon locked."""
        row = await self._on.fetchrow(_REDEEMED, coupon_id=coupon_id, user_id=user_id, order_id=order_id)
        assert row is not None
        return row["by_user"], row["for_order"]

    async def redeem(self, coupon_id: str, user_id: str, order_id: str, amount: Decimal) -> None:
        """Count one more use and keep whose it was; the coupon must be locked."""
        await self._on.fetchrow(
            _REDEEM, id=cuid(), coupon_id=coupon_id, user_id=user_id or None, order_id=order_id, amount=amount
        )

    async def release(self, order_id: str) -> bool:
        """Give back what this order redeemed; False when there is nothing (left) to give back."""
        return await self._on.fetchrow(_RELEASE, order_id=order_id) is not None


_is_active = coupons.c.is_active == bindparam("is_active", type_=Boolean)
COUPONS = Listing(select(coupons), coupons.c.id, {"is_active": _is_active}, descending=True)
