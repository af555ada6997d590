"""The whole configuration of one Envoy."""

from __future__ import annotations

import json

from lumi_envoy.clusters import jwks_cluster, otlp_cluster, service_cluster
from lumi_envoy.contract import routed_methods
from lumi_envoy.envoy import Json, address, typed
from lumi_envoy.listeners import clients_listener, jwks_listener
from lumi_envoy.settings import CONTEXTS, LOOPBACK, Settings

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


def configuration(settings: Settings) -> str:
    """Envoy's configuration as JSON text, which is YAML too; the same for the same contract and settings."""
    return json.dumps(bootstrap(settings), indent=1) + "\n"


def bootstrap(settings: Settings) -> Json:
    """Envoy's configuration."""
    methods = routed_methods()
    return {
        "node": {"id": "gateway", "cluster": "lumi"},
        "admin": {
            "address": address(LOOPBACK, settings.admin_port),
            "allow_paths": [{"prefix": path} for path in ADMIN_PATHS],
        },
        "static_resources": {
            "listeners": [clients_listener(methods, settings), jwks_listener(methods, settings)],
            "clusters": [
                *(service_cluster(context, settings) for context in CONTEXTS),
                jwks_cluster(settings),
                *otlp_cluster(settings),
            ],
        },
        "overload_manager": _overload(settings),
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
            _action("shrink_heap", heap, 0.9),
            _action("disable_http_keepalive", heap, 0.9),
            _action("stop_accepting_requests", heap, 0.95),
        ],
    }


def _action(name: str, resource: str, at: float) -> Json:
    return {
        "name": f"envoy.overload_actions.{name}",
        "triggers": [{"name": resource, "threshold": {"value": at}}],
    }
