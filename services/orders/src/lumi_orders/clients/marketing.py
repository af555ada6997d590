"""Marketing: what a coupon takes off, and its use for an order."""

from decimal import Decimal
from typing import NamedTuple

from google.protobuf.empty_pb2 import Empty
from lumi.marketing.v1 import coupon_pb2

from lumi_common.context import Context
from lumi_common.rpc.channel import PeerChannel
from lumi_common.rpc.convert import money_from_proto, money_to_proto
from lumi_orders.domain.checkout import request_id
from lumi_orders.domain.pricing import ZERO


class Discount(NamedTuple):
    """A coupon's code as it was written on creation, and what it takes off the lines and off the shipping."""

    code: str
    amount: Decimal = ZERO
    shipping_amount: Decimal = ZERO


class Marketing:
    """Calls to the marketing service; each raises what marketing refuses, as a LumiError with marketing's reason."""

    def __init__(self, channel: PeerChannel) -> None:
        self._evaluate = channel.unary(
            "lumi.marketing.v1.CouponService/EvaluateDiscount",
            coupon_pb2.EvaluateDiscountRequest,
            coupon_pb2.Discount,
            timeout=2.0,
        )
        self._redeem = channel.unary(
            "lumi.marketing.v1.CouponService/RedeemCoupon",
            coupon_pb2.RedeemCouponRequest,
            coupon_pb2.CouponRedemption,
            timeout=3.0,
        )
        self._release = channel.unary(
            "lumi.marketing.v1.CouponService/ReleaseCoupon", coupon_pb2.ReleaseCouponRequest, Empty, timeout=3.0
        )

    async def evaluate(
        self, code: str, user_id: str | None, subtotal: Decimal, shipping: Decimal, currency: str, context: Context
    ) -> Discount:
        """What a coupon would take off these now, for a user or (None) a guest; promises nothing."""
        request = coupon_pb2.EvaluateDiscountRequest(
            code=code,
            user_id=user_id or "",
            subtotal_amount=money_to_proto(subtotal, currency),
            shipping_amount=money_to_proto(shipping, currency),
        )
        return _discount(await self._evaluate(request, context))

    async def redeem(
        self,
        code: str,
        order_id: str,
        user_id: str | None,
        subtotal: Decimal,
        shipping: Decimal,
        currency: str,
        context: Context,
    ) -> Discount:
        """Use a coupon for an order, never past its limits; again for the same order it is the same use."""
        request = coupon_pb2.RedeemCouponRequest(
            code=code,
            order_id=order_id,
            user_id=user_id or "",
            subtotal_amount=money_to_proto(subtotal, currency),
            shipping_amount=money_to_proto(shipping, currency),
            request_id=request_id(order_id, "redeem"),
        )
        return _discount(await self._redeem(request, context))

    async def release(self, order_id: str, context: Context) -> None:
        """Take back what an order redeemed; again it changes nothing."""
        request = coupon_pb2.ReleaseCouponRequest(order_id=order_id, request_id=request_id(order_id, "release coupon"))
        await self._release(request, context)


def _discount(answer: coupon_pb2.Discount | coupon_pb2.CouponRedemption) -> Discount:
    return Discount(
        answer.code,
        money_from_proto(answer.discount_amount, field="discount_amount"),
        money_from_proto(answer.shipping_discount_amount, field="shipping_discount_amount")
        if answer.HasField("shipping_discount_amount")
        else ZERO,
    )
