from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class Rate(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RATE_UNSPECIFIED: _ClassVar[Rate]
    RATE_CALLS: _ClassVar[Rate]
    RATE_SESSIONS: _ClassVar[Rate]
    RATE_TRIES: _ClassVar[Rate]
RATE_UNSPECIFIED: Rate
RATE_CALLS: Rate
RATE_SESSIONS: Rate
RATE_TRIES: Rate
ACCESS_FIELD_NUMBER: _ClassVar[int]
access: _descriptor.FieldDescriptor
REQUEST_ID_EXEMPT_FIELD_NUMBER: _ClassVar[int]
request_id_exempt: _descriptor.FieldDescriptor
DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
deadline_ms: _descriptor.FieldDescriptor
RATE_FIELD_NUMBER: _ClassVar[int]
rate: _descriptor.FieldDescriptor
MAX_REQUEST_BYTES_FIELD_NUMBER: _ClassVar[int]
max_request_bytes: _descriptor.FieldDescriptor

class Access(_message.Message):
    __slots__ = ("public", "guest", "user", "permission", "service", "owner", "step_up")
    PUBLIC_FIELD_NUMBER: _ClassVar[int]
    GUEST_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    PERMISSION_FIELD_NUMBER: _ClassVar[int]
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    STEP_UP_FIELD_NUMBER: _ClassVar[int]
    public: bool
    guest: bool
    user: bool
    permission: str
    service: _containers.RepeatedScalarFieldContainer[str]
    owner: bool
    step_up: bool
    def __init__(self, public: _Optional[bool] = ..., guest: _Optional[bool] = ..., user: _Optional[bool] = ..., permission: _Optional[str] = ..., service: _Optional[_Iterable[str]] = ..., owner: _Optional[bool] = ..., step_up: _Optional[bool] = ...) -> None: ...
