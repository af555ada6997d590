"""The token is checked wherever one is needed, and never in the way where none is."""

import time

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.descriptor import MethodDescriptor
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from lumi_common.principal import Principal
from lumi_common.rpc.access import read_policy
from lumi_common.rpc.auth import TokenSigner
from lumi_envoy.contract import all_methods
from tests.gateway.gateway import ID, USER, Gateway, grpc_path, http_form, unsigned

ROUTED = [method for method in all_methods() if read_policy(method).on_public_port]
PROTECTED = [method for method in ROUTED if not read_policy(method).public]
PUBLIC = [method for method in ROUTED if read_policy(method).public]
PROVED_BY_THE_REQUEST = ("SignUp", "SignIn", "RefreshToken", "CreateGuestSession")


def bad_tokens(gateway: Gateway) -> dict[str, tuple[str, str]]:
    """Tokens that must not pass, by what is wrong with them, with the reason that is told."""
    now = int(time.time())
    claims = {
        "iss": "lumi",
        "aud": "lumi",
        "sub": ID,
        "sid": ID,
        "iat": now,
        "exp": now + 300,
        "jti": ID,
        "kind": "user",
    }
    key, kid = gateway.signer.key, gateway.signer.kid

    def signed(changed: dict[str, object], **header: str) -> str:
        kept = {name: value for name, value in (claims | changed).items() if value is not None}
        return jwt.encode(kept, key, algorithm="EdDSA", headers={"kid": kid, "typ": "at+jwt"} | header)

    good = gateway.token()
    head, body, signature = good.split(".")
    return {
        "expired": (gateway.token(age=3600), "TOKEN_EXPIRED"),
        "without expiry": (signed({"exp": None}), "TOKEN_INVALID"),
        "for another audience": (signed({"aud": "elsewhere"}), "TOKEN_INVALID"),
        "of another issuer": (signed({"iss": "elsewhere"}), "TOKEN_INVALID"),
        "not good yet": (signed({"nbf": now + 3600}), "TOKEN_INVALID"),
        "of another key": (
            gateway.token(signer=TokenSigner(Ed25519PrivateKey.generate(), kid, ttl=300)),
            "TOKEN_INVALID",
        ),
        "of an unknown key": (signed({}, kid="unknown"), "TOKEN_INVALID"),
        "unsigned": (unsigned(claims, {"alg": "none", "typ": "at+jwt", "kid": kid}), "TOKEN_INVALID"),
        "unsigned, spelled otherwise": (unsigned(claims, {"alg": "NoNe", "typ": "at+jwt"}), "TOKEN_INVALID"),
        "with its signature cut off": (f"{head}.{body}.", "TOKEN_INVALID"),
        "with another's claims": (
            f"{head}.{signed({'sub': 'c' + '1' * 24}).split('.')[1]}.{signature}",
            "TOKEN_INVALID",
        ),
        "by the public key as a secret": (
            jwt.encode(claims, key.public_key().public_bytes_raw(), algorithm="HS256", headers={"kid": kid}),
            "TOKEN_INVALID",
        ),
        "no token": ("nonsense", "TOKEN_INVALID"),
    }


def reason(answer: dict[str, object]) -> str:
    (info,) = answer["details"]  # type: ignore[misc]
    assert info["@type"] == "type.googleapis.com/google.rpc.ErrorInfo"  # type: ignore[has-type]
    assert info["domain"] == "gateway.lumi"  # type: ignore[has-type]
    return str(info["reason"])  # type: ignore[has-type]


@pytest.mark.parametrize("method", PROTECTED, ids=lambda method: method.full_name)
def test_a_protected_method_needs_a_token_in_every_form(gateway: Gateway, method: MethodDescriptor):
    verb, path, body = http_form(method)
    web = {"content-type": "application/grpc-web+proto"}

    answer = gateway.http.request(verb, path, json=body)
    web_answer = gateway.http.post(grpc_path(method), content=b"\0\0\0\0\0", headers=web)
    with pytest.raises(grpc.RpcError) as refusal:
        gateway.call(grpc_path(method), metadata={})

    assert (answer.status_code, reason(answer.json())) == (401, "TOKEN_MISSING")
    assert web_answer.headers["grpc-status"] == "16"
    assert refusal.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert gateway.backends.calls == []


