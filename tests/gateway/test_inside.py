"""What is for operators and between services is not to be had from outside."""

import socket

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub

from lumi_envoy.bootstrap import ADMIN_PATHS
from tests.gateway.gateway import Gateway, admin, grpc_frame

ADMINS = (
    *ADMIN_PATHS, "/config_dump", "/certs", "/logging", "/quitquitquit", "/runtime", "/runtime_modify", "/contention",
    "/cpuprofiler", "/heapprofiler", "/heap_dump", "/hot_restart_version", "/init_dump", "/reset_counters",
    "/stats/prometheus", "/reopen_logs", "/help", "/",
)  # fmt: skip
WATCHES = (
    "/metrics", "/prometheus", "/actuator/health", "/debug/pprof/", "/debug/vars", "/health", "/livez", "/readyz",
    "/status", "/server-status",
)  # fmt: skip
SERVICES = (
    "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch", "/grpc.health.v1.Health/List",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    "/grpc.channelz.v1.Channelz/GetServers", "/grpc.admin.v1.Admin/Get",
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources",
)  # fmt: skip


@pytest.mark.parametrize("path", [*ADMINS, *WATCHES, *SERVICES])
@pytest.mark.parametrize("host", ["lumi", "127.0.0.1", "localhost", "admin"])
def test_nothing_of_the_inside_is_served(gateway: Gateway, path: str, host: str):
    port = gateway.settings.admin_port
    for headers in ({"host": f"{host}:{port}"}, {"host": host} | gateway.headers()):
        for verb in ("GET", "POST"):
            assert gateway.http.request(verb, path, headers=headers).status_code == 404
    assert gateway.raw(f"http://{host}:{port}{path}", verb="GET").status == 404
    assert gateway.backends.calls == []


@pytest.mark.parametrize("path", SERVICES)
def test_nor_over_grpc(gateway: Gateway, path: str):
    for metadata in ({}, gateway.headers()):
        with pytest.raises(grpc.RpcError) as refusal:
            gateway.call(path, metadata=metadata)
        assert refusal.value.code() is grpc.StatusCode.UNIMPLEMENTED
    web = gateway.http.post(path, content=grpc_frame(b""), headers={"content-type": "application/grpc-web+proto"})
    assert web.headers["grpc-status"] == "12"
    assert gateway.backends.calls == []


def test_health_of_the_services_is_the_gateways_to_ask(gateway: Gateway):
    with pytest.raises(grpc.RpcError) as refusal:
        HealthStub(gateway.channel).Check(HealthCheckRequest(service="ready"), timeout=5)
    assert refusal.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_the_admin_port_is_at_one_address_of_this_machine_and_shows_no_more_than_it_must(gateway: Gateway):
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", gateway.settings.admin_port), timeout=5)

    assert "http.clients" in admin(gateway.settings, "/stats")
    for path in set(ADMINS) - set(ADMIN_PATHS) - {"/stats/prometheus", "/"}:
        assert "not allowed" in admin(gateway.settings, path), path


def test_the_gateway_listens_to_clients_and_to_itself_and_to_nobody_else(gateway: Gateway):
    listeners = dict(line.split("::", 1) for line in admin(gateway.settings, "/listeners").split())

    assert listeners == {
        "clients": gateway.address,
        "jwks": f"@lumi-gateway-{gateway.settings.gateway_port}-jwks",
    }
