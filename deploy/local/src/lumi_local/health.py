"""Whether a part answers, asked the way its clients would."""

from __future__ import annotations

import urllib.error
import urllib.request

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from lumi_local.process import LOOPBACK

# A proxy in the environment is for the world outside, never for loopback.
NO_PROXY = [("grpc.enable_http_proxy", 0)]


def service_is_ready(port: int) -> bool:
    """Whether a service's public port says SERVING for `ready` (grpc.health.v1)."""
    with grpc.insecure_channel(f"{LOOPBACK}:{port}", options=NO_PROXY) as channel:
        try:
            answer = HealthStub(channel).Check(HealthCheckRequest(service="ready"), timeout=1)
        except grpc.RpcError:
            return False
        return bool(answer.status == HealthCheckResponse.SERVING)


def gateway_is_ready(port: int) -> bool:
    """Whether the gateway answers `/healthz` with 200."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"http://{LOOPBACK}:{port}/healthz", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
