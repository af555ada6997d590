"""Envoy's own errors, told as the services tell theirs: `google.rpc.Status` with an `ErrorInfo` of `gateway.lumi`.

HTTP callers get it as JSON, gRPC callers as `grpc-status` with `grpc-status-details-bin`. Which of the two a caller is
was noted from its content type on the way in (PROTOCOL): transcoding overwrites the header that would tell.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass

from google.rpc import code_pb2, error_details_pb2, status_pb2

from lumi_envoy.envoy import Json, typed
from lumi_envoy.rates import REFUSED

DOMAIN = "gateway.lumi"
PROTOCOL = ("lumi.gateway", "content_type")  # namespace and key of dynamic metadata

GRPC_WEB = "application/grpc-web+proto"

_JWT = "response.code_details.startsWith('jwt_authn_access_denied{%s')"
_ENVOY_SAYS = "%LOCAL_REPLY_BODY%"


@dataclass(frozen=True, slots=True)
class Refusal:
    """One of Envoy's errors and how it is told; `when` is CEL over the response."""

    when: str
    http: int
    code: str
    reason: str
    message: str
    grpc_code: str = ""  # where gRPC callers know it by another one
    envoy_knows_better: bool = False  # its text names the field at fault; JSON only, for details repeat the message

    @property
    def grpc_status(self) -> status_pb2.Status:
        """What gRPC callers are told."""
        status = status_pb2.Status(code=code_pb2.Code.Value(self.grpc_code or self.code), message=self.message)
        status.details.add().Pack(error_details_pb2.ErrorInfo(reason=self.reason, domain=DOMAIN))
        return status


# The first that fits is told.
REFUSALS = (
    Refusal(_JWT % "Jwt_is_missing", 401, "UNAUTHENTICATED", "TOKEN_MISSING", "this method needs an access token"),
    Refusal(_JWT % "Jwt_is_expired", 401, "UNAUTHENTICATED", "TOKEN_EXPIRED", "the access token has expired"),
    Refusal(
        _JWT % "Jwks_remote_fetch_is_failed",
        *(503, "UNAVAILABLE", "UNAVAILABLE", "signing keys cannot be had at the moment"),
    ),
    Refusal(_JWT % "", 401, "UNAUTHENTICATED", "TOKEN_INVALID", "the access token is not valid"),
    Refusal(
        "response.code == 400 && response.code_details.contains('grpc_json_transcode_failure')",
        *(400, "INVALID_ARGUMENT", "INVALID_REQUEST", "the request does not fit the method"),
        envoy_knows_better=True,
    ),
    Refusal(
        "response.code == 404 || response.code == 405",
        *(404, "NOT_FOUND", "ROUTE_NOT_FOUND", "there is no such method"),
        grpc_code="UNIMPLEMENTED",
    ),
    Refusal("response.code == 408", 408, "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED", "the request took too long to come"),
    Refusal("response.code == 504", 504, "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED", "the time allowed is over"),
    Refusal("response.code == 413", 413, "RESOURCE_EXHAUSTED", "REQUEST_TOO_LARGE", "the request is too large"),
    Refusal(
        "response.code == 431",
        *(431, "RESOURCE_EXHAUSTED", "HEADERS_TOO_LARGE", "the request's headers are too large or too many"),
    ),
    Refusal(
        f"response.code_details == '{REFUSED}'",
        *(429, "RESOURCE_EXHAUSTED", "OVERLOADED", "too many calls in so short a time; try again later"),
    ),
    Refusal(
        "response.code == 429 || response.code_details.contains('overflow') || response.code_details == 'overload'",
        *(429, "RESOURCE_EXHAUSTED", "OVERLOADED", "too many calls at once; try again"),
    ),
    Refusal("response.code == 501", 501, "UNIMPLEMENTED", "UNIMPLEMENTED", "the gateway does not do that"),
    Refusal(
        "response.code == 502 || response.code == 503",
        *(503, "UNAVAILABLE", "UNAVAILABLE", "the service is away for the moment"),
    ),
    Refusal("response.code >= 500", 500, "INTERNAL", "INTERNAL", "something went wrong"),
    Refusal("response.code >= 400", 400, "INVALID_ARGUMENT", "INVALID_REQUEST", "the request cannot be read"),
)


def local_replies() -> Json:
    """Envoy's `local_reply_config`."""
    return {"mappers": list(_mappers())}


def remember_protocol() -> Json:
    """The filter that notes the content type before others rewrite it."""
    namespace, key = PROTOCOL
    rule = {
        "header": "content-type",
        "on_header_present": {"metadata_namespace": namespace, "key": key},
        "on_header_missing": {"metadata_namespace": namespace, "key": key, "value": "none"},
    }
    return typed(
        "envoy.filters.http.header_to_metadata",
        "envoy.extensions.filters.http.header_to_metadata.v3.Config",
        request_rules=[rule],
    )


def _mappers() -> Iterator[Json]:
    for refusal in REFUSALS:
        status = refusal.grpc_status
        headers = [
            _header("grpc-status", str(status.code)),
            # Base64 without padding, as gRPC sends binary metadata.
            _header("grpc-status-details-bin", b64encode(status.SerializeToString()).decode().rstrip("=")),
        ]
        yield {
            # Envoy knows gRPC-Web for gRPC no more here, and would make a code of its own of any other status.
            "filter": _all_of(_cel(refusal.when), _NOTED_AS_GRPC_WEB),
            "status_code": 200,
            "headers_to_add": [*headers, _header("grpc-message", refusal.message)],
            "body_format_override": {"text_format_source": {"inline_string": ""}, "content_type": GRPC_WEB},
        }
        yield {
            "filter": _all_of(_cel(refusal.when), _GRPC_CALLER),
            "body": {"inline_string": refusal.message},
            "headers_to_add": headers,
        }
        yield {
            "filter": _cel(refusal.when),
            "status_code": refusal.http,
            "body_format_override": {"json_format": _json(refusal)},
        }


def _json(refusal: Refusal) -> Json:
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": refusal.reason, "domain": DOMAIN}
    message = _ENVOY_SAYS if refusal.envoy_knows_better else refusal.message
    return {"code": code_pb2.Code.Value(refusal.code), "message": message, "details": [info]}


def _header(key: str, value: str) -> Json:
    return {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _cel(expression: str) -> Json:
    cel = typed("cel", "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter", expression=expression)
    return {"extension_filter": cel}


def _all_of(*filters: Json) -> Json:
    return {"and_filter": {"filters": list(filters)}}


def _noted(value: Json, *, or_nothing: bool) -> Json:
    namespace, key = PROTOCOL
    matcher = {"filter": namespace, "path": [{"key": key}], "value": value}
    return {"metadata_filter": {"matcher": matcher, "match_if_key_not_found": or_nothing}}


_IS_GRPC: Json = {"prefix": "application/grpc", "ignore_case": True}
_NOTED_AS_GRPC = _noted({"string_match": _IS_GRPC}, or_nothing=False)
# What is refused before any filter has run has nothing noted, and still its own headers.
_NOTHING_NOTED = _noted({"null_match": {}}, or_nothing=True)
_SAYS_GRPC: Json = {"header_filter": {"header": {"name": "content-type", "string_match": _IS_GRPC}}}
_GRPC_CALLER: Json = {"or_filter": {"filters": [_NOTED_AS_GRPC, _all_of(_NOTHING_NOTED, _SAYS_GRPC)]}}
_NOTED_AS_GRPC_WEB = _noted({"string_match": {"prefix": "application/grpc-web", "ignore_case": True}}, or_nothing=False)
