"""A coupon that is deleted goes with what is noted of its uses; orders keep what it took off."""

import asyncio
from typing import Any

import pytest
from google.protobuf.empty_pb2 import Empty
from lumi.marketing.v1 import coupon_pb2 as pb
from lumi.marketing.v1.coupon_pb2_grpc import CouponServiceStub

from lumi_common.cuid import cuid
from lumi_common.errors import Aborted, LumiError, NotFound, PermissionDenied
from services.marketing.tests.rpc.test_coupons import a_coupon, redemption, release
from tests.kit.buying import request_id
from tests.kit.client import Client
from tests.kit.shop import Shop


def deletion(coupon: pb.Coupon, **facts: Any) -> pb.DeleteCouponRequest:
    return pb.DeleteCouponRequest(**{"id": coupon.id, "request_id": request_id()} | facts)


async def told(shop: Shop, coupon: pb.Coupon) -> list[tuple[str, str, bool, bool]]:
    """Entity, action and whether there are a before and an after, of every record about a coupon's end or its uses'."""
    async with shop.database("marketing") as database:
        rows = await database.fetch(
            "select r ->> 'entity', r ->> 'action', r ? 'before', r ? 'after' from outbox_events "
            "cross join jsonb_array_elements(records) r where type <> 'coupon.created' and "
            "(r ->> 'id' = $1 or r -> 'keys' ->> 'coupon_id' = $1) order by seq, 1",
            coupon.id,
        )
    return [tuple(row) for row in rows]


async def uses(shop: Shop, coupon: pb.Coupon) -> int:
    async with shop.database("marketing") as database:
        count: int = await database.fetchval("select count(*) from coupon_usages where coupon_id = $1", coupon.id)
    return count


async def test_a_deleted_coupon_is_gone_with_its_uses_each_with_a_record(
    shop: Shop, staff: Client, orders: Client
) -> None:
    coupon = await a_coupon(staff)
    for _ in range(2):
        await orders.RedeemCoupon(redemption(coupon.code))

    assert await staff.DeleteCoupon(deletion(coupon)) == Empty()

    with pytest.raises(NotFound):
        await staff.GetCoupon(pb.GetCouponRequest(id=coupon.id))
    assert await uses(shop, coupon) == 0
    redeemed = ("CouponUsage", "coupon_usage.redeemed", False, True)
    gone = ("CouponUsage", "coupon_usage.deleted", True, False)
    assert await told(shop, coupon) == [redeemed, redeemed, gone, gone, ("Coupon", "coupon.deleted", True, False)]


async def test_many_uses_go_in_many_events_and_one_commit(shop: Shop, staff: Client) -> None:
    coupon = await a_coupon(staff)
    async with shop.database("marketing") as database:
        await database.executemany(
            "insert into coupon_usages (id, coupon_id, order_id, discount_amount) values ($1, $2, $3, 1)",
            [(cuid(), coupon.id, cuid()) for _ in range(1201)],
        )
        await database.execute("update coupons set usage_count = 1201 where id = $1", coupon.id)

    await staff.DeleteCoupon(deletion(coupon))

    async with shop.database("marketing") as database:
        rows = await database.fetch(
            "select jsonb_array_length(records) as records, created_at from outbox_events "
            "where records -> 0 -> 'keys' ->> 'coupon_id' = $1 or aggregate_id = $1 order by seq",
            coupon.id,
        )
    assert [row["records"] for row in rows[1:]] == [500, 500, 201, 1]
    assert len({row["created_at"] for row in rows[1:]}) == 1
    assert await uses(shop, coupon) == 0


async def test_a_stale_etag_deletes_nothing(staff: Client) -> None:
    coupon = await a_coupon(staff)

    with pytest.raises(Aborted, match="ETAG_MISMATCH"):
        await staff.DeleteCoupon(deletion(coupon, etag="7"))

    assert await staff.GetCoupon(pb.GetCouponRequest(id=coupon.id)) == coupon
    await staff.DeleteCoupon(deletion(coupon, etag=coupon.etag))


async def test_it_is_deleted_once_and_a_repeat_is_answered_alike(staff: Client) -> None:
    coupon = await a_coupon(staff)
    request = deletion(coupon)

    assert await staff.DeleteCoupon(request) == await staff.DeleteCoupon(request)
    with pytest.raises(NotFound, match="COUPON_NOT_FOUND"):
        await staff.DeleteCoupon(deletion(coupon))


async def test_who_may_not_make_coupons_may_not_delete_them(shop: Shop, staff: Client) -> None:
    coupon = await a_coupon(staff)
    reader = shop.stub(CouponServiceStub, (await shop.user("coupons.read")).token)

    with pytest.raises(PermissionDenied):
        await reader.DeleteCoupon(deletion(coupon))


async def test_nothing_is_redeemed_of_a_deleted_coupon_and_its_code_is_free_again(
    staff: Client, orders: Client
) -> None:
    coupon, order = await a_coupon(staff), cuid()
    await orders.RedeemCoupon(redemption(coupon.code, order=order))
    await staff.DeleteCoupon(deletion(coupon))

    with pytest.raises(NotFound, match="COUPON_NOT_FOUND"):
        await orders.RedeemCoupon(redemption(coupon.code))
    await orders.ReleaseCoupon(release(order))

    heir = await a_coupon(staff, code=coupon.code)
    await orders.RedeemCoupon(redemption(coupon.code))
    assert (await staff.GetCoupon(pb.GetCouponRequest(id=heir.id))).usage_count == 1


async def test_uses_that_come_and_go_while_it_is_deleted_are_there_with_it_or_not_at_all(
    shop: Shop, staff: Client, orders: Client
) -> None:
    for turn in range(8):
        coupon, there = await a_coupon(staff), [cuid() for _ in range(8)]
        await asyncio.gather(*(orders.RedeemCoupon(redemption(coupon.code, order=order)) for order in there))
        calls = [
            *(orders.ReleaseCoupon(release(order)) for order in there),
            *(orders.RedeemCoupon(redemption(coupon.code)) for _ in range(8)),
        ]
        calls.insert(turn * 2, staff.DeleteCoupon(deletion(coupon)))

        outcomes = await asyncio.gather(*calls, return_exceptions=True)

        # Whoever was refused found no coupon; nobody was in anybody's way.
        refused = {each.reason for each in outcomes if isinstance(each, LumiError)}
        assert refused <= {"COUPON_NOT_FOUND"}, refused
        assert not [each for each in outcomes if isinstance(each, Exception) and not isinstance(each, LumiError)]
        assert await uses(shop, coupon) == 0
        ends = [action for _, action, _, _ in await told(shop, coupon)]
        assert ends.count("coupon.deleted") == 1
        came, went = ends.count("coupon_usage.redeemed"), ends.count("coupon_usage.released")
        assert came == went + ends.count("coupon_usage.deleted")
