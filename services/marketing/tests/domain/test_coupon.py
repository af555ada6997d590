"""When a coupon counts, and how much it takes off."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from lumi_common.errors import FailedPrecondition, InvalidArgument
from lumi_marketing.domain.coupon import Coupon, CouponType

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=1)


def coupon(type: CouponType = CouponType.FIXED_AMOUNT, value: str = "5.00", **facts: Any) -> Coupon:
    plain = Coupon(
        id="c" * 25,
        code="SAVE",
        type=type,
        value=Decimal(value),
        currency="USD",
        description=None,
        minimum_amount=None,
        maximum_discount=None,
        usage_limit=None,
        usage_count=0,
        per_user_limit=None,
        starts_at=None,
        expires_at=None,
        is_active=True,
        version=1,
        created_at=NOW,
        updated_at=NOW,
    )
    return replace(plain, **facts)


def percent(value: str, **facts: Any) -> Coupon:
    return coupon(CouponType.PERCENTAGE, value, **facts)


def free_shipping(**facts: Any) -> Coupon:
    return coupon(CouponType.FREE_SHIPPING, "0.00", **facts)


@pytest.mark.parametrize(
    ("given", "subtotal", "off"),
    [
        (coupon(value="5.00"), "20.00", "5.00"),
        (coupon(value="5.00"), "3.00", "3.00"),  # never more than there is to pay
        (percent("10"), "20.00", "2.00"),
        (percent("12.5"), "0.99", "0.12"),
        (percent("50"), "0.01", "0.01"),  # half a cent rounds up
        (percent("100"), "20.00", "20.00"),
        (percent("50", maximum_discount=Decimal("4.00")), "20.00", "4.00"),
        (coupon(value="5.00", minimum_amount=Decimal("20.00")), "20.00", "5.00"),
    ],
)
def test_it_takes_off_what_it_says(given: Coupon, subtotal: str, off: str) -> None:
    discount = given.discount(Decimal(subtotal), Decimal("7.00"), "USD", NOW, used_by_user=0)

    assert discount == (Decimal(off), 0)


@pytest.mark.parametrize(
    ("given", "shipping", "off"),
    [
        (free_shipping(), "7.00", "7.00"),
        (free_shipping(currency=None), "7.00", "7.00"),
        (free_shipping(), "0.00", "0.00"),  # where nothing is charged there is nothing to take off
        (free_shipping(maximum_discount=Decimal("5.00")), "7.00", "5.00"),
        (free_shipping(minimum_amount=Decimal("20.00")), "7.00", "7.00"),
    ],
)
def test_free_shipping_takes_off_the_shipping_and_nothing_else(given: Coupon, shipping: str, off: str) -> None:
    discount = given.discount(Decimal("20.00"), Decimal(shipping), "USD", NOW, used_by_user=0)

    assert discount == (0, Decimal(off))
    assert given.split(discount.total) == discount


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (coupon(is_active=False), "COUPON_INACTIVE"),
        (coupon(starts_at=LATER), "COUPON_NOT_STARTED"),
        (coupon(expires_at=NOW), "COUPON_EXPIRED"),
        (coupon(usage_limit=3, usage_count=3), "COUPON_USED_UP"),
        (coupon(per_user_limit=2), "COUPON_USED_BY_USER"),
        (coupon(minimum_amount=Decimal("20.01")), "COUPON_MINIMUM_NOT_REACHED"),
        (coupon(currency="TRY"), "COUPON_CURRENCY_MISMATCH"),
        # The subtotal has to come up to it by itself, however much shipping costs.
        (free_shipping(minimum_amount=Decimal("20.01")), "COUPON_MINIMUM_NOT_REACHED"),
        (free_shipping(currency="TRY"), "COUPON_CURRENCY_MISMATCH"),
    ],
)
def test_it_says_why_it_does_not_count(given: Coupon, reason: str) -> None:
    with pytest.raises(FailedPrecondition, match=reason):
        given.discount(Decimal("20.00"), Decimal("7.00"), "USD", NOW, used_by_user=2)


def test_a_guest_uses_a_coupon_unless_it_counts_its_users() -> None:
    coupon().expect_usable(NOW, None)

    with pytest.raises(FailedPrecondition, match="COUPON_NEEDS_USER"):
        coupon(per_user_limit=1).expect_usable(NOW, None)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (coupon(value="0.00"), "coupon.amount"),
        (percent("0"), "coupon.percent"),
        (percent("100.01"), "coupon.percent"),
        (coupon(currency="JPY"), "coupon.amount.currency_code"),
        (coupon(starts_at=LATER, expires_at=LATER), "coupon.expire_time"),
    ],
)
def test_a_coupon_that_could_never_be_right_is_refused(given: Coupon, field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        given.check()

    assert refused.value.field == field
