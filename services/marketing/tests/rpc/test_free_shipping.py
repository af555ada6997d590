"""FREE_SHIPPING takes the shipping off; what callers that know of none are told stays as it was."""

import asyncio
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from google.type.money_pb2 import Money
from lumi.marketing.v1 import coupon_pb2 as pb
from lumi.marketing.v1.coupon_pb2_grpc import CouponServiceStub

from lumi_common.cuid import cuid
from lumi_common.errors import FailedPrecondition, InvalidArgument, LumiError
from tests.kit.buying import usd
from tests.kit.client import Client
from tests.kit.shop import Shop


async def a_coupon(staff: Client, **facts: Any) -> pb.Coupon:
    given = {"code": cuid(), "type": pb.COUPON_TYPE_FREE_SHIPPING} | facts
    coupon: pb.Coupon = await staff.CreateCoupon(pb.CreateCouponRequest(coupon=pb.Coupon(**given)))
    return coupon


def redemption(coupon: pb.Coupon, **facts: Any) -> pb.RedeemCouponRequest:
    given = {
        "code": coupon.code,
        "order_id": cuid(),
        "user_id": cuid(),
        "subtotal_amount": usd(1000),
        "shipping_amount": usd(700),
        "request_id": str(uuid4()),
    } | facts
    return pb.RedeemCouponRequest(**given)


def evaluation(coupon: pb.Coupon, **facts: Any) -> pb.EvaluateDiscountRequest:
    given = {"code": coupon.code, "subtotal_amount": usd(1000), "shipping_amount": usd(700)} | facts
    return pb.EvaluateDiscountRequest(**given)


async def kept(shop: Shop, order: str) -> list[Decimal]:
    """What the books say that coupons took off this order."""
    async with shop.database("marketing") as database:
        rows = await database.fetch("select discount_amount from coupon_usages where order_id = $1", order)
    return [row["discount_amount"] for row in rows]


async def test_it_has_no_worth_of_its_own(shop: Shop, staff: Client) -> None:
    coupon = await a_coupon(staff, minimum_amount=usd(500), maximum_discount=usd(1500))
    shopper = shop.stub(CouponServiceStub, (await shop.user()).token)

    told = await shopper.ValidateCoupon(pb.ValidateCouponRequest(code=coupon.code))

    assert await staff.GetCoupon(pb.GetCouponRequest(id=coupon.id)) == coupon
    for each in (coupon, told):
        assert not each.HasField("amount") and not each.HasField("percent")
        assert (each.minimum_amount, each.maximum_discount) == (usd(500), usd(1500))
    assert (told.is_valid, told.type) == (True, pb.COUPON_TYPE_FREE_SHIPPING)


async def test_it_takes_off_all_of_the_shipping_and_nothing_of_the_lines(
    shop: Shop, staff: Client, orders: Client
) -> None:
    coupon = await a_coupon(staff)
    request = redemption(coupon)

    promised = await orders.EvaluateDiscount(evaluation(coupon))
    redeemed = await orders.RedeemCoupon(request)

    for answer in (promised, redeemed):
        assert (answer.discount_amount, answer.shipping_discount_amount) == (usd(0), usd(700))
    assert await kept(shop, request.order_id) == [Decimal("7.00")]


async def test_an_order_that_asks_again_is_told_the_same(staff: Client, orders: Client) -> None:
    coupon, order = await a_coupon(staff), cuid()

    answers = await asyncio.gather(*(orders.RedeemCoupon(redemption(coupon, order_id=order)) for _ in range(10)))

    assert all(answer == answers[0] for answer in answers)
    assert answers[0].shipping_discount_amount == usd(700)


async def test_of_many_at_once_only_as_many_as_the_limit_ship_free(staff: Client, orders: Client) -> None:
    coupon = await a_coupon(staff, usage_limit=3)

    tries = await asyncio.gather(*(orders.RedeemCoupon(redemption(coupon)) for _ in range(20)), return_exceptions=True)

    assert {each.reason for each in tries if isinstance(each, LumiError)} == {"COUPON_USED_UP"}
    assert sum(isinstance(each, pb.CouponRedemption) for each in tries) == 3


