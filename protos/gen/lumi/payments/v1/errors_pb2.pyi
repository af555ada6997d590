from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor

class ErrorReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ERROR_REASON_UNSPECIFIED: _ClassVar[ErrorReason]
    ERROR_REASON_PROVIDER_UNAVAILABLE: _ClassVar[ErrorReason]
    ERROR_REASON_PAYMENT_DIFFERS: _ClassVar[ErrorReason]
    ERROR_REASON_PAYMENT_NOT_CAPTURABLE: _ClassVar[ErrorReason]
    ERROR_REASON_PAYMENT_NOT_VOIDABLE: _ClassVar[ErrorReason]
    ERROR_REASON_PAYMENT_NOT_MANUAL: _ClassVar[ErrorReason]
    ERROR_REASON_PAYMENT_NOT_RECORDABLE: _ClassVar[ErrorReason]
    ERROR_REASON_AMOUNT_DIFFERS: _ClassVar[ErrorReason]
    ERROR_REASON_AMOUNT_TOO_HIGH: _ClassVar[ErrorReason]
    ERROR_REASON_CURRENCY_MISMATCH: _ClassVar[ErrorReason]
    ERROR_REASON_TRANSACTION_ID_TAKEN: _ClassVar[ErrorReason]
    ERROR_REASON_PAYMENT_NOT_REFUNDABLE: _ClassVar[ErrorReason]
    ERROR_REASON_PAYMENT_ALREADY_REFUNDED: _ClassVar[ErrorReason]
    ERROR_REASON_REFUND_TOO_HIGH: _ClassVar[ErrorReason]
ERROR_REASON_UNSPECIFIED: ErrorReason
ERROR_REASON_PROVIDER_UNAVAILABLE: ErrorReason
ERROR_REASON_PAYMENT_DIFFERS: ErrorReason
ERROR_REASON_PAYMENT_NOT_CAPTURABLE: ErrorReason
ERROR_REASON_PAYMENT_NOT_VOIDABLE: ErrorReason
ERROR_REASON_PAYMENT_NOT_MANUAL: ErrorReason
ERROR_REASON_PAYMENT_NOT_RECORDABLE: ErrorReason
ERROR_REASON_AMOUNT_DIFFERS: ErrorReason
ERROR_REASON_AMOUNT_TOO_HIGH: ErrorReason
ERROR_REASON_CURRENCY_MISMATCH: ErrorReason
ERROR_REASON_TRANSACTION_ID_TAKEN: ErrorReason
ERROR_REASON_PAYMENT_NOT_REFUNDABLE: ErrorReason
ERROR_REASON_PAYMENT_ALREADY_REFUNDED: ErrorReason
ERROR_REASON_REFUND_TOO_HIGH: ErrorReason
