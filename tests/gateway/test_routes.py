"""Every method that clients may call is reached in all three forms, and lands at its own service."""

from uuid import uuid4

import pytest
from google.protobuf.descriptor import MethodDescriptor

from lumi_common.rpc.access import read_policy
from lumi_envoy.contract import all_methods
from tests.gateway.gateway import ID, ORIGIN, Gateway, grpc_frame, grpc_path, http_form

ROUTED = [method for method in all_methods() if read_policy(method).on_public_port]


def the_context(method: MethodDescriptor) -> str:
    return str(method.full_name).split(".")[1]


@pytest.mark.parametrize("method", ROUTED, ids=lambda method: method.full_name)
def test_a_routed_method_is_reached_over_http(gateway: Gateway, method: MethodDescriptor):
    verb, path, body = http_form(method)

    answer = gateway.http.request(verb, path, json=body, headers=gateway.headers())

    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert isinstance(answer.json(), dict)
    (call,) = gateway.backends.calls
    assert (call.context, call.path) == (the_context(method), grpc_path(method))
    assert call.request.count(ID.encode()) == path.count(ID)


@pytest.mark.parametrize("method", ROUTED, ids=lambda method: method.full_name)
def test_a_routed_method_is_reached_over_grpc(gateway: Gateway, method: MethodDescriptor):
    gateway.call(grpc_path(method))

    (call,) = gateway.backends.calls
    assert (call.context, call.path) == (the_context(method), grpc_path(method))


@pytest.mark.parametrize("method", ROUTED, ids=lambda method: method.full_name)
def test_a_routed_method_is_reached_over_grpc_web(gateway: Gateway, method: MethodDescriptor):
    headers = gateway.headers() | {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}

    answer = gateway.http.post(grpc_path(method), content=grpc_frame(b""), headers=headers)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/grpc-web+proto"
    assert b"grpc-status:0" in answer.content
    (call,) = gateway.backends.calls
    assert (call.context, call.path) == (the_context(method), grpc_path(method))


def test_json_says_zeros_and_empty_lists(gateway: Gateway):
    answer = gateway.http.get("/v1/products")

    assert answer.json() == {"products": [], "nextPageToken": ""}


def test_keys_may_be_kept_for_a_minute_and_nothing_else_at_all(gateway: Gateway):
    keys, products = gateway.http.get("/.well-known/jwks.json"), gateway.http.get("/v1/products")

    assert [key["kid"] for key in keys.json()["keys"]] == ["test"]
    assert keys.headers["cache-control"] == "public, max-age=60"
    assert products.headers["cache-control"] == "no-store"


def test_healthz_answers_while_services_do_not(gateway: Gateway):
    gateway.backends.stop("marketing")
    try:
        assert gateway.http.get("/healthz").status_code == 200
    finally:
        gateway.backends.start("marketing")
    assert gateway.backends.calls == []


@pytest.mark.parametrize("path", ["/v1/orders", "/nowhere", "/healthz"])
def test_answers_and_refusals_carry_security_headers(gateway: Gateway, path: str):
    headers = gateway.http.get(path).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["strict-transport-security"].startswith("max-age=")
    assert headers["server"] == "lumi"
    assert not [name for name in headers if name.startswith("x-envoy")]


def test_a_page_of_a_listed_origin_may_call(gateway: Gateway):
    asked = {
        "origin": ORIGIN,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
    }

    preflight = gateway.http.options("/v1/orders", headers=asked)
    answer = gateway.http.get("/v1/orders", headers=gateway.headers() | {"origin": ORIGIN})
    refusal = gateway.http.get("/v1/orders", headers={"origin": ORIGIN})

    assert preflight.status_code == 200
    assert "authorization" in preflight.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in preflight.headers
    for each in (preflight, answer, refusal):
        assert each.headers["access-control-allow-origin"] == ORIGIN
    assert [call.path for call in gateway.backends.calls] == ["/lumi.orders.v1.OrderService/ListOrders"]


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost:3000", "null", f"{ORIGIN}.evil.example"])
def test_a_page_of_another_origin_may_not(gateway: Gateway, origin: str):
    asked = {"origin": origin, "access-control-request-method": "POST"}

    preflight = gateway.http.options("/v1/orders", headers=asked)
    answer = gateway.http.get("/v1/products", headers={"origin": origin})

    assert preflight.status_code == 404
    assert "access-control-allow-origin" not in preflight.headers
    assert "access-control-allow-origin" not in answer.headers


def test_the_access_log_has_a_line_per_call_without_query_token_or_address(gateway: Gateway):
    parent = f"00-{uuid4().hex}-b7ad6b7169203331-00"
    headers = gateway.headers() | {"traceparent": parent}
    gateway.http.get("/v1/orders", params={"pageToken": "a-secret-page"}, headers=headers)

    line = gateway.logged(parent)

    assert (line["path"], line["status"]) == ("/lumi.orders.v1.OrderService/ListOrders", 200)
    assert line["client"] == "127.0.0.0/24"
    assert "a-secret-page" not in gateway.access_log()
    assert headers["authorization"] not in gateway.access_log()
