"""Every refusal a caller can meet, one class per canonical code; `rpc/status.py` puts them on the wire.

Nothing here imports grpc, so that the domain may raise these where the fact is known.
"""

from enum import StrEnum
from typing import ClassVar, NamedTuple, Self


class Reason(StrEnum):
    """The reasons that every service may give; `lumi.common.v1.ErrorReason` documents each."""

    INTERNAL = "INTERNAL"
    INVALID_REQUEST = "INVALID_REQUEST"
    TOKEN_MISSING = "TOKEN_MISSING"
    TOKEN_INVALID = "TOKEN_INVALID"
    TOKEN_EXPIRED = "TOKEN_EXPIRED"
    PERMISSION_MISSING = "PERMISSION_MISSING"
    USER_REQUIRED = "USER_REQUIRED"
    STEP_UP_REQUIRED = "STEP_UP_REQUIRED"
    SERVICE_NOT_ALLOWED = "SERVICE_NOT_ALLOWED"
    REQUEST_ID_REQUIRED = "REQUEST_ID_REQUIRED"
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    ETAG_MISMATCH = "ETAG_MISMATCH"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    PAGE_TOKEN_INVALID = "PAGE_TOKEN_INVALID"
    ORDER_BY_INVALID = "ORDER_BY_INVALID"
    FILTER_INVALID = "FILTER_INVALID"
    FIELD_MASK_INVALID = "FIELD_MASK_INVALID"
    CURRENCY_UNSUPPORTED = "CURRENCY_UNSUPPORTED"
    AMOUNT_INVALID = "AMOUNT_INVALID"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    OVERLOADED = "OVERLOADED"
    UNAVAILABLE = "UNAVAILABLE"
    DEAD_LETTER_REFUSED = "DEAD_LETTER_REFUSED"
    REFERENCED = "REFERENCED"
    REFERENCE_GONE = "REFERENCE_GONE"
    DELETION_UNDER_WAY = "DELETION_UNDER_WAY"


class FieldViolation(NamedTuple):
    """One request field at fault, by its path (`items[2].quantity`), and what is wrong with it."""

    field: str
    description: str


class LumiError(Exception):
    """A refusal with its reason and the facts behind it.

    `reason` is UPPER_SNAKE; `message` is for a developer to read and may be empty; `field` names the request
    field at fault; the facts travel as strings, so they hold ids and numbers, nothing personal or secret. The fact
    `seconds` of a ResourceExhausted says when to try again, and travels as RetryInfo too.
    """

    code: ClassVar[str] = "UNKNOWN"

    def __init__(self, reason: str, message: str = "", *, field: str | None = None, **facts: object) -> None:
        super().__init__(reason, message)
        self.reason = str(reason)
        self.message = message
        self.facts = facts
        self.violations: tuple[FieldViolation, ...] = ()
        self.domain = ""  # of the service that said no; empty means this one
        if field is not None:
            self.violations = (FieldViolation(field, message or self.reason),)

    @property
    def field(self) -> str | None:
        """The first request field at fault, if one is named."""
        return self.violations[0].field if self.violations else None

    @classmethod
    def of_fields(cls, reason: str, violations: list[FieldViolation]) -> Self:
        """The refusal of several fields at once."""
        error = cls(reason, "; ".join(f"{each.field}: {each.description}" for each in violations[:3]))
        error.violations = tuple(violations)
        return error

    def __str__(self) -> str:
        facts = " ".join(f"{name}={value}" for name, value in self.facts.items())
        return " ".join(part for part in (self.reason, self.message, facts) if part)


class InvalidArgument(LumiError):
    """The request can never be right, whatever the state of the system."""

    code = "INVALID_ARGUMENT"


class Unauthenticated(LumiError):
    """Who is calling is not known, or no longer believed."""

    code = "UNAUTHENTICATED"


class PermissionDenied(LumiError):
    """The caller is known and may not do this."""

    code = "PERMISSION_DENIED"


class NotFound(LumiError):
    """There is no such row, or none that this caller may see."""

    code = "NOT_FOUND"


class AlreadyExists(LumiError):
    """Something else holds the name or key."""

    code = "ALREADY_EXISTS"


class FailedPrecondition(LumiError):
    """The state of the system refuses; trying again changes nothing until somebody changes the state."""

    code = "FAILED_PRECONDITION"


class Aborted(LumiError):
    """Another change came first; read again and retry from there."""

    code = "ABORTED"


class ResourceExhausted(LumiError):
    """A quota or a limit of the server is used up; later may do."""

    code = "RESOURCE_EXHAUSTED"


class Unavailable(LumiError):
    """Something needed is away for the moment; a retry with the same request id is safe."""

    code = "UNAVAILABLE"


class DeadlineExceeded(LumiError):
    """The time allowed for the call is over; whether it took effect is unknown."""

    code = "DEADLINE_EXCEEDED"


class Unimplemented(LumiError):
    """There is no such method here."""

    code = "UNIMPLEMENTED"


class Internal(LumiError):
    """A fault of ours; nothing of its text reaches the caller."""

    code = "INTERNAL"
