"""The services as Envoy sees them: where they are, whether they are well, how much they are given."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from urllib.parse import urlsplit

from lumi_envoy.envoy import Json, address, message, typed
from lumi_envoy.settings import Settings
from lumi_envoy.tls import for_services

JWKS = "jwks"  # the listener that Envoy fetches keys from, and the cluster that leads there
OTLP = "otlp"

MAX_CALLS = 512  # in flight to one service; the same number that a service takes before it says OVERLOADED


def service_cluster(context: str, settings: Settings, secrets: Path) -> Json:
    """One service's public port, over HTTP/2; over TLS where an authority is known, which the secrets file names."""
    host, port = settings.upstream(context)
    return {
        **({"transport_socket": for_services(context, secrets)} if settings.upstreams_ca else {}),
        "name": context,
        "type": "STATIC" if _is_ip(host) else "STRICT_DNS",
        "connect_timeout": "1s",
        "load_assignment": _endpoint(context, {"address": address(host, port)}),
        "lb_policy": "LEAST_REQUEST",
        "common_lb_config": {
            # With nobody healthy, try everybody: a service that is just back answers before its next health check.
            "healthy_panic_threshold": {"value": 1}
        },
        "health_checks": [
            {
                "grpc_health_check": {"service_name": "ready"},
                "timeout": "1s",
                "interval": "2s",
                "no_traffic_interval": "2s",  # a minute otherwise
                "unhealthy_interval": "0.25s",
                "unhealthy_threshold": 2,
                "healthy_threshold": 1,
                "always_log_health_check_failures": False,
            }
        ],
        "outlier_detection": {
            "consecutive_gateway_failure": 10,
            "enforcing_consecutive_gateway_failure": 100,
            "enforcing_consecutive_5xx": 0,  # INTERNAL is one request's fault more often than one host's
            "enforcing_success_rate": 0,
            "interval": "1s",
            "base_ejection_time": "1s",
            "max_ejection_time": "10s",
            "max_ejection_percent": 50,
        },
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": 64,
                    "max_pending_requests": MAX_CALLS,
                    "max_requests": MAX_CALLS,
                    "retry_budget": {"budget_percent": {"value": 20}, "min_retry_concurrency": 32},
                }
            ]
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": message(
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                common_http_protocol_options={"idle_timeout": "600s"},
                explicit_http_config={
                    "http2_protocol_options": {
                        "max_concurrent_streams": MAX_CALLS,
                        # A peer that went away without a word is noticed by this.
                        "connection_keepalive": {"interval": "30s", "timeout": "5s"},
                    }
                },
            )
        },
    }


def jwks_cluster(settings: Settings) -> Json:
    """Envoy itself, where it fetches keys."""
    return {
        "name": JWKS,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": _endpoint(JWKS, {"address": jwks_address(settings)}),
    }


def otlp_cluster(settings: Settings) -> list[Json]:
    """Where spans are taken; none without an endpoint."""
    if not settings.otlp_endpoint:
        return []
    endpoint = urlsplit(settings.otlp_endpoint)
    host, port = str(endpoint.hostname), int(endpoint.port or 0)
    http2 = message(
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions", explicit_http_config={"http2_protocol_options": {}}
    )
    cluster = {
        "name": OTLP,
        "type": "STATIC" if _is_ip(host) else "STRICT_DNS",
        "connect_timeout": "1s",
        "load_assignment": _endpoint(OTLP, {"address": address(host, port)}),
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2},
    }
    if endpoint.scheme == "https":
        names = [{"san_type": "IP_ADDRESS" if _is_ip(host) else "DNS", "matcher": {"exact": host}}]
        trusted = {"trusted_ca": {"filename": settings.otlp_ca}, "match_typed_subject_alt_names": names}
        cluster["transport_socket"] = typed(
            "envoy.transport_sockets.tls",
            "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            common_tls_context={"validation_context": trusted},
            **({} if _is_ip(host) else {"sni": host}),
        )
    return [cluster]


def jwks_address(settings: Settings) -> Json:
    """An abstract Unix socket: it takes no port and leaves no file behind."""
    return {"pipe": {"path": f"@lumi-gateway-{settings.gateway_port}-jwks"}}


def _endpoint(name: str, endpoint: Json) -> Json:
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": endpoint}]}]}


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
