"""Coupons are never used past their limits, whoever asks at once."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.decimal_pb2 import Decimal
from google.type.money_pb2 import Money
from lumi.identity.v1.auth_pb2 import CreateGuestSessionRequest
from lumi.identity.v1.auth_pb2_grpc import AuthServiceStub
from lumi.marketing.v1 import coupon_pb2 as pb
from lumi.marketing.v1.coupon_pb2_grpc import CouponServiceStub

from lumi_common.cuid import cuid
from lumi_common.errors import AlreadyExists, FailedPrecondition, InvalidArgument, LumiError, NotFound
from tests.kit.buying import usd
from tests.kit.client import Client
from tests.kit.shop import Shop
from tests.kit.waiting import until

TEN = Money(currency_code="USD", units=10)


async def a_coupon(staff: Client, **facts: Any) -> pb.Coupon:
    given = {
        "code": cuid(),
        "type": pb.COUPON_TYPE_FIXED_AMOUNT,
        "amount": Money(currency_code="USD", units=5),
    } | facts
    coupon: pb.Coupon = await staff.CreateCoupon(pb.CreateCouponRequest(coupon=pb.Coupon(**given)))
    return coupon


def redemption(code: str, *, order: str = "", user: str = "") -> pb.RedeemCouponRequest:
    return pb.RedeemCouponRequest(
        code=code, order_id=order or cuid(), user_id=user or cuid(), subtotal_amount=TEN, request_id=str(uuid4())
    )


def release(order: str) -> pb.ReleaseCouponRequest:
    return pb.ReleaseCouponRequest(order_id=order, request_id=str(uuid4()))


async def used(staff: Client, coupon: pb.Coupon) -> int:
    found: pb.Coupon = await staff.GetCoupon(pb.GetCouponRequest(id=coupon.id))
    return found.usage_count


async def test_a_coupon_is_found_again_as_it_was_made(staff: Client) -> None:
    made = await a_coupon(staff, type=pb.COUPON_TYPE_PERCENTAGE, amount=None, percent=Decimal(value="12.5"))

    assert await staff.GetCoupon(pb.GetCouponRequest(id=made.id)) == made
    assert await staff.GetCouponByCode(pb.GetCouponByCodeRequest(code=made.code.upper())) == made
    assert made in (await staff.ListCoupons(pb.ListCouponsRequest(page_size=1000))).coupons
    assert made.percent.value == "12.5"


async def test_a_code_is_taken_whatever_its_case(staff: Client) -> None:
    made = await a_coupon(staff)

    with pytest.raises(AlreadyExists, match="CODE_TAKEN"):
        await a_coupon(staff, code=made.code.upper())


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"code": "no spaces"}, "coupon.code"),
        ({"type": pb.COUPON_TYPE_UNSPECIFIED}, "coupon.type"),
        ({"amount": None}, "coupon.amount"),
        ({"percent": Decimal(value="5")}, "coupon.percent"),
        ({"type": pb.COUPON_TYPE_PERCENTAGE}, "coupon.amount"),
        ({"type": pb.COUPON_TYPE_FREE_SHIPPING}, "coupon.amount"),
        ({"type": pb.COUPON_TYPE_FREE_SHIPPING, "amount": None, "percent": Decimal(value="5")}, "coupon.percent"),
        ({"amount": Money(currency_code="JPY", units=5)}, "coupon.amount.currency_code"),
        ({"minimum_amount": Money(currency_code="TRY", units=5)}, "coupon.minimum_amount.currency_code"),
        ({"usage_limit": 0}, "coupon.usage_limit"),
        ({"start_time": Timestamp(nanos=-1)}, "coupon.start_time"),
        ({"expire_time": Timestamp(seconds=2**62)}, "coupon.expire_time"),
    ],
)
async def test_a_coupon_that_cannot_be_right_names_the_field(staff: Client, facts: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await a_coupon(staff, **facts)

    assert refused.value.field == field


async def test_of_many_at_once_only_as_many_as_the_limit_redeem(staff: Client, orders: Client) -> None:
    coupon = await a_coupon(staff, usage_limit=3)

    tries = await asyncio.gather(
        *(orders.RedeemCoupon(redemption(coupon.code)) for _ in range(30)), return_exceptions=True
    )

    refusals = [each for each in tries if isinstance(each, LumiError)]
    assert len(refusals) == 27
    assert {refusal.reason for refusal in refusals} == {"COUPON_USED_UP"}
    assert await used(staff, coupon) == 3


async def test_one_user_at_many_doors_stays_within_their_limit(staff: Client, orders: Client) -> None:
    coupon, user = await a_coupon(staff, per_user_limit=2), cuid()

    tries = await asyncio.gather(
        *(orders.RedeemCoupon(redemption(coupon.code, user=user)) for _ in range(20)), return_exceptions=True
    )

    assert sum(isinstance(each, pb.CouponRedemption) for each in tries) == 2
    assert await used(staff, coupon) == 2


async def test_who_waited_for_a_coupon_is_held_to_what_was_redeemed_meanwhile(
    shop: Shop, staff: Client, orders: Client
) -> None:
    coupon, user = await a_coupon(staff, per_user_limit=1), cuid()

    # What a transaction has seen of others' waiting it sees until its end, so somebody else looks.
    async with shop.database("marketing") as database, shop.database("marketing") as watch:

        async def all_wait() -> bool:
            waiting: int = await watch.fetchval(
                "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and usename = 'lumi_marketing'"
            )
            return waiting == 4

        async with database.transaction():
            await database.execute("select from marketing.coupons where id = $1 for update", coupon.id)
            tries = [asyncio.create_task(orders.RedeemCoupon(redemption(coupon.code, user=user))) for _ in range(4)]
            await until(all_wait, "all of them wait for the coupon")
        answers = await asyncio.gather(*tries, return_exceptions=True)

    refusals = [each for each in answers if isinstance(each, LumiError)]
    assert [refusal.reason for refusal in refusals] == ["COUPON_USED_BY_USER"] * 3
    assert await used(staff, coupon) == 1


async def test_an_order_redeems_once_however_often_it_asks(staff: Client, orders: Client) -> None:
    coupon, order = await a_coupon(staff), cuid()

    answers = await asyncio.gather(*(orders.RedeemCoupon(redemption(coupon.code, order=order)) for _ in range(10)))

    assert len({answer.id for answer in answers}) == 1
    assert await used(staff, coupon) == 1


async def test_what_is_released_can_be_used_again_and_not_by_the_same_order(staff: Client, orders: Client) -> None:
    coupon, order = await a_coupon(staff, usage_limit=1), cuid()
    await orders.RedeemCoupon(redemption(coupon.code, order=order))

    await orders.ReleaseCoupon(release(order))
    await orders.ReleaseCoupon(release(order))

    assert await used(staff, coupon) == 0
    with pytest.raises(FailedPrecondition, match="REDEMPTION_CLOSED"):
        await orders.RedeemCoupon(redemption(coupon.code, order=order))
    await orders.RedeemCoupon(redemption(coupon.code))
    assert await used(staff, coupon) == 1


async def test_a_redemption_that_races_its_release_leaves_nothing(staff: Client, orders: Client) -> None:
    coupon = await a_coupon(staff)
    for _ in range(10):
        order = cuid()
        await asyncio.gather(
            orders.RedeemCoupon(redemption(coupon.code, order=order)),
            orders.ReleaseCoupon(release(order)),
            return_exceptions=True,
        )

    assert await used(staff, coupon) == 0


async def test_what_it_would_take_off_is_told_and_not_taken(staff: Client, orders: Client) -> None:
    coupon = await a_coupon(staff)

    discount = await orders.EvaluateDiscount(
        pb.EvaluateDiscountRequest(code=coupon.code, subtotal_amount=Money(currency_code="USD", units=3))
    )

    assert (discount.discount_amount, discount.shipping_discount_amount) == (usd(300), usd(0))
    assert await used(staff, coupon) == 0


async def test_a_shopper_learns_whether_a_code_counts(shop: Shop, staff: Client) -> None:
    coupon = await a_coupon(staff)
    shopper = shop.stub(CouponServiceStub, (await shop.user()).token)

    good = await shopper.ValidateCoupon(pb.ValidateCouponRequest(code=coupon.code))
    bad = await shopper.ValidateCoupon(pb.ValidateCouponRequest(code="none-such"))

    assert good.is_valid
    assert good.amount == coupon.amount
    assert (bad.is_valid, bad.reason) == (False, "COUPON_NOT_FOUND")


async def test_a_guest_learns_that_a_code_limited_per_user_is_not_for_them(shop: Shop, staff: Client) -> None:
    session = await shop.stub(AuthServiceStub).CreateGuestSession(CreateGuestSessionRequest())
    guest = shop.stub(CouponServiceStub, session.access_token)

    anybodys = await guest.ValidateCoupon(pb.ValidateCouponRequest(code=(await a_coupon(staff)).code))
    limited = await guest.ValidateCoupon(pb.ValidateCouponRequest(code=(await a_coupon(staff, per_user_limit=1)).code))

    assert anybodys.is_valid
    assert (limited.is_valid, limited.reason) == (False, "COUPON_NEEDS_USER")


async def test_a_redemption_is_told_with_its_order(shop: Shop, staff: Client, orders: Client) -> None:
    coupon, order = await a_coupon(staff), cuid()
    answer = await orders.RedeemCoupon(redemption(coupon.code, order=order))

    async with shop.database("marketing") as database:
        [row] = await database.fetch("select * from outbox_events where aggregate_id = $1", answer.id)

    assert row["type"] == "coupon_usage.redeemed"


async def test_a_coupon_that_is_not_there_is_not_found(staff: Client, orders: Client) -> None:
    with pytest.raises(NotFound):
        await staff.GetCoupon(pb.GetCouponRequest(id=cuid()))
    with pytest.raises(NotFound, match="COUPON_NOT_FOUND"):
        await orders.RedeemCoupon(redemption("none-such"))
