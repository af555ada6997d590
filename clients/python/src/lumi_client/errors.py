"""Refusals as exceptions: one class per gRPC code, each with the reason that the service gave."""

from typing import ClassVar, NamedTuple

import grpc
from google.rpc import error_details_pb2, status_pb2

_DETAILS_KEY = "grpc-status-details-bin"


class FieldViolation(NamedTuple):
    """A field of the request at fault, by its path (`items[2].quantity`), and what is wrong with it."""

    field: str
    description: str


class LumiError(Exception):
    """A call that was refused or did not get through.

    `reason` is the service's own (`INSUFFICIENT_STOCK`; each service documents its own in its ErrorReason), or the
    gRPC code where none was given; `domain` is who said so (`orders.lumi`); `facts` are the ids and numbers behind it.
    """

    code: ClassVar[str] = "UNKNOWN"

    def __init__(self, method: str, message: str = "") -> None:
        super().__init__(method, message)
        self.method = method
        self.message = message
        self.reason: str = self.code
        self.domain = ""
        self.facts: dict[str, str] = {}
        self.violations: tuple[FieldViolation, ...] = ()

    def __str__(self) -> str:
        return f"{self.method}: {self.reason}: {self.message}"


class SecondFactorWanted(Exception):
    """The password is right and the account has a second factor: `Lumi.verify` takes the challenge with a code."""

    def __init__(self, challenge: str) -> None:
        super().__init__("the account has a second factor: a code is wanted")
        self.challenge = challenge


class InvalidArgument(LumiError):
    """The request can never be right; `violations` name the fields at fault."""

    code = "INVALID_ARGUMENT"


class Unauthenticated(LumiError):
    """Nobody is signed in, or no longer: sign in again."""

    code = "UNAUTHENTICATED"


class PermissionDenied(LumiError):
    """Whoever is signed in may not do this."""

    code = "PERMISSION_DENIED"


class NotFound(LumiError):
    """There is no such thing, or none that may be seen."""

    code = "NOT_FOUND"


class AlreadyExists(LumiError):
    """Something else has the name or the key."""

    code = "ALREADY_EXISTS"


class FailedPrecondition(LumiError):
    """Not as things stand: `reason` says what has to change first."""

    code = "FAILED_PRECONDITION"


class Aborted(LumiError):
    """Somebody else's change came first: read again and decide anew."""

    code = "ABORTED"


class ResourceExhausted(LumiError):
    """Too much at once, still, after all the tries that the deadline allowed."""

    code = "RESOURCE_EXHAUSTED"


class Unavailable(LumiError):
    """The shop cannot be reached, still, after all the tries that the deadline allowed."""

    code = "UNAVAILABLE"


class DeadlineExceeded(LumiError):
    """No answer in time; with the same `request_id` the call may be sent again."""

    code = "DEADLINE_EXCEEDED"


class Internal(LumiError):
    """A fault of the shop's, logged there."""

    code = "INTERNAL"


_CLASSES = {each.code: each for each in LumiError.__subclasses__()}


def refusal(method: str, failure: grpc.aio.AioRpcError) -> LumiError:
    """What a failed call means, with reason, facts and fields where the service gave them."""
    error = _CLASSES.get(failure.code().name, LumiError)(method, failure.details() or "")
    error.reason = failure.code().name
    for key, value in failure.trailing_metadata() or ():
        if key == _DETAILS_KEY and isinstance(value, bytes):
            _read(error, value)
    return error


def _read(error: LumiError, details: bytes) -> None:
    info, fault = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status_pb2.Status.FromString(details).details:
        if detail.Unpack(info):
            error.reason, error.domain, error.facts = info.reason, info.domain, dict(info.metadata)
        elif detail.Unpack(fault):
            error.violations = tuple(FieldViolation(each.field, each.description) for each in fault.field_violations)