async def test_other_coupons_leave_the_shipping_alone(shop: Shop, staff: Client, orders: Client) -> None:
    coupon = await a_coupon(staff, type=pb.COUPON_TYPE_FIXED_AMOUNT, amount=usd(2500))
    request = redemption(coupon)

    answer = await orders.RedeemCoupon(request)

    assert (answer.discount_amount, answer.shipping_discount_amount) == (usd(1000), usd(0))
    assert await kept(shop, request.order_id) == [Decimal("10.00")]


async def test_minimum_and_maximum_hold_for_it_too(staff: Client, orders: Client) -> None:
    coupon = await a_coupon(staff, minimum_amount=usd(1000), maximum_discount=usd(500))

    answer = await orders.EvaluateDiscount(evaluation(coupon))
    with pytest.raises(FailedPrecondition, match="COUPON_MINIMUM_NOT_REACHED"):
        await orders.EvaluateDiscount(evaluation(coupon, subtotal_amount=usd(999)))
    with pytest.raises(FailedPrecondition, match="COUPON_CURRENCY_MISMATCH"):
        await orders.EvaluateDiscount(
            evaluation(coupon, subtotal_amount=lira(10), shipping_amount=lira(7)),
        )

    assert answer.shipping_discount_amount == usd(500)


async def test_callers_that_know_of_no_shipping_are_told_as_before(staff: Client, orders: Client) -> None:
    fixed = await a_coupon(staff, type=pb.COUPON_TYPE_FIXED_AMOUNT, amount=usd(250))
    free = await a_coupon(staff)

    for coupon, off in ((fixed, 250), (free, 0)):
        promised = await orders.EvaluateDiscount(evaluation(coupon, shipping_amount=None))
        redeemed = await orders.RedeemCoupon(redemption(coupon, shipping_amount=None))
        for answer in (promised, redeemed):
            assert (answer.discount_amount, answer.shipping_discount_amount) == (usd(off), usd(0))


@pytest.mark.parametrize(
    ("shipping", "field"),
    [
        (Money(currency_code="TRY", units=7), "shipping_amount.currency_code"),
        (Money(currency_code="JPY", units=7), "shipping_amount.currency_code"),
        (Money(currency_code="USD", units=-7), "shipping_amount"),
        (Money(currency_code="USD", nanos=1_000_000), "shipping_amount"),
    ],
)
async def test_shipping_that_cannot_be_right_is_named(
    staff: Client, orders: Client, shipping: Money, field: str
) -> None:
    coupon = await a_coupon(staff)

    for call in (
        orders.EvaluateDiscount(evaluation(coupon, shipping_amount=shipping)),
        orders.RedeemCoupon(redemption(coupon, shipping_amount=shipping)),
    ):
        with pytest.raises(InvalidArgument) as refused:
            await call
        assert refused.value.field == field


async def test_a_guest_uses_a_coupon_unless_it_counts_its_users(staff: Client, orders: Client) -> None:
    open_to_all, counted = await a_coupon(staff), await a_coupon(staff, per_user_limit=2)

    redeemed = await orders.RedeemCoupon(redemption(open_to_all, user_id=""))
    with pytest.raises(FailedPrecondition, match="COUPON_NEEDS_USER"):
        await orders.EvaluateDiscount(evaluation(counted))
    with pytest.raises(FailedPrecondition, match="COUPON_NEEDS_USER"):
        await orders.RedeemCoupon(redemption(counted, user_id=""))
    of_user = await orders.EvaluateDiscount(evaluation(counted, user_id=cuid()))

    assert redeemed.shipping_discount_amount == of_user.shipping_discount_amount == usd(700)


def lira(units: int) -> Money:
    return Money(currency_code="TRY", units=units)
