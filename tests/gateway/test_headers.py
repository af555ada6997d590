"""What clients may not say is not passed on, and what services need is there."""

import socket
import tempfile
from pathlib import Path

import pytest

from lumi_envoy.contract import routed_methods
from lumi_envoy.settings import LOOPBACK
from tests.gateway.frames import DATA, END_HEADERS, END_STREAM, HEADERS, REQUEST, Connection, block, frame
from tests.gateway.gateway import Gateway, grpc_frame, grpc_path, running_gateway
from tests.gateway.test_routes import ROUTED

LIST = "/lumi.catalogue.v1.ProductService/ListProducts"
FORGED = (
    "x-lumi-actor", "x-lumi-ip", "x-lumi-agent", "x-lumi-service", "x-lumi-anything",
    "x-envoy-external-address", "x-envoy-internal", "x-envoy-original-path", "x-envoy-original-method",
    "x-envoy-retry-on", "x-envoy-upstream-rq-timeout-ms", "x-envoy-force-trace", "x-envoy-decorator-operation",
    "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-client-cert", "x-forwarded-user",
    "forwarded", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip", "x-request-id",
    "x-http-method-override", "x-http-method", "x-method-override",
    "x-original-url", "x-original-host", "x-rewrite-url",
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


WEB = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}


@pytest.mark.parametrize("name", FORGED)
def test_over_grpc_web_too(gateway: Gateway, name: str):
    for spelling in (name, name.title(), name.replace("-", "_")):
        gateway.http.post(LIST, content=grpc_frame(b""), headers={**WEB, spelling: MARK})

        assert gateway.backends.last.path == LIST
        assert passed_on(gateway) == []
    assert len(gateway.backends.calls) == 3


@pytest.mark.parametrize(
    "spelling",
    [
        "x-lumi-actor ",
        " x-lumi-actor",
        "x-lumi-actor\t",
        "x-lumi-actor\0",
        "x lumi actor",
        "x-lumi-actor\x0b",
        "\xa0x-lumi-actor",
    ],
)
def test_a_name_with_what_no_name_has_is_refused_or_nobodys(gateway: Gateway, spelling: str):
    answer = gateway.raw("/v1/products", f"{spelling}: {MARK}", verb="GET")

    assert answer.status in (200, 400)
    assert [name for call in gateway.backends.calls for name in call.metadata if "lumi" in name] == []


def test_trailers_say_nothing_over_http_2(gateway: Gateway):
    request = ((":method", "POST"), *REQUEST[1:3], (":path", "/v1/auth:signIn"), ("content-type", "application/json"))
    said = block(*((name, MARK) for name in FORGED), ("x-mine", MARK))
    with Connection((LOOPBACK, gateway.settings.gateway_port)) as connection:
        connection.send(
            frame(HEADERS, END_HEADERS, 1, block(*request)),
            frame(DATA, 0, 1, b"{}"),
            frame(HEADERS, END_HEADERS | END_STREAM, 1, said),
        )
        assert connection.answer(1)[":status"] == "200"
    assert passed_on(gateway) == []


def test_trailers_say_nothing_over_http_1(gateway: Gateway):
    trailers = "".join(f"{name}: {MARK}\r\n" for name in FORGED)
    chunks = f"2\r\n{{}}\r\n0\r\n{trailers}\r\n"
    with socket.create_connection((LOOPBACK, gateway.settings.gateway_port), timeout=5) as connection:
        connection.sendall(
            b"POST /v1/auth:signIn HTTP/1.1\r\nhost: lumi\r\ncontent-type: application/json\r\n"
            b"trailer: x-lumi-actor\r\ntransfer-encoding: chunked\r\n\r\n" + chunks.encode()
        )
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    assert passed_on(gateway) == []


def test_of_two_tokens_none_counts(gateway: Gateway):
    good = f"authorization: Bearer {gateway.token()}"
    for headers in ([good, good], [good, "authorization: Bearer x"], ["authorization: Bearer x", good]):
        assert gateway.raw("/v1/orders", *headers, verb="GET").status in (400, 401)
    assert gateway.backends.calls == []


def test_behind_proxies_of_ours_they_say_who_calls_and_only_they():
    seen = {"x-forwarded-for": f"198.51.100.9, {MARK}"}
    with (
        tempfile.TemporaryDirectory(prefix="lumi-gateway-") as folder,
        running_gateway(Path(folder), trusted_hops=1) as gateway,
    ):
        gateway.http.get("/v1/products", headers=seen | {"x-lumi-actor": "me", "x-envoy-external-address": "192.0.2.9"})

        metadata = gateway.backends.last.metadata
        assert metadata["x-envoy-external-address"] == MARK
        assert "x-lumi-actor" not in metadata


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
