"""CouponService."""

from google.protobuf.empty_pb2 import Empty
from lumi.marketing.v1 import coupon_pb2 as pb
from lumi.marketing.v1.coupon_pb2_grpc import CouponServiceServicer

from lumi_common.clock import Clock
from lumi_common.context import Context
from lumi_common.db.database import Database
from lumi_common.errors import FailedPrecondition, LumiError, NotFound
from lumi_marketing.api import convert
from lumi_marketing.domain.errors import Reason
from lumi_marketing.storage.coupons import COUPONS, CouponRepository


class CouponService(CouponServiceServicer):
    def __init__(self, db: Database, clock: Clock) -> None:
        self._db, self._clock = db, clock
        self._coupons = CouponRepository(db)

    async def CreateCoupon(self, request: pb.CreateCouponRequest, context: Context) -> pb.Coupon:
        coupon = convert.new_coupon(request.coupon, self._clock())
        async with self._db.once(request, context) as once:
            await CouponRepository.insert_once(once, coupon, "coupon.created", convert.coupon_to_proto(coupon))
        return once.answer

    async def GetCoupon(self, request: pb.GetCouponRequest, context: Context) -> pb.Coupon:
        return convert.coupon_to_proto(await self._coupons.get(request.id))

    async def GetCouponByCode(self, request: pb.GetCouponByCodeRequest, context: Context) -> pb.Coupon:
        return convert.coupon_to_proto(await self._coupons.get_by_code(request.code))

    async def ListCoupons(self, request: pb.ListCouponsRequest, context: Context) -> pb.ListCouponsResponse:
        page = await COUPONS.page(self._db, CouponRepository.row, size=request.page_size, token=request.page_token)
        return pb.ListCouponsResponse(
            coupons=map(convert.coupon_to_proto, page.items), next_page_token=page.next_page_token
        )

    async def DeleteCoupon(self, request: pb.DeleteCouponRequest, context: Context) -> Empty:
        async with self._db.command(request, context) as command:
            if command.fresh:
                coupons = CouponRepository(command)
                coupon = await coupons.lock(request.id)
                coupon.expect(request.etag)
                await coupons.delete(coupon)
                command.answer = Empty()
        return command.answer

    async def ValidateCoupon(self, request: pb.ValidateCouponRequest, context: Context) -> pb.ValidateCouponResponse:
        caller = context.principal
        try:
            coupon = await self._coupons.get_by_code(request.code)
            used = await self._coupons.used_by(coupon.id, caller.id if caller.kind == "user" else "")
            coupon.expect_usable(self._clock(), used)
        except (NotFound, FailedPrecondition) as refusal:
            return pb.ValidateCouponResponse(reason=refusal.reason)
        return convert.valid(coupon)

    async def EvaluateDiscount(self, request: pb.EvaluateDiscountRequest, context: Context) -> pb.Discount:
        subtotal, shipping, currency = convert.costs(request)
        coupon = await self._coupons.get_by_code(request.code)
        used = await self._coupons.used_by(coupon.id, request.user_id)
        discount = coupon.discount(subtotal, shipping, currency, self._clock(), used)
        return convert.discount_to_proto(coupon, discount, currency)

    async def RedeemCoupon(self, request: pb.RedeemCouponRequest, context: Context) -> pb.CouponRedemption:
        subtotal, shipping, currency = convert.costs(request)
        async with self._db.command(request, context) as command:
            if command.fresh:
                coupons = CouponRepository(command)
                coupon = await coupons.lock_for(request.order_id, request.code)
                redemption = await coupons.redemption(coupon.id, request.order_id)
                if redemption is None:
                    used, closed = await coupons.standing(coupon.id, request.user_id, request.order_id)
                    if closed:
                        raise _closed(request.order_id)
                    discount = coupon.discount(subtotal, shipping, currency, self._clock(), used)
                    redemption = await coupons.redeem(coupon.id, request.user_id, request.order_id, discount.total)
                command.answer = convert.redemption_to_proto(coupon, redemption, currency)
        return command.answer

    async def ReleaseCoupon(self, request: pb.ReleaseCouponRequest, context: Context) -> Empty:
        async with self._db.command(request, context) as command:
            if command.fresh:
                await CouponRepository(command).release(request.order_id)
                command.answer = Empty()
        return command.answer


def _closed(order_id: str) -> LumiError:
    return FailedPrecondition(Reason.REDEMPTION_CLOSED, "the order is being undone", order_id=order_id)
