"""What clients may not say is not passed on, and what services need is there."""

import pytest

from lumi_envoy.contract import routed_methods
from tests.gateway.gateway import Gateway, grpc_path
from tests.gateway.test_routes import ROUTED

LIST = "/lumi.catalogue.v1.ProductService/ListProducts"
FORGED = (
    "x-lumi-actor", "x-lumi-ip", "x-lumi-agent", "x-lumi-service", "x-lumi-anything",
    "x-envoy-external-address", "x-envoy-internal", "x-envoy-original-path", "x-envoy-original-method",
    "x-envoy-retry-on", "x-envoy-upstream-rq-timeout-ms", "x-envoy-force-trace", "x-envoy-decorator-operation",
    "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-client-cert", "x-forwarded-user",
    "forwarded", "x-real-ip", "x-request-id",
)  # fmt: skip
MARK = "203.0.113.66"


def passed_on(gateway: Gateway) -> list[str]:
    return [name for name, value in gateway.backends.last.metadata.items() if MARK in value]


@pytest.mark.parametrize("name", FORGED)
def test_an_internal_header_is_taken_off_however_it_is_spelled(gateway: Gateway, name: str):
    for spelling in (name, name.upper(), name.title(), name.replace("-", "_"), name.replace("-", "_").upper()):
        gateway.raw("/v1/products", f"{spelling}: {MARK}", verb="GET")
        assert gateway.backends.last.path == LIST
        assert passed_on(gateway) == [], spelling

    gateway.call(LIST, metadata={name: MARK})
    assert passed_on(gateway) == []
    gateway.call(LIST, metadata={name.replace("-", "_"): MARK})
    assert passed_on(gateway) == []
    assert len(gateway.backends.calls) == 7


def test_repeated_and_folded_headers_are_taken_off_too(gateway: Gateway):
    gateway.raw("/v1/products", f"x-lumi-actor: {MARK}", f"X-LUMI-ACTOR: {MARK}", f"x-lumi-ip:{MARK}", verb="GET")
    assert passed_on(gateway) == []

    gateway.raw("/v1/products", f"connection: x-lumi-actor\r\nx-lumi-actor: {MARK}", verb="GET")
    assert passed_on(gateway) == []


def test_the_client_address_is_the_one_that_was_seen(gateway: Gateway):
    gateway.http.get("/v1/products", headers={"x-forwarded-for": f"{MARK}, {MARK}"})

    metadata = gateway.backends.last.metadata
    assert metadata["x-envoy-external-address"] == "127.0.0.1"
    assert "," not in metadata["x-forwarded-for"]


def test_other_headers_are_passed_on(gateway: Gateway):
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
    gateway.http.get("/v1/products", headers={"traceparent": parent, "user-agent": "shop/1"})

    metadata = gateway.backends.last.metadata
    assert (metadata["traceparent"], metadata["user-agent"]) == (parent, "shop/1")


def test_a_trace_is_gone_on_with_and_its_clients_word_on_sampling_is_not(gateway: Gateway):
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"
    for spelling in ("traceparent", "Traceparent", "TRACEPARENT"):
        gateway.raw("/v1/products", f"{spelling}: {parent}-01", verb="GET")
        assert gateway.backends.last.metadata["traceparent"] == f"{parent}-00"
    gateway.call(LIST, metadata={"traceparent": f"{parent}-01"})
    assert gateway.backends.last.metadata["traceparent"] == f"{parent}-00"

    gateway.http.get("/v1/products")
    assert "traceparent" not in gateway.backends.last.metadata


@pytest.mark.parametrize("method", ROUTED, ids=lambda method: method.full_name)
def test_a_caller_without_a_deadline_gets_the_methods(gateway: Gateway, method):
    declared = {each.path: each.deadline_ms / 1000 for each in routed_methods()}

    gateway.call(grpc_path(method), timeout=None)

    seconds = gateway.backends.last.seconds
    assert seconds is not None
    assert declared[grpc_path(method)] - 0.5 < seconds <= declared[grpc_path(method)] + 1


def test_json_callers_get_the_methods_deadline_too(gateway: Gateway):
    gateway.http.get("/v1/products")

    assert 4.5 < (gateway.backends.last.seconds or 0) <= 6


@pytest.mark.parametrize("own", [2.0, 40.0])
def test_a_callers_own_deadline_is_kept(gateway: Gateway, own: float):
    gateway.call(LIST, metadata={}, timeout=own)
    assert own - 0.5 < (gateway.backends.last.seconds or 0) <= own + 1

    gateway.http.get("/v1/products", headers={"grpc-timeout": f"{own:.0f}S"})
    assert own - 0.5 < (gateway.backends.last.seconds or 0) <= own + 1
