"""Every method that clients may call is reached in all three forms, and lands at its own service."""

from collections.abc import Iterator, Mapping
from uuid import uuid4

import pytest
from google.protobuf.descriptor import MethodDescriptor

from lumi_common.rpc.access import read_policy
from lumi_envoy.contract import all_methods
from lumi_envoy.filters import MAX_REQUEST_BYTES
from tests.gateway.gateway import ID, ORIGIN, Gateway, grpc_frame, grpc_path, http_form

WEB = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
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
    answer = gateway.http.post(grpc_path(method), content=grpc_frame(b""), headers=gateway.headers() | WEB)

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


SECURITY_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=31536000; includeSubDomains",
    "vary": "origin",
    "x-content-type-options": "nosniff",
}


def of_every_kind(gateway: Gateway) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Answers of services, of filters, and those that Envoy gives before there is any filter."""
    large = b'{"cartId":"' + b"x" * MAX_REQUEST_BYTES + b'"}'
    answers = [
        gateway.http.get("/v1/products"),
        gateway.http.get("/v1/products", params={"colour": "red"}),
        gateway.http.get("/v1/orders"),
        gateway.http.get("/nowhere"),
        gateway.http.get("/healthz"),
        gateway.http.options("/v1/orders", headers={"origin": ORIGIN, "access-control-request-method": "POST"}),
        gateway.http.post("/v1/orders", content=large, headers=gateway.headers()),
        gateway.raw("/v1%2fproducts", verb="GET"),
        gateway.raw("/v1/products", "x a: b", verb="GET"),
        gateway.raw("/v1/products", f"x: {'x' * 20_000}", verb="GET"),
        gateway.raw("/v1/products", "transfer-encoding: x"),
    ]
    for answer in answers:
        yield getattr(answer, "status_code", 0) or answer.status, answer.headers
    gateway.backends.stop("payments")
    try:
        answer = gateway.http.get("/v1/payments", headers=gateway.headers())
    finally:
        gateway.backends.start("payments")
    yield answer.status_code, answer.headers


def test_answers_of_every_kind_carry_security_headers(gateway: Gateway):
    statuses = []
    for status, headers in of_every_kind(gateway):
        statuses.append(status)
        assert {name: headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS, status
        assert headers["server"] == "lumi"
        assert [name for name in headers if name.startswith("x-")] == ["x-content-type-options"]
        assert "set-cookie" not in headers
    assert statuses == [200, 400, 401, 404, 200, 200, 413, 400, 400, 431, 400, 503]


def test_grpc_answers_carry_them_too(gateway: Gateway):
    answer = gateway.http.post("/lumi.orders.v1.OrderService/ListOrders", headers=WEB, content=grpc_frame(b""))

    assert answer.headers["grpc-status"] == "16"
    assert {name: answer.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS


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


@pytest.mark.parametrize(
    "origin",
    [
        *("https://evil.example", "http://localhost:3000", "http://127.0.0.1", "null", "*", "file://", ""),
        *(f"{ORIGIN}.evil.example", "https://evil.example/https://shop.example", "https://evil-shop.example"),
        *("http://shop.example", f"{ORIGIN}:8443", f"{ORIGIN}/", f"{ORIGIN}@evil.example", "https://SHOP.example"),
        *("https://shopXexample", "https://a.shop.example", f"{ORIGIN}, https://evil.example", f"{ORIGIN}#x"),
    ],
)
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
