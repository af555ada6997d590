"""With which reasons a method may refuse, read off its comment and off what it takes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor
from google.rpc import code_pb2

from lumi_envoy.contract import contract_files
from lumi_envoy.refusals import DOMAIN as GATEWAY
from lumi_envoy.settings import CONTEXTS
from lumi_openapi.contract import Comments, Method
from lumi_openapi.texts import STATUSES

COMMON = "lumi.common.v1"

# Envoy's own mapping of gRPC's codes.
HTTP = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
# What any call may be answered, whatever it is about.
EVERYWHERE = ("OVERLOADED", "INTERNAL", "UNAVAILABLE", "DEADLINE_EXCEEDED")

_WORD = re.compile(r"\b[A-Z]{2,}(?:_[A-Z0-9]+)*\b")
_METADATA = re.compile(r"metadata ((?:`\w+`(?:, | and | or )?)+)")


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason: where it comes from, under which status, what it means and what to do."""

    name: str
    domain: str  # `orders.lumi`
    status: str
    text: str
    metadata: tuple[str, ...] = ()

    @property
    def http(self) -> int:
        return HTTP[self.status]

    @property
    def code(self) -> int:
        """gRPC's number for the status."""
        return int(code_pb2.Code.Value(self.status))

    @property
    def key(self) -> str:
        """`orders.CART_EMPTY`."""
        return f"{self.domain.removesuffix('.lumi')}.{self.name}"


class Reasons:
    """All reasons of the contract."""

    def __init__(self, comments: Comments) -> None:
        self._comments = comments
        enums = (enum for file in contract_files() for enum in file.enum_types_by_name.values())
        self._enums = {enum.file.package: enum for enum in enums if enum.name == "ErrorReason"}
        # Those without a status are not for answers.
        self._packages = {
            package: {name: (code, text) for name, code, text in self._told_of(enum) if code in STATUSES}
            for package, enum in self._enums.items()
        }

    def of(self, method: Method) -> list[Reason]:
        """What the method may refuse with, but for what any call may; each once, by status and then as it is told."""
        own = self._packages.get(method.package, {})
        shared = self._packages[COMMON]
        domain = f"{method.package.split('.')[1]}.lumi"
        found: dict[str, Reason] = {}
        for name, where in (*_always(method), *((name, domain) for name in self._told(method, {**shared, **own}))):
            status, text = own.get(name) or shared[name]
            if name not in EVERYWHERE:
                found.setdefault(name, _reason(name, where or domain, status, text))
        return sorted(found.values(), key=lambda reason: reason.http)

    def declared(self) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
        """Each package with its reasons: name, where it is told (a status, mostly), text; first of every service."""
        for package in (COMMON, *(f"lumi.{context}.v1" for context in CONTEXTS)):
            yield package, list(self._told_of(self._enums[package]))

    def everywhere(self) -> list[Reason]:
        """What any call may be answered."""
        return [_reason(name, GATEWAY, *self._packages[COMMON][name]) for name in EVERYWHERE]

    def _told(self, method: Method, known: dict[str, Any]) -> Iterator[str]:
        """Reasons that the comments name; what is said of a whole service is about its changes."""
        descriptor = method.descriptor
        texts = [self._comments.of(descriptor.full_name)]
        if method.routed.policy.mutating:
            texts.append(self._comments.of(descriptor.containing_service.full_name))
        for text in texts:
            yield from _named(text, known)

    def _told_of(self, enum: EnumDescriptor) -> Iterator[tuple[str, str, str]]:
        for value, comment in self._comments.of_values(enum):
            code, colon, text = comment.partition(": ")
            if colon:
                yield value.removeprefix("ERROR_REASON_"), code, text


def _named(text: str, known: Iterable[str]) -> Iterator[str]:
    """The reasons in a text; a status counts as the reason of its name unless another follows it."""
    for word, following in pairwise([*_WORD.finditer(text), None]):
        assert word is not None
        is_prefix = (
            word.group() in STATUSES
            and following is not None
            and following.start() == word.end() + 1
            and following.group() in known
        )
        if word.group() in known and not is_prefix:
            yield word.group()


def _always(method: Method) -> Iterator[tuple[str, str]]:
    """Reasons that follow from access and fields, each with the gateway's domain where the gateway is the first to say
    it."""
    policy, request = method.routed.policy, method.request
    if request.fields:
        yield "INVALID_REQUEST", ""
    if policy.takes_request_id:
        yield "REQUEST_ID_REUSED", ""
    if "page_token" in request.fields_by_name:
        yield "PAGE_TOKEN_INVALID", ""
    if _holds_mask(request):
        yield "FIELD_MASK_INVALID", ""
    if not policy.public:
        yield "TOKEN_MISSING", GATEWAY
    if not method.routed.brings_proof:
        yield "TOKEN_EXPIRED", "" if policy.public else GATEWAY
        yield "TOKEN_INVALID", "" if policy.public else GATEWAY
    if policy.user:
        yield "USER_REQUIRED", ""
    if policy.permission and not policy.owner:
        yield "PERMISSION_MISSING", ""
    if policy.step_up:
        yield "STEP_UP_REQUIRED", ""
    if policy.mutating and any(field.name == "etag" or field.name.endswith("_etag") for field in request.fields):
        yield "ETAG_MISMATCH", ""


def _holds_mask(request: Descriptor) -> bool:
    kinds = (field.message_type for field in request.fields if field.message_type is not None)
    return any(kind.full_name == "google.protobuf.FieldMask" for kind in kinds)


def _reason(name: str, domain: str, status: str, text: str) -> Reason:
    lists = _METADATA.findall(text)
    metadata = tuple(key for listed in lists for key in re.findall(r"`(\w+)`", listed))
    return Reason(name, domain, status, text, metadata)
