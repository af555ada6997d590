from google.api import annotations_pb2 as _annotations_pb2
from lumi.common.v1 import operations_pb2 as _operations_pb2
from lumi.common.v1 import options_pb2 as _options_pb2
from lumi.common.v1 import personal_pb2 as _personal_pb2
from lumi.common.v1 import references_pb2 as _references_pb2
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor
