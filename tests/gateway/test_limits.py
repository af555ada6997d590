"""What is too much or cannot be read is refused by the gateway, and told as the services tell it."""

import base64
import json
import socket
from typing import Any

import grpc
import httpx
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from lumi.orders.v1.order_pb2 import GetOrderRequest

from lumi_common.errors import InvalidArgument
from lumi_common.rpc.status import DETAILS_KEY, to_status
from lumi_envoy.filters import MAX_REQUEST_BYTES
from lumi_envoy.listeners import MAX_HEADERS, MAX_STREAMS
from lumi_envoy.settings import LOOPBACK
from lumi_local.process import wait_until
from tests.gateway.frames import MAX_CONCURRENT_STREAMS, SETTINGS, Connection, setting
from tests.gateway.gateway import ID, Gateway, grpc_frame

PLACE, LIST = "/lumi.orders.v1.OrderService/PlaceOrder", "/lumi.catalogue.v1.ProductService/ListProducts"


def told(answer: httpx.Response) -> tuple[int, int, str]:
    """HTTP status, code and reason of a refusal, its shape held against google.rpc.Status."""
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert set(body) == {"code", "message", "details"} and body["message"]
    (info,) = body["details"]
    assert info == {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": info["reason"],
        "domain": "gateway.lumi",
    }
    return answer.status_code, body["code"], info["reason"]


def refused(gateway: Gateway, path: str, request: bytes = b"", **options: Any) -> tuple[grpc.StatusCode, str]:
    """Code and reason of a refusal as a gRPC client reads them."""
    with pytest.raises(grpc.RpcError) as refusal:
        gateway.call(path, request, **options)
    status, info = rpc_status.from_call(refusal.value), error_details_pb2.ErrorInfo()
    assert not (refusal.value.details() or "").startswith("{")
    assert status.details[0].Unpack(info) and info.domain == "gateway.lumi"
    return refusal.value.code(), info.reason


def test_what_is_not_there_is_told_in_the_callers_language(gateway: Gateway):
    for verb, path in (("GET", "/nowhere"), ("GET", "/"), ("DELETE", "/v1/orders"), ("PUT", "/v1/orders/x")):
        answer = gateway.http.request(verb, path, headers=gateway.headers())
        assert told(answer) == (404, 5, "ROUTE_NOT_FOUND")

    assert refused(gateway, "/nowhere/atAll") == (grpc.StatusCode.UNIMPLEMENTED, "ROUTE_NOT_FOUND")


def test_a_body_up_to_the_limit_passes_and_one_above_is_refused(gateway: Gateway):
    def body(size: int) -> bytes:
        return b'{"cartId":"' + b"x" * (size - 13) + b'"}'

    fits = gateway.http.post("/v1/orders", content=body(MAX_REQUEST_BYTES - 64), headers=gateway.headers())
    above = gateway.http.post("/v1/orders", content=body(MAX_REQUEST_BYTES + 64), headers=gateway.headers())

    assert fits.status_code == 200
    assert told(above) == (413, 8, "REQUEST_TOO_LARGE")
    assert refused(gateway, PLACE, b"x" * (MAX_REQUEST_BYTES + 64)) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "REQUEST_TOO_LARGE",
    )
    assert len(gateway.backends.calls) == 1


def test_a_body_is_not_even_read_without_a_token(gateway: Gateway):
    body = b'{"cartId":"' + b"x" * MAX_REQUEST_BYTES + b'"}'

    assert told(gateway.http.post("/v1/orders", content=body)) == (401, 16, "TOKEN_MISSING")


@pytest.mark.parametrize(
    "headers", [{"x": "x" * 20_000}, {f"x-{number}": "x" for number in range(MAX_HEADERS + 1)}], ids=["size", "number"]
)
def test_headers_have_limits(gateway: Gateway, headers: dict[str, str]):
    with httpx.Client(base_url=gateway.url, trust_env=False) as client:
        assert told(client.get("/v1/products", headers=headers)) == (431, 8, "HEADERS_TOO_LARGE")
    assert gateway.backends.calls == []


def test_json_that_does_not_fit_is_told_with_what_is_wrong(gateway: Gateway):
    answer = gateway.http.post("/v1/orders", content=b'{"cartId": }', headers=gateway.headers())
    assert told(answer) == (400, 3, "INVALID_REQUEST")

    answer = gateway.http.get("/v1/orders", params={"colour": "red"}, headers=gateway.headers())
    assert told(answer) == (400, 3, "INVALID_REQUEST")
    assert "colour" in answer.json()["message"]

    answer = gateway.http.get("/v1/products", params={"pageSize": "many"})
    assert told(answer) == (400, 3, "INVALID_REQUEST")
    assert gateway.backends.calls == []


