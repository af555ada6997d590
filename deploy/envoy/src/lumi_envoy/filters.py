"""What every request passes on its way, in this order."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from lumi_envoy.clusters import JWKS
from lumi_envoy.contract import RoutedMethod, descriptor_set
from lumi_envoy.envoy import Json, typed
from lumi_envoy.rates import PAYLOAD, calls_of_clients, calls_of_methods
from lumi_envoy.refusals import remember_protocol
from lumi_envoy.routes import CORS_FILTER, JWKS_SECONDS, JWT_FILTER, TOKEN_OPTIONAL, TRANSCODER_FILTER
from lumi_envoy.settings import Settings

MAX_REQUEST_BYTES = 4 * 1024 * 1024  # the most that a method may say it takes
MAX_RESPONSE_BYTES = 16 * 1024 * 1024  # the services' 4 MiB, as JSON

_PROVIDER = "lumi"


def clients_filters(methods: Sequence[RoutedMethod], settings: Settings) -> list[Json]:
    """The filters of the listener that clients see.

    The token is checked after transcoding, when JSON, gRPC-Web and gRPC have one path, and before a body is held.
    """
    return [
        remember_protocol(),
        _security_headers(settings),
        typed(CORS_FILTER, "envoy.extensions.filters.http.cors.v3.Cors"),
        _healthz(),
        typed("envoy.filters.http.grpc_web", "envoy.extensions.filters.http.grpc_web.v3.GrpcWeb"),
        calls_of_clients(settings),
        _transcoder(methods),
        _tokens(settings),
        calls_of_methods(settings),
        typed(
            "envoy.filters.http.buffer",
            "envoy.extensions.filters.http.buffer.v3.Buffer",
            max_request_bytes=MAX_REQUEST_BYTES,
        ),
        _router(),
    ]


def jwks_filters(methods: Sequence[RoutedMethod]) -> list[Json]:
    """The filters of the listener that Envoy fetches keys from."""
    return [_transcoder(methods), _router()]


def _transcoder(methods: Sequence[RoutedMethod]) -> Json:
    descriptors = b64encode(descriptor_set(methods).SerializeToString(deterministic=True)).decode()
    return typed(
        TRANSCODER_FILTER,
        "envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder",
        proto_descriptor_bin=descriptors,
        services=sorted({method.service for method in methods}),
        auto_mapping=False,
        convert_grpc_status=True,
        match_unregistered_custom_verb=True,
        query_param_unescape_plus=True,
        max_request_body_size=MAX_REQUEST_BYTES,
        max_response_body_size=MAX_RESPONSE_BYTES,
        # Zero stock and an empty page are said, not left out.
        print_options={"always_print_primitive_fields": True},
        request_validation_options={
            "reject_unknown_method": True,
            "reject_unknown_query_parameters": True,
            "reject_binding_body_field_collisions": True,
        },
    )


def _tokens(settings: Settings) -> Json:
    """Signature, issuer, audience and time of the token; whether it suffices is the service's to say."""
    provider: dict[str, Any] = {
        "issuer": settings.token_issuer,
        "audiences": [settings.token_audience],
        "require_expiration": True,
        "from_headers": [{"name": "authorization", "value_prefix": "Bearer "}],
        "forward": True,
        "payload_in_metadata": PAYLOAD,
        "jwt_cache_config": {"jwt_cache_size": 2000, "jwt_max_token_size": 8192},
        "remote_jwks": {
            "http_uri": {
                "uri": "http://gateway/.well-known/jwks.json",
                "cluster": JWKS,
                "timeout": "2s",
            },
            "cache_duration": f"{JWKS_SECONDS}s",
            # Fetched before they are asked for; a gateway without keys still serves what is public.
            "async_fetch": {"fast_listener": True, "failed_refetch_duration": "1s"},
        },
    }
    required = {"provider_name": _PROVIDER}
    return typed(
        JWT_FILTER,
        "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
        providers={_PROVIDER: provider},
        requirement_map={
            TOKEN_OPTIONAL: {"requires_any": {"requirements": [required, {"allow_missing_or_failed": {}}]}}
        },
        # Whatever route does not say otherwise.
        rules=[{"match": {"prefix": "/"}, "requires": required}],
    )


def _security_headers(settings: Settings) -> Json:
    headers = {
        "cache-control": "no-store",
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
        "cross-origin-resource-policy": "same-origin",
        "referrer-policy": "no-referrer",
        "vary": "origin",  # what CORS says depends on it
        "x-content-type-options": "nosniff",
    }
    if settings.env != "local":
        headers["strict-transport-security"] = "max-age=31536000; includeSubDomains"
    mutations: list[Json] = [
        {"append": {"header": {"key": key, "value": value}, "append_action": "ADD_IF_ABSENT"}}
        for key, value in headers.items()
    ]
    mutations.append({"remove": "x-envoy-upstream-healthchecked-cluster"})  # said by the health check
    return typed(
        "envoy.filters.http.header_mutation",
        "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
        mutations={"response_mutations": mutations},
    )


def _healthz() -> Json:
    """200 while the gateway serves, 503 while it drains; a service that is away is no reason to take it out."""
    return typed(
        "envoy.filters.http.health_check",
        "envoy.extensions.filters.http.health_check.v3.HealthCheck",
        pass_through_mode=False,
        headers=[{"name": ":path", "string_match": {"exact": "/healthz"}}],
    )


def _router() -> Json:
    return typed(
        "envoy.filters.http.router",
        "envoy.extensions.filters.http.router.v3.Router",
        suppress_envoy_headers=True,
    )
