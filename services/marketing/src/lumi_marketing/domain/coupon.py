"""A coupon: when it counts, and how much it takes off."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from lumi_common.errors import Aborted, FailedPrecondition, InvalidArgument
from lumi_common.errors import Reason as Common
from lumi_common.money import check_currency, rounded
from lumi_marketing.domain.errors import Reason


class CouponType(StrEnum):
    PERCENTAGE = "PERCENTAGE"
    FIXED_AMOUNT = "FIXED_AMOUNT"
    FREE_SHIPPING = "FREE_SHIPPING"


ZERO = Decimal("0.00")


class Discount(NamedTuple):
    """What a coupon takes off an order's lines, and off its shipping."""

    lines: Decimal
    shipping: Decimal

    @property
    def total(self) -> Decimal:
        return self.lines + self.shipping


@dataclass(frozen=True, slots=True)
class Redemption:
    """One use of a coupon, by an order; `amount` is all that it took off."""

    id: str
    order_id: str
    amount: Decimal
    used_at: datetime


@dataclass
class Coupon:
    """`value` is percent points or an amount in `currency`, as `type` says, and 0 where the shipping comes off.

    Limits that are None do not bind.
    """

    id: str
    code: str
    type: CouponType
    value: Decimal
    currency: str | None
    description: str | None
    minimum_amount: Decimal | None
    maximum_discount: Decimal | None
    usage_limit: int | None
    usage_count: int
    per_user_limit: int | None
    starts_at: datetime | None
    expires_at: datetime | None
    is_active: bool
    version: int
    created_at: datetime
    updated_at: datetime

    def check(self) -> None:
        """Raise InvalidArgument for a coupon that could never be right."""
        field = VALUE_FIELDS[self.type]
        if field and (self.value <= 0 or (self.type is CouponType.PERCENTAGE and self.value > 100)):
            raise _invalid(Reason.VALUE_INVALID, field, "takes off nothing, or more than all")
        if self.currency is not None:
            check_currency(self.currency, field="coupon.amount.currency_code")
        if self.starts_at and self.expires_at and self.starts_at >= self.expires_at:
            raise _invalid(Reason.PERIOD_INVALID, "expire_time", "is not after the start")

    @property
    def etag(self) -> str:
        return str(self.version)

    def expect(self, etag: str) -> None:
        """Raise Aborted unless the caller saw this version (or did not say which)."""
        if etag and etag != self.etag:
            raise Aborted(Common.ETAG_MISMATCH, "the coupon has changed: read it again", field="etag", id=self.id)

    def discount(
        self, subtotal: Decimal, shipping: Decimal, currency: str, now: datetime, used_by_user: int | None
    ) -> Discount:
        """What it takes off lines and shipping that cost so much, at most all of it; `used_by_user` is None of a guest.

        Raises FailedPrecondition with the reason why it does not count.
        """
        self.expect_usable(now, used_by_user)
        if self.currency is not None and self.currency != currency:
            raise self._refused(Reason.COUPON_CURRENCY_MISMATCH, "is of another currency", currency=self.currency)
        if self.minimum_amount is not None and subtotal < self.minimum_amount:
            raise self._refused(
                Reason.COUPON_MINIMUM_NOT_REACHED, "needs a larger subtotal", minimum_amount=self.minimum_amount
            )
        match self.type:
            case CouponType.FREE_SHIPPING:
                amount = shipping
            case CouponType.FIXED_AMOUNT:
                amount = min(self.value, subtotal)
            case CouponType.PERCENTAGE:
                amount = min(rounded(subtotal * self.value / 100), subtotal)
        if self.maximum_discount is not None:
            amount = min(amount, self.maximum_discount)
        return self.split(amount)

    def split(self, total: Decimal) -> Discount:
        """All that it takes off, as what comes off the lines and what off the shipping: it is one or the other."""
        return Discount(ZERO, total) if self.type is CouponType.FREE_SHIPPING else Discount(total, ZERO)

    def expect_usable(self, now: datetime, used_by_user: int | None) -> None:
        """Raise FailedPrecondition with the reason why it does not count for this shopper now, whatever they buy.

        `used_by_user` is None of a guest: anybody can be a new one at any time, so there is nothing to count by.
        """
        if not self.is_active:
            raise self._refused(Reason.COUPON_INACTIVE, "is switched off")
        if self.starts_at is not None and now < self.starts_at:
            raise self._refused(Reason.COUPON_NOT_STARTED, "does not count yet", start_time=self.starts_at)
        if self.expires_at is not None and now >= self.expires_at:
            raise self._refused(Reason.COUPON_EXPIRED, "no longer counts")
        if self.usage_limit is not None and self.usage_count >= self.usage_limit:
            raise self._refused(Reason.COUPON_USED_UP, "is used up")
        if self.per_user_limit is None:
            return
        if used_by_user is None:
            raise self._refused(Reason.COUPON_NEEDS_USER, "is limited per user, so not for guests")
        if used_by_user >= self.per_user_limit:
            raise self._refused(Reason.COUPON_USED_BY_USER, "was used as often as one customer may")

    def _refused(self, reason: Reason, why: str, **facts: Any) -> FailedPrecondition:
        return FailedPrecondition(reason, f"coupon {self.code} {why}", code=self.code, **facts)


# The field of a request that gives the value, none where there is none to give.
VALUE_FIELDS = {CouponType.FIXED_AMOUNT: "amount", CouponType.PERCENTAGE: "percent", CouponType.FREE_SHIPPING: ""}


def _invalid(reason: Reason, field: str, why: str) -> InvalidArgument:
    return InvalidArgument(reason, why, field=f"coupon.{field}")
