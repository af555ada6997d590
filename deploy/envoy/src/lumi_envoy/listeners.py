"""Where requests come in: the clients' listener, and the one that Envoy itself fetches keys from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lumi_envoy.clusters import JWKS, jwks_address
from lumi_envoy.contract import RoutedMethod
from lumi_envoy.envoy import Json, address, seconds, typed
from lumi_envoy.filters import clients_filters, jwks_filters
from lumi_envoy.refusals import local_replies
from lumi_envoy.routes import LONGEST_SECONDS, clients_routes, jwks_routes
from lumi_envoy.settings import Settings
from lumi_envoy.tls import for_clients
from lumi_envoy.tracing import sampled_flag_taken_back, tracing

MAX_HEADER_KB = 12  # below the 16 KiB of the services, which see a few headers more
MAX_HEADERS = 64
MAX_STREAMS = 128
MAX_REQUESTS_PER_CONNECTION = 10_000
CLIENT_BITS = 24  # of a client's address in the access log: the network, not who in it

# Words of ours and of Envoy's that only we may say, and those of proxies that are not there.
_NOBODY = {"address_prefix": "255.255.255.255", "prefix_len": 32}  # without any, private addresses are inside

INTERNAL_PREFIXES = ("x-lumi-", "x-envoy-")
# By which a request would be another one than it says, to whatever believes them.
DISGUISES = ("x-http-method", "x-method-override", "x-original-", "x-rewrite-")
PROXY_PREFIXES = (
    *("x-forwarded-", "forwarded", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip"),
    "x-request-id",
)


def clients_listener(methods: Sequence[RoutedMethod], settings: Settings, secrets: Path) -> Json:
    """HTTP/1.1 and HTTP/2 for clients; over TLS, with what the secrets file names, where they have a certificate."""
    manager = {
        "stat_prefix": "clients",
        "codec_type": "AUTO",
        "server_name": "lumi",
        "route_config": clients_routes(methods, settings),
        "http_filters": clients_filters(methods, settings),
        "local_reply_config": local_replies(),
        "early_header_mutation_extensions": [_strip(settings)],
        "access_log": [_access_log()],
        **tracing(settings),
        # Who calls: the connection, or what our own proxies in front say; nothing counts as inside.
        "use_remote_address": True,
        "xff_num_trusted_hops": settings.trusted_hops,
        "internal_address_config": {"cidr_ranges": [_NOBODY]},
        "generate_request_id": False,
        # One path, one meaning.
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        # Limits, the clock among them.
        "max_request_headers_kb": MAX_HEADER_KB,
        "request_headers_timeout": seconds(settings.headers_seconds),
        "request_timeout": seconds(settings.request_seconds),
        "stream_idle_timeout": f"{LONGEST_SECONDS}s",
        "stream_flush_timeout": seconds(settings.reading_seconds),
        "drain_timeout": "5s",
        "common_http_protocol_options": {
            "idle_timeout": seconds(settings.idle_seconds),
            "max_connection_duration": "3600s",
            "max_headers_count": MAX_HEADERS,
            "max_requests_per_connection": MAX_REQUESTS_PER_CONNECTION,
            # A proxy or a library further on may read `x_lumi_actor` as `x-lumi-actor`.
            "headers_with_underscores_action": "DROP_HEADER",
        },
        "http2_protocol_options": {
            "max_concurrent_streams": MAX_STREAMS,
            "initial_stream_window_size": 256 * 1024,
            "initial_connection_window_size": 1024 * 1024,
            # A client that went away without a word is noticed by this.
            "connection_keepalive": {"interval": "60s", "timeout": "20s"},
        },
    }
    chain: Json = {"filters": [_connection_manager(manager)]}
    if settings.gateway_tls:
        chain["transport_socket"] = for_clients(secrets)
        chain["transport_socket_connect_timeout"] = seconds(settings.headers_seconds)
    return {
        "name": "clients",
        "address": address(settings.gateway_host, settings.gateway_port),
        "per_connection_buffer_limit_bytes": 1024 * 1024,
        "enable_reuse_port": False,  # another gateway on this port is an error, not half of the traffic
        "filter_chains": [chain],
    }


def jwks_listener(methods: Sequence[RoutedMethod], settings: Settings) -> Json:
    """Where Envoy itself fetches keys; that one method and no other."""
    manager = {
        "stat_prefix": JWKS,
        "route_config": jwks_routes(methods),
        "http_filters": jwks_filters(methods),
        "generate_request_id": False,
    }
    return {
        "name": JWKS,
        "address": jwks_address(settings),
        "filter_chains": [{"filters": [_connection_manager(manager)]}],
    }


def _connection_manager(config: Json) -> Json:
    return typed(
        "envoy.filters.network.http_connection_manager",
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        **config,
    )


def _strip(settings: Settings) -> Json:
    """Takes these headers, and a traceparent's flag, off before anything reads them, Envoy itself included."""
    prefixes = INTERNAL_PREFIXES + DISGUISES + (() if settings.trusted_hops else PROXY_PREFIXES)
    return typed(
        "envoy.http.early_header_mutation.header_mutation",
        "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
        mutations=[
            *({"remove_on_match": {"key_matcher": {"prefix": prefix, "ignore_case": True}}} for prefix in prefixes),
            sampled_flag_taken_back(),
        ],
    )


def _access_log() -> Json:
    """A line of JSON for each request: the method that was meant and not the path that was typed, nobody's address."""
    return typed(
        "envoy.access_loggers.stdout",
        "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
        log_format={
            "json_format": {
                "time": "%START_TIME%",
                "method": "%REQ(:METHOD)%",
                "path": "/%ROUTE_NAME%",
                "protocol": "%PROTOCOL%",
                "status": "%RESPONSE_CODE%",
                "grpc_status": "%GRPC_STATUS%",
                "details": "%RESPONSE_CODE_DETAILS%",
                "flags": "%RESPONSE_FLAGS%",
                "ms": "%DURATION%",
                "bytes_in": "%BYTES_RECEIVED%",
                "bytes_out": "%BYTES_SENT%",
                "client": f"%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT({CLIENT_BITS})%",
                "upstream": "%UPSTREAM_HOST%",
                "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
                "traceparent": "%REQ(TRACEPARENT):55%",
            }
        },
    )
