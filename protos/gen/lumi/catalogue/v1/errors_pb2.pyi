from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor

class ErrorReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ERROR_REASON_UNSPECIFIED: _ClassVar[ErrorReason]
    ERROR_REASON_SLUG_TAKEN: _ClassVar[ErrorReason]
    ERROR_REASON_SKU_TAKEN: _ClassVar[ErrorReason]
    ERROR_REASON_CURRENCY_MISMATCH: _ClassVar[ErrorReason]
    ERROR_REASON_COMPARE_AT_PRICE_TOO_LOW: _ClassVar[ErrorReason]
    ERROR_REASON_CATEGORY_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_PRODUCT_NOT_PUBLISHABLE: _ClassVar[ErrorReason]
    ERROR_REASON_INSUFFICIENT_STOCK: _ClassVar[ErrorReason]
    ERROR_REASON_QUANTITY_OUT_OF_RANGE: _ClassVar[ErrorReason]
    ERROR_REASON_VARIANT_NOT_SELLABLE: _ClassVar[ErrorReason]
    ERROR_REASON_VARIANT_REPEATED: _ClassVar[ErrorReason]
    ERROR_REASON_RESERVATION_CLOSED: _ClassVar[ErrorReason]
    ERROR_REASON_RESERVATION_DIFFERS: _ClassVar[ErrorReason]
    ERROR_REASON_ROW_REPEATED: _ClassVar[ErrorReason]
    ERROR_REASON_ROW_CONFLICT: _ClassVar[ErrorReason]
    ERROR_REASON_STOCK_BACKORDERED: _ClassVar[ErrorReason]
    ERROR_REASON_PRODUCT_NOT_DELETED: _ClassVar[ErrorReason]
ERROR_REASON_UNSPECIFIED: ErrorReason
ERROR_REASON_SLUG_TAKEN: ErrorReason
ERROR_REASON_SKU_TAKEN: ErrorReason
ERROR_REASON_CURRENCY_MISMATCH: ErrorReason
ERROR_REASON_COMPARE_AT_PRICE_TOO_LOW: ErrorReason
ERROR_REASON_CATEGORY_NOT_FOUND: ErrorReason
ERROR_REASON_PRODUCT_NOT_PUBLISHABLE: ErrorReason
ERROR_REASON_INSUFFICIENT_STOCK: ErrorReason
ERROR_REASON_QUANTITY_OUT_OF_RANGE: ErrorReason
ERROR_REASON_VARIANT_NOT_SELLABLE: ErrorReason
ERROR_REASON_VARIANT_REPEATED: ErrorReason
ERROR_REASON_RESERVATION_CLOSED: ErrorReason
ERROR_REASON_RESERVATION_DIFFERS: ErrorReason
ERROR_REASON_ROW_REPEATED: ErrorReason
ERROR_REASON_ROW_CONFLICT: ErrorReason
ERROR_REASON_STOCK_BACKORDERED: ErrorReason
ERROR_REASON_PRODUCT_NOT_DELETED: ErrorReason
