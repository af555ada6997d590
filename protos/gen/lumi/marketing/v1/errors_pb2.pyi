from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor

class ErrorReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ERROR_REASON_UNSPECIFIED: _ClassVar[ErrorReason]
    ERROR_REASON_CODE_TAKEN: _ClassVar[ErrorReason]
    ERROR_REASON_COUPON_TYPE_UNSUPPORTED: _ClassVar[ErrorReason]
    ERROR_REASON_VALUE_INVALID: _ClassVar[ErrorReason]
    ERROR_REASON_CURRENCY_MISMATCH: _ClassVar[ErrorReason]
    ERROR_REASON_PERIOD_INVALID: _ClassVar[ErrorReason]
    ERROR_REASON_COUPON_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_COUPON_INACTIVE: _ClassVar[ErrorReason]
    ERROR_REASON_COUPON_NOT_STARTED: _ClassVar[ErrorReason]
    ERROR_REASON_COUPON_EXPIRED: _ClassVar[ErrorReason]
    ERROR_REASON_COUPON_USED_UP: _ClassVar[ErrorReason]
    ERROR_REASON_COUPON_USED_BY_USER: _ClassVar[ErrorReason]
    ERROR_REASON_COUPON_MINIMUM_NOT_REACHED: _ClassVar[ErrorReason]
    ERROR_REASON_COUPON_CURRENCY_MISMATCH: _ClassVar[ErrorReason]
    ERROR_REASON_REDEMPTION_CLOSED: _ClassVar[ErrorReason]
    ERROR_REASON_COUPON_NEEDS_USER: _ClassVar[ErrorReason]
ERROR_REASON_UNSPECIFIED: ErrorReason
ERROR_REASON_CODE_TAKEN: ErrorReason
ERROR_REASON_COUPON_TYPE_UNSUPPORTED: ErrorReason
ERROR_REASON_VALUE_INVALID: ErrorReason
ERROR_REASON_CURRENCY_MISMATCH: ErrorReason
ERROR_REASON_PERIOD_INVALID: ErrorReason
ERROR_REASON_COUPON_NOT_FOUND: ErrorReason
ERROR_REASON_COUPON_INACTIVE: ErrorReason
ERROR_REASON_COUPON_NOT_STARTED: ErrorReason
ERROR_REASON_COUPON_EXPIRED: ErrorReason
ERROR_REASON_COUPON_USED_UP: ErrorReason
ERROR_REASON_COUPON_USED_BY_USER: ErrorReason
ERROR_REASON_COUPON_MINIMUM_NOT_REACHED: ErrorReason
ERROR_REASON_COUPON_CURRENCY_MISMATCH: ErrorReason
ERROR_REASON_REDEMPTION_CLOSED: ErrorReason
ERROR_REASON_COUPON_NEEDS_USER: ErrorReason
