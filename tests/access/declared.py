"""What the contract's `access` options promise, read from the descriptors and from nothing that enforces them."""

from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from lumi.common.v1 import options_pb2

from lumi_envoy.contract import all_methods
from tests.access.callers import Caller

METHODS = all_methods()
ADMITTED = ""
UNKNOWN = "UNIMPLEMENTED"


def access_of(method: MethodDescriptor) -> options_pb2.Access:
    """The option as the proto has it."""
    options: Any = method.GetOptions()
    access: options_pb2.Access = options.Extensions[options_pb2.access]
    return access


def is_for_clients(access: options_pb2.Access) -> bool:
    """Whether anybody but a service may call."""
    return bool(access.public or access.guest or access.user or access.permission)


def at_the_door(access: options_pb2.Access, caller: Caller) -> str:
    """What a caller is told on the way of clients: nothing when they are let in, else the reason."""
    if not is_for_clients(access):
        return UNKNOWN
    if access.public:
        return ADMITTED
    if caller.kind == "anonymous":
        return "TOKEN_MISSING"
    if access.user and caller.kind == "guest":
        return "USER_REQUIRED"
    if access.permission and access.permission not in caller.permissions and not access.owner:
        return "PERMISSION_MISSING"
    if access.step_up and not caller.stepped_up:
        return "STEP_UP_REQUIRED"
    return ADMITTED


def between_services(access: options_pb2.Access, service: str) -> str:
    """The same for a service at the internal port of another."""
    if access.public or service in access.service:
        return ADMITTED
    return "SERVICE_NOT_ALLOWED" if access.service else UNKNOWN
