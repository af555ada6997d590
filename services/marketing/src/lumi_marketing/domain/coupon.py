"""A coupon: when it counts, and how much it takes off."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from lumi_common.errors import FailedPrecondition, InvalidArgument
from lumi_common.money import check_currency, rounded
from lumi_marketing.domain.errors import Reason


class CouponType(StrEnum):
    PERCENTAGE = "PERCENTAGE"
    FIXED_AMOUNT = "FIXED_AMOUNT"
    FREE_SHIPPING = "FREE_SHIPPING"


@dataclass(frozen=True, slots=True)
class Redemption:
    """One use of a coupon, by an order."""

    id: str
    order_id: str
    amount: Decimal
    used_at: datetime


@dataclass
class Coupon:
    """`value` is percent points or an amount in `currency`, as `type` says; limits that are None do not bind."""

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
        if self.type is CouponType.FREE_SHIPPING:
            raise _invalid(Reason.COUPON_TYPE_UNSUPPORTED, "type", "no order has shipping costs yet")
        if self.value <= 0 or (self.type is CouponType.PERCENTAGE and self.value > 100):
            raise _invalid(Reason.VALUE_INVALID, _VALUE_FIELDS[self.type], "takes off nothing, or more than all")
        if self.currency is not None:
            check_currency(self.currency, field="coupon.amount.currency_code")
        if self.starts_at and self.expires_at and self.starts_at >= self.expires_at:
            raise _invalid(Reason.PERIOD_INVALID, "expire_time", "is not after the start")

    def discount(self, subtotal: Decimal, currency: str, now: datetime, used_by_user: int = 0) -> Decimal:
        """What it takes off this subtotal, at most all of it; raises FailedPrecondition with the reason it does not."""
        self.expect_usable(now, used_by_user)
        if self.currency is not None and self.currency != currency:
            raise self._refused(Reason.COUPON_CURRENCY_MISMATCH, "is of another currency", currency=self.currency)
        if self.minimum_amount is not None and subtotal < self.minimum_amount:
            raise self._refused(
                Reason.COUPON_MINIMUM_NOT_REACHED, "needs a larger subtotal", minimum_amount=self.minimum_amount
            )
        amount = self.value if self.type is CouponType.FIXED_AMOUNT else rounded(subtotal * self.value / 100)
        if self.maximum_discount is not None:
            amount = min(amount, self.maximum_discount)
        return min(amount, subtotal)

    def expect_usable(self, now: datetime, used_by_user: int = 0) -> None:
        """Raise FailedPrecondition with the reason why it does not count for this user now, whatever they buy."""
        if not self.is_active:
            raise self._refused(Reason.COUPON_INACTIVE, "is switched off")
        if self.starts_at is not None and now < self.starts_at:
            raise self._refused(Reason.COUPON_NOT_STARTED, "does not count yet", start_time=self.starts_at)
        if self.expires_at is not None and now >= self.expires_at:
            raise self._refused(Reason.COUPON_EXPIRED, "no longer counts")
        if self.usage_limit is not None and self.usage_count >= self.usage_limit:
            raise self._refused(Reason.COUPON_USED_UP, "is used up")
        if self.per_user_limit is not None and used_by_user >= self.per_user_limit:
            raise self._refused(Reason.COUPON_USED_BY_USER, "was used as often as one customer may")

    def _refused(self, reason: Reason, why: str, **facts: Any) -> FailedPrecondition:
        return FailedPrecondition(reason, f"coupon {self.code} {why}", code=self.code, **facts)


_VALUE_FIELDS = {CouponType.FIXED_AMOUNT: "amount", CouponType.PERCENTAGE: "percent"}


def _invalid(reason: Reason, field: str, why: str) -> InvalidArgument:
    return InvalidArgument(reason, why, field=f"coupon.{field}")
