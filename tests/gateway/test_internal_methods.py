"""No path through the gateway leads to a method that is between services only."""

import base64
from collections.abc import Iterator

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor

from lumi_common.rpc.access import read_policy
from lumi_envoy.contract import all_methods
from tests.gateway.gateway import ID, Gateway, all_at_once, grpc_frame, grpc_path

INTERNAL = [method for method in all_methods() if not read_policy(method).on_public_port]
NOT_OURS = ["/grpc.health.v1.Health/Check", "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"]
PATHS = [*map(grpc_path, INTERNAL), *NOT_OURS]
COLLECTIONS = {
    "lumi.catalogue": ("products", "variants", "inventory", f"variants/{ID}/inventory"),
    "lumi.identity": ("addresses", "users", "sessions", "auth"),
    "lumi.marketing": ("coupons", "couponUsages"),
    "lumi.orders": ("orders", "carts"),
    "lumi.payments": ("payments", f"orders/{ID}/payments"),
}


def spellings(path: str) -> Iterator[str]:
    """Ways in which a path might be written so that one part of a gateway reads it otherwise than another."""
    service, method = path[1:].split("/")
    yield path
    yield from (f"//{service}/{method}", f"/{service}//{method}", f"/{path}/", f"{path}/", f"{path}?", f"{path}?a=/")
    yield from (f"/./{service}/{method}", f"/{service}/./{method}", f"/x/../{service}/{method}")
    yield from (f"/v1/products/../../{service}/{method}", f"/{service}/x/../{method}", f"/healthz/..{path}")
    yield from (f"/%2e/{service}/{method}", f"/x/%2e%2e/{service}/{method}", f"/x/.%2E/{service}/{method}")
    yield from (f"/{service}%2f{method}", f"/{service}%2F{method}", f"%2f{service}/{method}", f"/{service}%5c{method}")
    yield from (f"/{service}\\{method}", f"\\{service}\\{method}", f"/{service}%252f{method}")
    yield from (f"/{service}/%{ord(method[0]):02x}{method[1:]}", f"/%6c{service[1:]}/{method}")
    yield from (path.lower(), path.upper(), f"/{service}/{method[0].lower()}{method[1:]}")
    yield from (f"{path};x", f"/{service};x/{method}", f"{path}%00", f"{path}%20", f"{path}#x", f"{path}.", f"{path}:x")
    yield from (f"http://127.0.0.1{path}", f"{service}/{method}", f"/v1{path}", f"/v1/products:bySlug{path}")


def http_guesses(method: MethodDescriptor) -> Iterator[str]:
    """HTTP forms that the method would have if somebody gave it one."""
    verb = method.name[0].lower() + method.name[1:]
    first = next((at for at, letter in enumerate(verb) if letter.isupper()), len(verb))
    for collection in COLLECTIONS[".".join(method.full_name.split(".")[:2])]:
        for name in dict.fromkeys((verb, verb[:first], method.name)):
            yield f"/v1/{collection}:{name}"
            yield f"/v1/{collection}/{ID}:{name}"
            yield f"/v1/{collection}/{name}"


def names(paths: list[str]) -> set[str]:
    """The methods that were reached, without their case."""
    return {path.rpartition("/")[2].lower() for path in paths}


def reached(gateway: Gateway) -> set[str]:
    return names([call.path for call in gateway.backends.calls])


def test_there_are_internal_methods_to_try():
    assert {"ReserveStock", "CreatePayment", "RedeemCoupon", "BatchGetOrderStates"} <= {each.name for each in INTERNAL}


def test_not_over_grpc_however_the_path_is_written(gateway: Gateway):
    def refused(path: str) -> bool:
        try:
            gateway.call_alone(path)
        except grpc.RpcError:
            return True
        return False

    outcomes = all_at_once(refused, {spelling: spelling for path in PATHS for spelling in spellings(path)})

    assert [path for path, is_refused in outcomes.items() if not is_refused] == []
    assert gateway.backends.calls == []


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("content_type", ["application/grpc", "application/json"])
def test_not_over_http_1_however_the_path_is_written(gateway: Gateway, path: str, content_type: str):
    for spelling in spellings(path):
        headers = (f"authorization: Bearer {gateway.token()}", f"content-type: {content_type}")
        answer = gateway.raw(spelling, *headers, body=grpc_frame(b""))
        assert answer.status in (400, 404) or answer.headers["grpc-status"] in ("3", "12"), spelling

    assert gateway.backends.calls == []


@pytest.mark.parametrize("path", PATHS)
def test_not_over_http_1_whatever_the_body_is_called(gateway: Gateway, path: str):
    frame = grpc_frame(b"")
    for content_type in (
        "application/grpc+proto", "application/grpc-web", "application/grpc-web+proto", "application/grpc+json",
        "Application/gRPC", "application/json+protobuf", "application/x-www-form-urlencoded", "text/plain", "",
    ):  # fmt: skip
        gateway.raw(path, f"authorization: Bearer {gateway.token()}", f"content-type: {content_type}", body=frame)
    gateway.raw(path, "content-type: application/grpc-web-text", body=base64.b64encode(frame))

    assert gateway.backends.calls == []


@pytest.mark.parametrize("method", INTERNAL, ids=lambda method: method.full_name)
def test_not_by_any_guess_at_an_http_form(gateway: Gateway, method: MethodDescriptor):
    for path in http_guesses(method):
        for verb in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            gateway.http.request(verb, path, headers=gateway.headers(), json=None if verb == "GET" else {})

    assert method.name.lower() not in reached(gateway)
    assert not reached(gateway) & names(PATHS)


@pytest.mark.parametrize("path", PATHS)
def test_not_by_headers_that_name_another_path(gateway: Gateway, path: str):
    for name in (
        "x-envoy-original-path",
        "x-original-url",
        "x-rewrite-url",
        "x-forwarded-prefix",
        "x-http-method-override",
    ):
        gateway.http.get("/v1/products", headers={name: path})
        gateway.http.post("/nowhere", headers=gateway.headers() | {name: path, "content-type": "application/grpc"})
        gateway.call("/lumi.catalogue.v1.ProductService/ListProducts", b"", gateway.headers() | {name: path})

    assert reached(gateway) == {"listproducts"}


@pytest.mark.parametrize("verb", ["GET", "PUT", "OPTIONS", "TRACE", "CONNECT", "PRI", "POST"])
def test_not_by_another_verb(gateway: Gateway, verb: str):
    for path in PATHS:
        gateway.raw(path, "content-type: application/grpc", verb=verb)
        gateway.raw(path, "connection: upgrade", "upgrade: h2c", verb=verb)

    assert gateway.backends.calls == []