DEEP = 10_000
NESTED = {
    "arrays": b"[" * DEEP + b"]" * DEEP,
    "arrays that do not end": b"[" * DEEP,
    "objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "objects that do not end": b'{"a":' * DEEP,
    "arrays in a field": b'{"cartId":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "objects in a field of anything": b'{"metadata":{"a":' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}}",
    "arrays in a field of anything": b'{"metadata":{"a":' + b"[" * DEEP + b"]" * DEEP + b"}}",
    "as deep as there is room": b'{"a":' * (MAX_REQUEST_BYTES // 5 - 1),
}


@pytest.mark.parametrize("body", NESTED.values(), ids=NESTED)
def test_json_that_is_nested_too_deeply_is_refused_at_once(gateway: Gateway, body: bytes):
    answer = gateway.http.post("/v1/orders", content=body, headers=gateway.headers())

    assert told(answer) == (400, 3, "INVALID_REQUEST")
    assert answer.elapsed.total_seconds() < 2
    assert gateway.backends.calls == []
    assert gateway.http.get("/v1/products").status_code == 200


def test_json_of_a_sensible_depth_passes(gateway: Gateway):
    body = b'{"metadata":{"a":' + b'{"a":' * 20 + b"1" + b"}" * 20 + b"}}"

    assert gateway.http.post("/v1/orders", content=body, headers=gateway.headers()).status_code == 200


def test_refusals_have_the_same_code_over_grpc_web(gateway: Gateway):
    def code(path: str, request: bytes = b"", **headers: str) -> tuple[str | None, str | None]:
        sent = {"content-type": "application/grpc-web+proto", **headers}
        answer = gateway.http.post(path, content=grpc_frame(request), headers=sent)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/grpc-web+proto")
        details = base64.b64decode(answer.headers["grpc-status-details-bin"] + "==")
        status, info = status_pb2.Status.FromString(details), error_details_pb2.ErrorInfo()
        assert status.details[0].Unpack(info)
        assert answer.headers["grpc-message"] == status.message
        return answer.headers["grpc-status"], info.reason

    assert code("/nowhere/atAll") == ("12", "ROUTE_NOT_FOUND")
    assert code(PLACE) == ("16", "TOKEN_MISSING")
    assert code(PLACE, b"x" * (MAX_REQUEST_BYTES + 64), **gateway.headers()) == ("8", "REQUEST_TOO_LARGE")
    gateway.backends.stop("payments")
    try:
        assert code("/lumi.payments.v1.PaymentService/ListPayments", **gateway.headers()) == ("14", "UNAVAILABLE")
    finally:
        gateway.backends.start("payments")


@pytest.mark.parametrize(
    "target",
    [
        *("/v1%2fproducts", "/v1/products/%2F", "/v1/products/%5c", "/v1/products%5C..", "/v1/x/..%2fproducts"),
        *("nonsense", "", "v1/products", "/v1/products/\x01", "/v1/products\x7f", "/v1/products%00", "/v1/products#x"),
        *("/v1/ｐroducts", "/v1/products\xff"),
    ],
)
def test_a_path_with_two_meanings_is_refused(gateway: Gateway, target: str):
    answer = gateway.raw(target, verb="GET")

    assert answer.status == 400
    assert json.loads(answer.body)["details"][0]["reason"] == "INVALID_REQUEST"
    assert gateway.backends.calls == []


@pytest.mark.parametrize(
    "target",
    [
        *("//v1//products", "///v1/products", "/v1/./products", "/v1/x/../products", "/%76%31/products"),
        *("/v1\\products", "/../v1/products", "/%2e%2e/v1/products", "/v1/x/%2E./products", "/v1/orders/..;/products"),
        *("/v1/products/", "/v1/products?", "http://evil.example/v1/products"),
    ],
)
def test_a_path_written_oddly_means_what_it_says(gateway: Gateway, target: str):
    assert gateway.raw(target, verb="GET").status == 200
    assert gateway.backends.last.path == LIST


@pytest.mark.parametrize(
    "target",
    [
        *("/v1/products;a=b", "/v1/products%3bx", "/v1/products%20", "/v1/products%0d%0ax", "/v1/products%23"),
        *("/v1/%252e%252e/products", "/v1/orders/%252e%252e/products", "/v1/products%252f", "/V1/products"),
        *("/v1/products%c0%af", "//evil.example/v1/products", "/.", "/..", "/../../../etc/passwd", "/v1/products:x"),
    ],
)
def test_what_only_looks_like_a_path_leads_nowhere(gateway: Gateway, target: str):
    assert gateway.raw(target, verb="GET").status == 404
    assert gateway.backends.calls == []


@pytest.mark.parametrize("target", ["/v1/products/../orders", "/v1/products/%2e%2e/orders", "/v1/products/..;/orders"])
def test_nobody_comes_around_the_token_by_a_public_path(gateway: Gateway, target: str):
    assert gateway.raw(target, verb="GET").status == 401
    assert gateway.backends.calls == []


def test_a_parameter_and_a_body_do_not_make_two_requests_of_one(gateway: Gateway):
    one, other = ID, "c" + "1" * 24
    gateway.http.get(f"/v1/orders/{one}", params={"id": other}, headers=gateway.headers())
    (call,) = gateway.backends.calls  # the last one counts: whose order that is, the service asks of what it decodes
    assert GetOrderRequest.FromString(call.request).id == other

    answer = gateway.http.post(f"/v1/orders/{one}:cancel", json={"id": other}, headers=gateway.headers())
    assert told(answer) == (400, 3, "INVALID_REQUEST")
    answer = gateway.http.get("/v1/orders", params={"_method": "DELETE"}, headers=gateway.headers())
    assert told(answer) == (400, 3, "INVALID_REQUEST")


@pytest.mark.parametrize("name", ["x-http-method-override", "x-http-method", "x-method-override"])
def test_a_method_is_not_overridden(gateway: Gateway, name: str):
    gateway.http.get(f"/v1/orders/{ID}", headers=gateway.headers() | {name: "DELETE"})

    assert gateway.backends.last.path == "/lumi.orders.v1.OrderService/GetOrder"


@pytest.mark.parametrize("conflict", ["transfer-encoding: chunked", "content-length: 3"])
def test_a_request_with_two_lengths_is_refused(gateway: Gateway, conflict: str):
    answer = gateway.raw("/v1/auth:signIn", conflict, "content-type: application/json", body=b"{}")

    assert answer.status == 400
    assert gateway.backends.calls == []


def test_a_services_own_refusal_is_told_with_all_its_details(gateway: Gateway):
    status = to_status(InvalidArgument("CURRENCY_UNSUPPORTED", "no such currency", field="price"), "catalogue.lumi")

    def refuse(_request: bytes, wire: grpc.ServicerContext) -> bytes:
        wire.set_trailing_metadata(((DETAILS_KEY, status.SerializeToString()),))
        wire.abort(grpc.StatusCode.INVALID_ARGUMENT, status.message)
        raise AssertionError

    with gateway.backends.answering(LIST, refuse):
        answer = gateway.http.get("/v1/products")
        with pytest.raises(grpc.RpcError) as refusal:
            gateway.call(LIST)

    assert answer.status_code == 400
    assert answer.json()["code"] == 3
    info, fault = answer.json()["details"]
    assert (info["reason"], info["domain"]) == ("CURRENCY_UNSUPPORTED", "catalogue.lumi")
    assert fault["@type"] == "type.googleapis.com/google.rpc.BadRequest"
    assert fault["fieldViolations"][0]["field"] == "price"
    assert rpc_status.from_call(refusal.value) == status_pb2.Status.FromString(status.SerializeToString())


def test_a_service_that_is_away_is_told_as_unavailable_and_found_again(gateway: Gateway):
    gateway.backends.stop("payments")
    try:
        answer = gateway.http.get("/v1/payments", headers=gateway.headers())
        assert told(answer) == (503, 14, "UNAVAILABLE")
        assert refused(gateway, "/lumi.payments.v1.PaymentService/ListPayments") == (
            grpc.StatusCode.UNAVAILABLE,
            "UNAVAILABLE",
        )
        assert gateway.http.get("/v1/products").status_code == 200
    finally:
        gateway.backends.start("payments")

    wait_until(
        lambda: gateway.http.get("/v1/payments", headers=gateway.headers()).status_code == 200,
        "the service was not found again",
        seconds=2,
    )


def test_a_service_that_hangs_is_given_up_on_in_time(gateway: Gateway):
    gateway.backends.stop("payments")
    try:
        with socket.create_server((LOOPBACK, gateway.backends.ports["payments"])):  # accepts, and says nothing
            patience = {"grpc-timeout": "300m"}
            answer = gateway.http.get("/v1/payments", headers=gateway.headers() | patience)
    finally:
        gateway.backends.start("payments")

    assert told(answer) == (504, 4, "DEADLINE_EXCEEDED")
    assert 0.2 < answer.elapsed.total_seconds() < 2


def test_a_change_is_sent_once_and_a_read_again_when_the_service_was_not_available(gateway: Gateway):
    def unavailable_at_first(_request: bytes, wire: grpc.ServicerContext) -> bytes:
        if len(gateway.backends.calls) == 1:
            wire.abort(grpc.StatusCode.UNAVAILABLE, "not yet")
        return b""

    with gateway.backends.answering(LIST, unavailable_at_first):
        assert gateway.http.get("/v1/products").status_code == 200
    assert len(gateway.backends.calls) == 2

    gateway.backends.calls.clear()
    with gateway.backends.answering(PLACE, unavailable_at_first):
        assert gateway.http.post("/v1/orders", json={}, headers=gateway.headers()).status_code == 503
    assert len(gateway.backends.calls) == 1


def test_http_2_callers_may_have_so_many_streams(gateway: Gateway):
    with Connection((LOOPBACK, gateway.settings.gateway_port)) as connection:
        told = next(connection.frames())

    settings = {told.payload[at : at + 6] for at in range(0, len(told.payload), 6)}
    assert told.kind == SETTINGS
    assert setting(MAX_CONCURRENT_STREAMS, MAX_STREAMS)[9:] in settings