@pytest.mark.parametrize("method", PUBLIC, ids=lambda method: method.full_name)
def test_a_public_method_needs_none_in_any_form(gateway: Gateway, method: MethodDescriptor):
    verb, path, body = http_form(method)

    assert gateway.http.request(verb, path, json=body).status_code == 200
    gateway.call(grpc_path(method), metadata={})

    assert [call.path for call in gateway.backends.calls] == [grpc_path(method)] * 2


def test_no_bad_token_passes_where_one_is_needed(gateway: Gateway):
    for what, (token, told) in bad_tokens(gateway).items():
        headers = {"authorization": f"Bearer {token}"}

        answer = gateway.http.get("/v1/orders", headers=headers)
        with pytest.raises(grpc.RpcError) as refusal:
            gateway.call("/lumi.orders.v1.OrderService/ListOrders", metadata=headers)

        assert (answer.status_code, reason(answer.json())) == (401, told), what
        assert refusal.value.code() is grpc.StatusCode.UNAUTHENTICATED, what
        status, info = rpc_status.from_call(refusal.value), error_details_pb2.ErrorInfo()
        assert status.details[0].Unpack(info) and info.reason == told, what
    assert gateway.backends.calls == []


def test_a_bad_token_on_a_public_method_is_left_to_the_service(gateway: Gateway):
    for token, _ in bad_tokens(gateway).values():
        headers = {"authorization": f"Bearer {token}"}
        assert gateway.http.get("/v1/products", headers=headers).status_code == 200
        assert gateway.backends.last.metadata["authorization"] == f"Bearer {token}"


@pytest.mark.parametrize("name", PROVED_BY_THE_REQUEST)
def test_who_comes_for_a_new_token_is_not_stopped_by_the_old_one(gateway: Gateway, name: str):
    headers = {"authorization": f"Bearer {gateway.token(age=3600)}"}

    answer = gateway.http.post(f"/v1/auth:{name[0].lower()}{name[1:]}", json={}, headers=headers)
    gateway.call(f"/lumi.identity.v1.AuthService/{name}", metadata=headers)

    assert answer.status_code == 200
    assert ["authorization" in call.metadata for call in gateway.backends.calls] == [False, False]


def test_a_good_token_reaches_the_service_as_it_is(gateway: Gateway):
    token = gateway.signer.sign(USER)[0]

    gateway.http.get("/v1/orders", headers={"authorization": f"Bearer {token}"})
    assert gateway.backends.last.metadata["authorization"] == f"Bearer {token}"
    gateway.http.get("/v1/products", headers={"authorization": f"Bearer {token}"})
    assert gateway.backends.last.metadata["authorization"] == f"Bearer {token}"


def test_a_guests_token_goes_through_and_the_service_says_where_it_is_enough(gateway: Gateway):
    token = gateway.signer.sign(Principal("guest", ID, ID))[0]

    for path in ("/v1/carts:active", "/v1/users/me"):
        gateway.http.get(path, headers={"authorization": f"Bearer {token}"})
        assert gateway.backends.last.metadata["authorization"] == f"Bearer {token}"


@pytest.mark.parametrize("where", ["?access_token={}", "?authorization={}"])
def test_a_token_in_the_address_counts_for_nothing(gateway: Gateway, where: str):
    target = where.format(gateway.token())

    with pytest.raises(grpc.RpcError) as refusal:
        gateway.call(f"/lumi.orders.v1.OrderService/ListOrders{target}", metadata={})

    assert refusal.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert gateway.http.get(f"/v1/orders{target}").status_code == 400
    assert gateway.backends.calls == []
