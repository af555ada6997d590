"""Routes by gRPC path; what is not listed does not exist.

JSON and gRPC-Web have become gRPC before a route is chosen, so one entry decides for all three whether a method can be
reached, whether it takes a token, and how long it may take.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lumi_envoy.contract import RoutedMethod
from lumi_envoy.docs import MAX_FILE_BYTES, docs_routes
from lumi_envoy.envoy import Json, message, seconds
from lumi_envoy.rates import rate_of
from lumi_envoy.settings import Settings

TRANSCODER_FILTER = "envoy.filters.http.grpc_json_transcoder"
JWT_FILTER, CORS_FILTER = "envoy.filters.http.jwt_authn", "envoy.filters.http.cors"
TOKEN_OPTIONAL = "token_optional"
NOWHERE = "nowhere"

JWKS_PATH = "/lumi.identity.v1.AuthService/GetJwks"
JWKS_SECONDS = 60

LONGEST_SECONDS = 60  # what a caller may ask for with a deadline of its own
MARGIN_SECONDS = 1  # the service answers first, naming what was slow

# Nothing of the call has reached the service: safe whatever the method does.
_BEFORE_IT_ARRIVED = "connect-failure,refused-stream,reset-before-request"
_ANY_TIME = f"{_BEFORE_IT_ARRIVED},reset,unavailable"

_LOCAL_ORIGIN = {"safe_regex": {"regex": r"https?://(localhost|127\.0\.0\.1)(:[0-9]+)?"}}


def clients_routes(methods: Sequence[RoutedMethod], settings: Settings) -> Json:
    """The route table of the listener that clients see."""
    docs = docs_routes(settings.docs, without=(TRANSCODER_FILTER, JWT_FILTER))
    host = _host([*map(_route, methods), *docs, _NOTHING_ELSE])
    host["typed_per_filter_config"] = {CORS_FILTER: cors_policy(settings)}
    return {
        "name": "clients",
        "virtual_hosts": [host],
        "validate_clusters": False,
        "max_direct_response_body_size_bytes": MAX_FILE_BYTES,
    }


def jwks_routes(methods: Sequence[RoutedMethod]) -> Json:
    """The route table of the listener that Envoy fetches keys from: that one method."""
    host = _host([_route(method) for method in methods if method.path == JWKS_PATH])
    return {"name": "jwks", "virtual_hosts": [host]}


def cors_policy(settings: Settings) -> Json:
    """Which pages of other origins may call; tokens travel in a header, so no credentials."""
    origins: list[dict[str, Any]] = [{"exact": origin} for origin in settings.allowed_origins]
    if settings.env == "local":
        origins.append(_LOCAL_ORIGIN)
    return message(
        "envoy.extensions.filters.http.cors.v3.CorsPolicy",
        allow_origin_string_match=origins,
        allow_methods="GET, POST, PATCH, DELETE",
        allow_headers="authorization, content-type, grpc-timeout, traceparent, x-grpc-web, x-user-agent",
        expose_headers="grpc-status, grpc-message, grpc-status-details-bin, retry-after",
        max_age="600",
        allow_credentials=False,
    )


def _host(routes: list[Json]) -> Json:
    return {
        "name": "lumi",
        "domains": ["*"],
        "routes": routes,
        # Left behind by transcoding; it holds the query string, and would count twice against a header limit.
        "request_headers_to_remove": ["x-envoy-original-path", "x-envoy-original-method"],
    }


def _route(method: RoutedMethod) -> Json:
    limit = method.deadline_ms / 1000 + MARGIN_SECONDS
    route: Json = {
        "name": method.policy.name,
        "decorator": {"operation": method.policy.name, "propagate": False},  # the span's name
        "match": {"path": method.path},
        "metadata": rate_of(method),
        "route": {
            "cluster": method.context,
            "timeout": "0s",  # the next one bounds the call from its first byte in, and heeds grpc-timeout
            "max_stream_duration": {
                "max_stream_duration": seconds(limit),
                "grpc_timeout_header_max": seconds(max(limit, LONGEST_SECONDS)),
            },
            "idle_timeout": seconds(max(limit, LONGEST_SECONDS) + MARGIN_SECONDS),
            "retry_policy": _retry_policy(_BEFORE_IT_ARRIVED if method.policy.mutating else _ANY_TIME),
        },
        "request_headers_to_add": [
            {"header": {"key": "grpc-timeout", "value": f"{method.deadline_ms}m"}, "append_action": "ADD_IF_ABSENT"}
        ],
    }
    if method.policy.public:
        route["typed_per_filter_config"] = {JWT_FILTER: _jwt(requirement_name=TOKEN_OPTIONAL)}
    if method.brings_proof:
        # Whoever comes for a new token may still send along the old one, expired as it is.
        route["request_headers_to_remove"] = ["authorization"]
    if method.path == JWKS_PATH:
        value = f"public, max-age={JWKS_SECONDS}"
        route["response_headers_to_add"] = [{"header": {"key": "cache-control", "value": value}}]
    return route


def _retry_policy(on: str) -> Json:
    # About two seconds all together: enough for a service that was killed to be there again.
    backoff = {"base_interval": "0.2s", "max_interval": "1s"}
    return {"retry_on": on, "num_retries": 6, "retry_back_off": backoff}


def _jwt(**fields: Any) -> Json:
    return message("envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig", **fields)


# Also what a request has as long as its JSON form has not become gRPC. The answer is 404 by way of a cluster that is
# not there: CORS looks only at routes that lead somewhere.
_NOTHING_ELSE: Json = {
    "name": "nothing-else",
    "decorator": {"operation": "nothing-else", "propagate": False},
    "match": {"prefix": "/"},
    "route": {"cluster": NOWHERE, "cluster_not_found_response_code": "NOT_FOUND"},
    "typed_per_filter_config": {JWT_FILTER: _jwt(disabled=True)},
}
