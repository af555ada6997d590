from buf.validate import validate_pb2 as _validate_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ExportPersonalDataRequest(_message.Message):
    __slots__ = ("user_id", "start_table", "start_key", "limit")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    START_TABLE_FIELD_NUMBER: _ClassVar[int]
    START_KEY_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    start_table: str
    start_key: str
    limit: int
    def __init__(self, user_id: _Optional[str] = ..., start_table: _Optional[str] = ..., start_key: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class ExportPersonalDataResponse(_message.Message):
    __slots__ = ("rows", "next_table", "next_key")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    NEXT_TABLE_FIELD_NUMBER: _ClassVar[int]
    NEXT_KEY_FIELD_NUMBER: _ClassVar[int]
    rows: _containers.RepeatedCompositeFieldContainer[PersonalRow]
    next_table: str
    next_key: str
    def __init__(self, rows: _Optional[_Iterable[_Union[PersonalRow, _Mapping]]] = ..., next_table: _Optional[str] = ..., next_key: _Optional[str] = ...) -> None: ...

class PersonalRow(_message.Message):
    __slots__ = ("table", "row")
    TABLE_FIELD_NUMBER: _ClassVar[int]
    ROW_FIELD_NUMBER: _ClassVar[int]
    table: str
    row: _struct_pb2.Struct
    def __init__(self, table: _Optional[str] = ..., row: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class ErasePersonalDataRequest(_message.Message):
    __slots__ = ("user_id", "guest_ids", "start_seq", "request_id")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    GUEST_IDS_FIELD_NUMBER: _ClassVar[int]
    START_SEQ_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    guest_ids: _containers.RepeatedScalarFieldContainer[str]
    start_seq: int
    request_id: str
    def __init__(self, user_id: _Optional[str] = ..., guest_ids: _Optional[_Iterable[str]] = ..., start_seq: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class ErasePersonalDataResponse(_message.Message):
    __slots__ = ("erased", "left", "next_seq")
    ERASED_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    NEXT_SEQ_FIELD_NUMBER: _ClassVar[int]
    erased: _containers.RepeatedCompositeFieldContainer[RowCount]
    left: _containers.RepeatedCompositeFieldContainer[RowCount]
    next_seq: int
    def __init__(self, erased: _Optional[_Iterable[_Union[RowCount, _Mapping]]] = ..., left: _Optional[_Iterable[_Union[RowCount, _Mapping]]] = ..., next_seq: _Optional[int] = ...) -> None: ...

class RowCount(_message.Message):
    __slots__ = ("table", "rows")
    TABLE_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    table: str
    rows: int
    def __init__(self, table: _Optional[str] = ..., rows: _Optional[int] = ...) -> None: ...

class ForgetEventsRequest(_message.Message):
    __slots__ = ("until_seq", "request_id")
    UNTIL_SEQ_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    until_seq: int
    request_id: str
    def __init__(self, until_seq: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class ForgetEventsResponse(_message.Message):
    __slots__ = ("forgotten", "until_seq")
    FORGOTTEN_FIELD_NUMBER: _ClassVar[int]
    UNTIL_SEQ_FIELD_NUMBER: _ClassVar[int]
    forgotten: bool
    until_seq: int
    def __init__(self, forgotten: _Optional[bool] = ..., until_seq: _Optional[int] = ...) -> None: ...
