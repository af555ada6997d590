from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor

class ErrorReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ERROR_REASON_UNSPECIFIED: _ClassVar[ErrorReason]
    ERROR_REASON_ACTIVE_CART_EXISTS: _ClassVar[ErrorReason]
    ERROR_REASON_CART_NOT_ACTIVE: _ClassVar[ErrorReason]
    ERROR_REASON_CART_BEING_PLACED: _ClassVar[ErrorReason]
    ERROR_REASON_CART_EMPTY: _ClassVar[ErrorReason]
    ERROR_REASON_CART_FULL: _ClassVar[ErrorReason]
    ERROR_REASON_CART_ITEM_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_QUANTITY_OUT_OF_RANGE: _ClassVar[ErrorReason]
    ERROR_REASON_VARIANT_NOT_SELLABLE: _ClassVar[ErrorReason]
    ERROR_REASON_INSUFFICIENT_STOCK: _ClassVar[ErrorReason]
    ERROR_REASON_CURRENCY_MISMATCH: _ClassVar[ErrorReason]
    ERROR_REASON_COUPON_REFUSED: _ClassVar[ErrorReason]
    ERROR_REASON_ADDRESS_REQUIRED: _ClassVar[ErrorReason]
    ERROR_REASON_ADDRESS_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_PAYMENT_REFUSED: _ClassVar[ErrorReason]
    ERROR_REASON_PLACING_UNDONE: _ClassVar[ErrorReason]
    ERROR_REASON_ORDER_NOT_CANCELLABLE: _ClassVar[ErrorReason]
    ERROR_REASON_ORDER_STATUS_CONFLICT: _ClassVar[ErrorReason]
ERROR_REASON_UNSPECIFIED: ErrorReason
ERROR_REASON_ACTIVE_CART_EXISTS: ErrorReason
ERROR_REASON_CART_NOT_ACTIVE: ErrorReason
ERROR_REASON_CART_BEING_PLACED: ErrorReason
ERROR_REASON_CART_EMPTY: ErrorReason
ERROR_REASON_CART_FULL: ErrorReason
ERROR_REASON_CART_ITEM_NOT_FOUND: ErrorReason
ERROR_REASON_QUANTITY_OUT_OF_RANGE: ErrorReason
ERROR_REASON_VARIANT_NOT_SELLABLE: ErrorReason
ERROR_REASON_INSUFFICIENT_STOCK: ErrorReason
ERROR_REASON_CURRENCY_MISMATCH: ErrorReason
ERROR_REASON_COUPON_REFUSED: ErrorReason
ERROR_REASON_ADDRESS_REQUIRED: ErrorReason
ERROR_REASON_ADDRESS_NOT_FOUND: ErrorReason
ERROR_REASON_PAYMENT_REFUSED: ErrorReason
ERROR_REASON_PLACING_UNDONE: ErrorReason
ERROR_REASON_ORDER_NOT_CANCELLABLE: ErrorReason
ERROR_REASON_ORDER_STATUS_CONFLICT: ErrorReason
