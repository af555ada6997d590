"""The whole configuration of one Envoy."""

from __future__ import annotations

import json
from pathlib import Path

from lumi_envoy.clusters import jwks_cluster, otlp_cluster, service_cluster
from lumi_envoy.contract import routed_methods
from lumi_envoy.envoy import Json, address, message, typed
from lumi_envoy.listeners import clients_listener, jwks_listener
from lumi_envoy.settings import CONTEXTS, LOOPBACK, Settings

MAX_RESETS = 500

# What the admin port shows or does; the rest of it would let a visitor stop the gateway.
ADMIN_PATHS = (
    "/ready",
    "/stats",
    "/clusters",
    "/listeners",
    "/server_info",
    "/memory",
    "/healthcheck/",
    "/drain_listeners",
)
# What Envoy takes from its runtime alone.
RUNTIME: Json = {
    # A connection that resets most of so many streams within their first second is hung up on.
    "overload.premature_reset_total_stream_count": MAX_RESETS,
    "overload.premature_reset_min_stream_lifetime_seconds": 1,
    # So many requests of one connection are begun before it is the others' turn.
    "http.max_requests_per_io_cycle": 16,
}
NO_SECRETS = Path("/dev/null")


def configuration(settings: Settings, secrets: Path = NO_SECRETS) -> str:
    """Envoy's configuration as JSON text, which is YAML too; the same for the same contract and settings.

    `secrets` is where the secrets file (`lumi_envoy.tls`) will be, if there is a certificate.
    """
    return json.dumps(bootstrap(settings, secrets), indent=1) + "\n"


def bootstrap(settings: Settings, secrets: Path = NO_SECRETS) -> Json:
    """Envoy's configuration."""
    methods = routed_methods()
    return {
        "node": {"id": "gateway", "cluster": "lumi"},
        "admin": {
            "address": address(LOOPBACK, settings.admin_port),
            "allow_paths": [{"prefix": path} for path in ADMIN_PATHS],
        },
        "static_resources": {
            "listeners": [clients_listener(methods, settings, secrets), jwks_listener(methods, settings)],
            "clusters": [
                *(service_cluster(context, settings, secrets) for context in CONTEXTS),
                jwks_cluster(settings),
                *otlp_cluster(settings),
            ],
        },
        "overload_manager": _overload(settings),
        "layered_runtime": {"layers": [{"name": "lumi", "static_layer": RUNTIME}]},
    }


def _overload(settings: Settings) -> Json:
    heap = "envoy.resource_monitors.fixed_heap"
    return {
        "refresh_interval": "0.25s",
        "resource_monitors": [
            typed(
                heap,
                "envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig",
                max_heap_size_bytes=settings.max_heap_mb * 1024 * 1024,
            ),
            typed(
                "envoy.resource_monitors.global_downstream_max_connections",
                "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                max_active_downstream_connections=settings.max_connections,
            ),
        ],
        "actions": [
            _reduce_timeouts(heap, 0.8, 0.95),
            _action("shrink_heap", heap, 0.9),
            _action("disable_http_keepalive", heap, 0.9),
            _action("stop_accepting_requests", heap, 0.95),
            _action("stop_accepting_connections", heap, 0.98),
        ],
    }


def _action(name: str, resource: str, at: float) -> Json:
    return {
        "name": f"envoy.overload_actions.{name}",
        "triggers": [{"name": resource, "threshold": {"value": at}}],
    }


def _reduce_timeouts(resource: str, begin: float, end: float) -> Json:
    """From the first share on, who does nothing is waited for the less the fuller it is."""
    waits = {
        "HTTP_DOWNSTREAM_CONNECTION_IDLE": {"min_timeout": "5s"},
        "HTTP_DOWNSTREAM_STREAM_IDLE": {"min_timeout": "5s"},
        "TRANSPORT_SOCKET_CONNECT": {"min_timeout": "2s"},
    }
    return {
        "name": "envoy.overload_actions.reduce_timeouts",
        "triggers": [{"name": resource, "scaled": {"scaling_threshold": begin, "saturation_threshold": end}}],
        "typed_config": message(
            "envoy.config.overload.v3.ScaleTimersOverloadActionConfig",
            timer_scale_factors=[{"timer": timer, **least} for timer, least in waits.items()],
        ),
    }
