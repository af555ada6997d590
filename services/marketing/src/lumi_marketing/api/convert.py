"""Coupons between protobuf and the domain."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from google.type.decimal_pb2 import Decimal as DecimalProto
from google.type.money_pb2 import Money
from lumi.marketing.v1 import coupon_pb2 as pb

from lumi_common.cuid import cuid
from lumi_common.errors import InvalidArgument
from lumi_common.rpc.convert import money_from_proto, money_to_proto, time_from_proto, time_to_proto
from lumi_marketing.domain.coupon import VALUE_FIELDS, ZERO, Coupon, CouponType, Discount, Redemption
from lumi_marketing.domain.errors import Reason

_TYPES: dict[CouponType, Any] = {type: pb.CouponType.Value(f"COUPON_TYPE_{type}") for type in CouponType}
_FROM_PROTO = {number: type for type, number in _TYPES.items()}


def new_coupon(message: pb.Coupon, now: datetime) -> Coupon:
    """The coupon that a client asks for; raises InvalidArgument when its fields do not fit each other."""
    type = _FROM_PROTO[message.type]
    for name in ("amount", "percent"):
        if message.HasField(name) != (name == VALUE_FIELDS[type]):
            why = "must be given with this type" if name == VALUE_FIELDS[type] else "does not go with this type"
            raise InvalidArgument(Reason.VALUE_INVALID, why, field=f"coupon.{name}")
    amounts = {
        name: money_from_proto(getattr(message, name), field=f"coupon.{name}")
        for name in ("amount", "minimum_amount", "maximum_discount")
        if message.HasField(name)
    }
    coupon = Coupon(
        id=cuid(),
        code=message.code,
        type=type,
        value=Decimal(message.percent.value) if message.HasField("percent") else amounts.get("amount", ZERO),
        currency=_currency(message, list(amounts)),
        description=message.description or None,
        minimum_amount=amounts.get("minimum_amount"),
        maximum_discount=amounts.get("maximum_discount"),
        usage_limit=message.usage_limit if message.HasField("usage_limit") else None,
        usage_count=0,
        per_user_limit=message.per_user_limit if message.HasField("per_user_limit") else None,
        starts_at=_time(message, "start_time"),
        expires_at=_time(message, "expire_time"),
        is_active=message.is_active if message.HasField("is_active") else True,
        version=1,
        created_at=now,
        updated_at=now,
    )
    coupon.check()
    return coupon


def coupon_to_proto(coupon: Coupon) -> pb.Coupon:
    return pb.Coupon(
        id=coupon.id,
        code=coupon.code,
        type=_TYPES[coupon.type],
        **worth(coupon),
        description=coupon.description or "",
        usage_limit=coupon.usage_limit,
        usage_count=coupon.usage_count,
        per_user_limit=coupon.per_user_limit,
        start_time=time_to_proto(coupon.starts_at),
        expire_time=time_to_proto(coupon.expires_at),
        is_active=coupon.is_active,
        create_time=time_to_proto(coupon.created_at),
        update_time=time_to_proto(coupon.updated_at),
        etag=coupon.etag,
    )


def valid(coupon: Coupon) -> pb.ValidateCouponResponse:
    """What a shopper may know of a coupon they can use."""
    return pb.ValidateCouponResponse(
        is_valid=True, type=_TYPES[coupon.type], **worth(coupon), expire_time=time_to_proto(coupon.expires_at)
    )


def worth(coupon: Coupon) -> dict[str, Money | DecimalProto | None]:
    """What it takes off and within which amounts, as fields of a message."""
    field = VALUE_FIELDS[coupon.type]
    return {
        "amount": _money(coupon.value, coupon.currency) if field == "amount" else None,
        "percent": DecimalProto(value=f"{coupon.value.normalize():f}") if field == "percent" else None,
        "minimum_amount": _money(coupon.minimum_amount, coupon.currency),
        "maximum_discount": _money(coupon.maximum_discount, coupon.currency),
    }


def costs(request: pb.EvaluateDiscountRequest | pb.RedeemCouponRequest) -> tuple[Decimal, Decimal, str]:
    """Subtotal, shipping and the currency of both; raises InvalidArgument when they differ in it."""
    subtotal = money_from_proto(request.subtotal_amount, field="subtotal_amount")
    currency = request.subtotal_amount.currency_code
    if not request.HasField("shipping_amount"):
        return subtotal, ZERO, currency
    shipping = money_from_proto(request.shipping_amount, field="shipping_amount")
    if request.shipping_amount.currency_code != currency:
        raise InvalidArgument(
            Reason.CURRENCY_MISMATCH, "is not in the subtotal's currency", field="shipping_amount.currency_code"
        )
    return subtotal, shipping, currency


def discount_to_proto(coupon: Coupon, discount: Discount, currency: str) -> pb.Discount:
    return pb.Discount(
        coupon_id=coupon.id,
        code=coupon.code,
        discount_amount=money_to_proto(discount.lines, currency),
        shipping_discount_amount=money_to_proto(discount.shipping, currency),
    )


def redemption_to_proto(coupon: Coupon, redemption: Redemption, currency: str) -> pb.CouponRedemption:
    discount = coupon.split(redemption.amount)
    return pb.CouponRedemption(
        id=redemption.id,
        coupon_id=coupon.id,
        code=coupon.code,
        order_id=redemption.order_id,
        discount_amount=money_to_proto(discount.lines, currency),
        used_time=time_to_proto(redemption.used_at),
        shipping_discount_amount=money_to_proto(discount.shipping, currency),
    )


def _money(amount: Decimal | None, currency: str | None) -> Money | None:
    return None if amount is None or currency is None else money_to_proto(amount, currency)


def _time(message: pb.Coupon, name: str) -> datetime | None:
    return time_from_proto(getattr(message, name), field=f"coupon.{name}") if message.HasField(name) else None


def _currency(message: pb.Coupon, amounts: list[str]) -> str | None:
    currencies = {getattr(message, name).currency_code for name in amounts}
    if len(currencies) > 1:
        raise InvalidArgument(
            Reason.CURRENCY_MISMATCH, "the amounts differ in currency", field=f"coupon.{amounts[-1]}.currency_code"
        )
    return currencies.pop() if currencies else None
