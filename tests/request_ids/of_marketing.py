"""Scenes of marketing."""

from google.type.decimal_pb2 import Decimal
from lumi.marketing.v1 import coupon_pb2 as pb
from lumi.marketing.v1.coupon_pb2_grpc import CouponServiceStub

from lumi_common.cuid import cuid
from tests.kit.buying import request_id, usd
from tests.request_ids.callers import Caller
from tests.request_ids.scenes import Scene, scene
from tests.request_ids.world import World


async def printed(world: World) -> pb.Coupon:
    """A coupon that takes a tenth off."""
    wanted = pb.Coupon(code=f"TENTH-{cuid()}", type=pb.COUPON_TYPE_PERCENTAGE, percent=Decimal(value="10"))
    made: pb.Coupon = await world.stub(CouponServiceStub).CreateCoupon(
        pb.CreateCouponRequest(coupon=wanted, request_id=request_id())
    )
    return made


async def coupon(world: World) -> str:
    """The code of such a coupon."""
    return str((await printed(world)).code)


async def redeemed(world: World, code: str = "") -> str:
    """The id of an order that redeemed a coupon."""
    order, code = cuid(), code or await coupon(world)
    await world.orders(CouponServiceStub).RedeemCoupon(
        pb.RedeemCouponRequest(code=code, order_id=order, subtotal_amount=usd(1000), request_id=request_id())
    )
    return order


@scene("marketing.v1.CouponService.CreateCoupon")
async def create_coupon(world: World, caller: Caller) -> Scene:
    def asked(code: str, percent: str = "10") -> pb.CreateCouponRequest:
        given = pb.Coupon(code=code, type=pb.COUPON_TYPE_PERCENTAGE, percent=Decimal(value=percent))
        return pb.CreateCouponRequest(coupon=given)

    code = f"TENTH-{cuid()}"
    return Scene(asked(code), (asked(code, "11"), asked(f"TENTH-{cuid()}")))


@scene("marketing.v1.CouponService.DeleteCoupon")
async def delete_coupon(world: World, caller: Caller) -> Scene:
    first, second, asked = await printed(world), await printed(world), pb.DeleteCouponRequest
    await redeemed(world, first.code)
    return Scene(asked(id=first.id), (asked(id=second.id), asked(id=first.id, etag=first.etag)))


@scene("marketing.v1.CouponService.RedeemCoupon")
async def redeem_coupon(world: World, caller: Caller) -> Scene:
    def asked(code: str, order: str, cents: int = 1000) -> pb.RedeemCouponRequest:
        return pb.RedeemCouponRequest(code=code, order_id=order, subtotal_amount=usd(cents))

    code, order = await coupon(world), cuid()
    return Scene(asked(code, order), (asked(code, order, 2000), asked(code, cuid()), asked(await coupon(world), order)))


@scene("marketing.v1.CouponService.ReleaseCoupon")
async def release_coupon(world: World, caller: Caller) -> Scene:
    asked = pb.ReleaseCouponRequest
    return Scene(asked(order_id=await redeemed(world)), (asked(order_id=await redeemed(world)),))
