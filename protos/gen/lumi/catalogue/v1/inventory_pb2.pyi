import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.type import money_pb2 as _money_pb2
from lumi.common.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StockReservationState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STOCK_RESERVATION_STATE_UNSPECIFIED: _ClassVar[StockReservationState]
    STOCK_RESERVATION_STATE_HELD: _ClassVar[StockReservationState]
    STOCK_RESERVATION_STATE_COMMITTED: _ClassVar[StockReservationState]
    STOCK_RESERVATION_STATE_RELEASED: _ClassVar[StockReservationState]
    STOCK_RESERVATION_STATE_EXPIRED: _ClassVar[StockReservationState]
STOCK_RESERVATION_STATE_UNSPECIFIED: StockReservationState
STOCK_RESERVATION_STATE_HELD: StockReservationState
STOCK_RESERVATION_STATE_COMMITTED: StockReservationState
STOCK_RESERVATION_STATE_RELEASED: StockReservationState
STOCK_RESERVATION_STATE_EXPIRED: StockReservationState

class Inventory(_message.Message):
    __slots__ = ("id", "product_variant_id", "quantity_available", "quantity_reserved", "quantity_on_hand", "low_stock_threshold", "create_time", "update_time", "etag")
    ID_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_VARIANT_ID_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_RESERVED_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_ON_HAND_FIELD_NUMBER: _ClassVar[int]
    LOW_STOCK_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    id: str
    product_variant_id: str
    quantity_available: int
    quantity_reserved: int
    quantity_on_hand: int
    low_stock_threshold: int
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    etag: str
    def __init__(self, id: _Optional[str] = ..., product_variant_id: _Optional[str] = ..., quantity_available: _Optional[int] = ..., quantity_reserved: _Optional[int] = ..., quantity_on_hand: _Optional[int] = ..., low_stock_threshold: _Optional[int] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., etag: _Optional[str] = ...) -> None: ...

class GetInventoryRequest(_message.Message):
    __slots__ = ("product_variant_id",)
    PRODUCT_VARIANT_ID_FIELD_NUMBER: _ClassVar[int]
    product_variant_id: str
    def __init__(self, product_variant_id: _Optional[str] = ...) -> None: ...

class AdjustInventoryRequest(_message.Message):
    __slots__ = ("product_variant_id", "delta", "reason", "etag", "request_id")
    PRODUCT_VARIANT_ID_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    product_variant_id: str
    delta: int
    reason: str
    etag: str
    request_id: str
    def __init__(self, product_variant_id: _Optional[str] = ..., delta: _Optional[int] = ..., reason: _Optional[str] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class SetInventoryRequest(_message.Message):
    __slots__ = ("product_variant_id", "quantity_on_hand", "reason", "low_stock_threshold", "etag", "request_id")
    PRODUCT_VARIANT_ID_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_ON_HAND_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    LOW_STOCK_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    product_variant_id: str
    quantity_on_hand: int
    reason: str
    low_stock_threshold: int
    etag: str
    request_id: str
    def __init__(self, product_variant_id: _Optional[str] = ..., quantity_on_hand: _Optional[int] = ..., reason: _Optional[str] = ..., low_stock_threshold: _Optional[int] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class ReserveStockRequest(_message.Message):
    __slots__ = ("order_id", "lines", "request_id")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    lines: _containers.RepeatedCompositeFieldContainer[StockLine]
    request_id: str
    def __init__(self, order_id: _Optional[str] = ..., lines: _Optional[_Iterable[_Union[StockLine, _Mapping]]] = ..., request_id: _Optional[str] = ...) -> None: ...

class StockLine(_message.Message):
    __slots__ = ("product_variant_id", "quantity")
    PRODUCT_VARIANT_ID_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    product_variant_id: str
    quantity: int
    def __init__(self, product_variant_id: _Optional[str] = ..., quantity: _Optional[int] = ...) -> None: ...

class ReserveStockResponse(_message.Message):
    __slots__ = ("order_id", "lines", "expire_time")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    lines: _containers.RepeatedCompositeFieldContainer[ReservedLine]
    expire_time: _timestamp_pb2.Timestamp
    def __init__(self, order_id: _Optional[str] = ..., lines: _Optional[_Iterable[_Union[ReservedLine, _Mapping]]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ReservedLine(_message.Message):
    __slots__ = ("product_variant_id", "product_id", "quantity", "unit_price", "product_title", "variant_title", "sku", "attributes")
    PRODUCT_VARIANT_ID_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    UNIT_PRICE_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_TITLE_FIELD_NUMBER: _ClassVar[int]
    VARIANT_TITLE_FIELD_NUMBER: _ClassVar[int]
    SKU_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    product_variant_id: str
    product_id: str
    quantity: int
    unit_price: _money_pb2.Money
    product_title: str
    variant_title: str
    sku: str
    attributes: _struct_pb2.Struct
    def __init__(self, product_variant_id: _Optional[str] = ..., product_id: _Optional[str] = ..., quantity: _Optional[int] = ..., unit_price: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., product_title: _Optional[str] = ..., variant_title: _Optional[str] = ..., sku: _Optional[str] = ..., attributes: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class CommitReservationRequest(_message.Message):
    __slots__ = ("order_id", "request_id")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    request_id: str
    def __init__(self, order_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class ReleaseReservationRequest(_message.Message):
    __slots__ = ("order_id", "request_id")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    request_id: str
    def __init__(self, order_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class Reservation(_message.Message):
    __slots__ = ("order_id", "lines")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    lines: _containers.RepeatedCompositeFieldContainer[ReservationLine]
    def __init__(self, order_id: _Optional[str] = ..., lines: _Optional[_Iterable[_Union[ReservationLine, _Mapping]]] = ...) -> None: ...

class ReservationLine(_message.Message):
    __slots__ = ("product_variant_id", "quantity", "state")
    PRODUCT_VARIANT_ID_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    product_variant_id: str
    quantity: int
    state: StockReservationState
    def __init__(self, product_variant_id: _Optional[str] = ..., quantity: _Optional[int] = ..., state: _Optional[_Union[StockReservationState, str]] = ...) -> None: ...
