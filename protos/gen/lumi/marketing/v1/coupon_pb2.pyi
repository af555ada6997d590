import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import empty_pb2 as _empty_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.type import decimal_pb2 as _decimal_pb2
from google.type import money_pb2 as _money_pb2
from lumi.common.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CouponType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COUPON_TYPE_UNSPECIFIED: _ClassVar[CouponType]
    COUPON_TYPE_PERCENTAGE: _ClassVar[CouponType]
    COUPON_TYPE_FIXED_AMOUNT: _ClassVar[CouponType]
    COUPON_TYPE_FREE_SHIPPING: _ClassVar[CouponType]
COUPON_TYPE_UNSPECIFIED: CouponType
COUPON_TYPE_PERCENTAGE: CouponType
COUPON_TYPE_FIXED_AMOUNT: CouponType
COUPON_TYPE_FREE_SHIPPING: CouponType

class Coupon(_message.Message):
    __slots__ = ("id", "code", "type", "amount", "percent", "description", "minimum_amount", "maximum_discount", "usage_limit", "usage_count", "per_user_limit", "start_time", "expire_time", "is_active", "create_time", "update_time", "etag")
    ID_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    PERCENT_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_DISCOUNT_FIELD_NUMBER: _ClassVar[int]
    USAGE_LIMIT_FIELD_NUMBER: _ClassVar[int]
    USAGE_COUNT_FIELD_NUMBER: _ClassVar[int]
    PER_USER_LIMIT_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    IS_ACTIVE_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    id: str
    code: str
    type: CouponType
    amount: _money_pb2.Money
    percent: _decimal_pb2.Decimal
    description: str
    minimum_amount: _money_pb2.Money
    maximum_discount: _money_pb2.Money
    usage_limit: int
    usage_count: int
    per_user_limit: int
    start_time: _timestamp_pb2.Timestamp
    expire_time: _timestamp_pb2.Timestamp
    is_active: bool
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    etag: str
    def __init__(self, id: _Optional[str] = ..., code: _Optional[str] = ..., type: _Optional[_Union[CouponType, str]] = ..., amount: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., percent: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., description: _Optional[str] = ..., minimum_amount: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., maximum_discount: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., usage_limit: _Optional[int] = ..., usage_count: _Optional[int] = ..., per_user_limit: _Optional[int] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., is_active: _Optional[bool] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., etag: _Optional[str] = ...) -> None: ...

class CreateCouponRequest(_message.Message):
    __slots__ = ("coupon", "request_id")
    COUPON_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    coupon: Coupon
    request_id: str
    def __init__(self, coupon: _Optional[_Union[Coupon, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class GetCouponRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class GetCouponByCodeRequest(_message.Message):
    __slots__ = ("code",)
    CODE_FIELD_NUMBER: _ClassVar[int]
    code: str
    def __init__(self, code: _Optional[str] = ...) -> None: ...

class ListCouponsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListCouponsResponse(_message.Message):
    __slots__ = ("coupons", "next_page_token")
    COUPONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    coupons: _containers.RepeatedCompositeFieldContainer[Coupon]
    next_page_token: str
    def __init__(self, coupons: _Optional[_Iterable[_Union[Coupon, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteCouponRequest(_message.Message):
    __slots__ = ("id", "etag", "request_id")
    ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    etag: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class ValidateCouponRequest(_message.Message):
    __slots__ = ("code",)
    CODE_FIELD_NUMBER: _ClassVar[int]
    code: str
    def __init__(self, code: _Optional[str] = ...) -> None: ...

class ValidateCouponResponse(_message.Message):
    __slots__ = ("is_valid", "reason", "type", "amount", "percent", "minimum_amount", "maximum_discount", "expire_time")
    IS_VALID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    PERCENT_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_DISCOUNT_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    is_valid: bool
    reason: str
    type: CouponType
    amount: _money_pb2.Money
    percent: _decimal_pb2.Decimal
    minimum_amount: _money_pb2.Money
    maximum_discount: _money_pb2.Money
    expire_time: _timestamp_pb2.Timestamp
    def __init__(self, is_valid: _Optional[bool] = ..., reason: _Optional[str] = ..., type: _Optional[_Union[CouponType, str]] = ..., amount: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., percent: _Optional[_Union[_decimal_pb2.Decimal, _Mapping]] = ..., minimum_amount: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., maximum_discount: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class EvaluateDiscountRequest(_message.Message):
    __slots__ = ("code", "user_id", "subtotal_amount", "shipping_amount")
    CODE_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    SUBTOTAL_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    SHIPPING_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    code: str
    user_id: str
    subtotal_amount: _money_pb2.Money
    shipping_amount: _money_pb2.Money
    def __init__(self, code: _Optional[str] = ..., user_id: _Optional[str] = ..., subtotal_amount: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., shipping_amount: _Optional[_Union[_money_pb2.Money, _Mapping]] = ...) -> None: ...

class Discount(_message.Message):
    __slots__ = ("coupon_id", "code", "discount_amount", "shipping_discount_amount")
    COUPON_ID_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    SHIPPING_DISCOUNT_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    coupon_id: str
    code: str
    discount_amount: _money_pb2.Money
    shipping_discount_amount: _money_pb2.Money
    def __init__(self, coupon_id: _Optional[str] = ..., code: _Optional[str] = ..., discount_amount: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., shipping_discount_amount: _Optional[_Union[_money_pb2.Money, _Mapping]] = ...) -> None: ...

class RedeemCouponRequest(_message.Message):
    __slots__ = ("code", "order_id", "user_id", "subtotal_amount", "request_id", "shipping_amount")
    CODE_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    SUBTOTAL_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SHIPPING_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    code: str
    order_id: str
    user_id: str
    subtotal_amount: _money_pb2.Money
    request_id: str
    shipping_amount: _money_pb2.Money
    def __init__(self, code: _Optional[str] = ..., order_id: _Optional[str] = ..., user_id: _Optional[str] = ..., subtotal_amount: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., request_id: _Optional[str] = ..., shipping_amount: _Optional[_Union[_money_pb2.Money, _Mapping]] = ...) -> None: ...

class CouponRedemption(_message.Message):
    __slots__ = ("id", "coupon_id", "code", "order_id", "discount_amount", "used_time", "shipping_discount_amount")
    ID_FIELD_NUMBER: _ClassVar[int]
    COUPON_ID_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    USED_TIME_FIELD_NUMBER: _ClassVar[int]
    SHIPPING_DISCOUNT_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    id: str
    coupon_id: str
    code: str
    order_id: str
    discount_amount: _money_pb2.Money
    used_time: _timestamp_pb2.Timestamp
    shipping_discount_amount: _money_pb2.Money
    def __init__(self, id: _Optional[str] = ..., coupon_id: _Optional[str] = ..., code: _Optional[str] = ..., order_id: _Optional[str] = ..., discount_amount: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., used_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., shipping_discount_amount: _Optional[_Union[_money_pb2.Money, _Mapping]] = ...) -> None: ...

class ReleaseCouponRequest(_message.Message):
    __slots__ = ("order_id", "request_id")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    request_id: str
    def __init__(self, order_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...
