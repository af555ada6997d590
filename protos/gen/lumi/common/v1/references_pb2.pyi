import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ReferenceTarget(_message.Message):
    __slots__ = ("kind", "id")
    KIND_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    kind: str
    id: str
    def __init__(self, kind: _Optional[str] = ..., id: _Optional[str] = ...) -> None: ...

class FenceReferenceRequest(_message.Message):
    __slots__ = ("targets", "gone_time", "expire_time", "request_id")
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    GONE_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    targets: _containers.RepeatedCompositeFieldContainer[ReferenceTarget]
    gone_time: _timestamp_pb2.Timestamp
    expire_time: _timestamp_pb2.Timestamp
    request_id: str
    def __init__(self, targets: _Optional[_Iterable[_Union[ReferenceTarget, _Mapping]]] = ..., gone_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class FenceReferenceResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class UnfenceReferenceRequest(_message.Message):
    __slots__ = ("targets", "gone_time", "request_id")
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    GONE_TIME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    targets: _containers.RepeatedCompositeFieldContainer[ReferenceTarget]
    gone_time: _timestamp_pb2.Timestamp
    request_id: str
    def __init__(self, targets: _Optional[_Iterable[_Union[ReferenceTarget, _Mapping]]] = ..., gone_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class UnfenceReferenceResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ResolveReferenceRequest(_message.Message):
    __slots__ = ("kind", "ids")
    KIND_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    kind: str
    ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, kind: _Optional[str] = ..., ids: _Optional[_Iterable[str]] = ...) -> None: ...

class ResolveReferenceResponse(_message.Message):
    __slots__ = ("ids",)
    IDS_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, ids: _Optional[_Iterable[str]] = ...) -> None: ...

class GetIntegrityReportRequest(_message.Message):
    __slots__ = ("limit", "start_id")
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    START_ID_FIELD_NUMBER: _ClassVar[int]
    limit: int
    start_id: str
    def __init__(self, limit: _Optional[int] = ..., start_id: _Optional[str] = ...) -> None: ...

class ReferenceReport(_message.Message):
    __slots__ = ("column", "target", "on_delete", "checked_count", "missing_count", "missing_ids", "gone_count", "gone_ids")
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    ON_DELETE_FIELD_NUMBER: _ClassVar[int]
    CHECKED_COUNT_FIELD_NUMBER: _ClassVar[int]
    MISSING_COUNT_FIELD_NUMBER: _ClassVar[int]
    MISSING_IDS_FIELD_NUMBER: _ClassVar[int]
    GONE_COUNT_FIELD_NUMBER: _ClassVar[int]
    GONE_IDS_FIELD_NUMBER: _ClassVar[int]
    column: str
    target: str
    on_delete: str
    checked_count: int
    missing_count: int
    missing_ids: _containers.RepeatedScalarFieldContainer[str]
    gone_count: int
    gone_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, column: _Optional[str] = ..., target: _Optional[str] = ..., on_delete: _Optional[str] = ..., checked_count: _Optional[int] = ..., missing_count: _Optional[int] = ..., missing_ids: _Optional[_Iterable[str]] = ..., gone_count: _Optional[int] = ..., gone_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class GetIntegrityReportResponse(_message.Message):
    __slots__ = ("references", "next_id")
    REFERENCES_FIELD_NUMBER: _ClassVar[int]
    NEXT_ID_FIELD_NUMBER: _ClassVar[int]
    references: _containers.RepeatedCompositeFieldContainer[ReferenceReport]
    next_id: str
    def __init__(self, references: _Optional[_Iterable[_Union[ReferenceReport, _Mapping]]] = ..., next_id: _Optional[str] = ...) -> None: ...
