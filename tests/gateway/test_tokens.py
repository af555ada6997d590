"""The token is checked wherever one is needed, and never in the way where none is."""

import time
from contextlib import suppress

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.descriptor import MethodDescriptor
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from lumi_common.errors import Unauthenticated
from lumi_common.principal import Principal
from lumi_common.rpc.access import read_policy
from lumi_common.rpc.auth import Jwks, TokenSigner, TokenVerifier, public_jwk
from lumi_envoy.contract import all_methods
from tests.gateway.gateway import ID, USER, Gateway, grpc_path, http_form, unsigned
from tests.kit.forgeries import Forger, forgeries

ROUTED = [method for method in all_methods() if read_policy(method).on_public_port]
PROTECTED = [method for method in ROUTED if not read_policy(method).public]
PUBLIC = [method for method in ROUTED if read_policy(method).public]
PROVED_BY_THE_REQUEST = ("SignUp", "SignIn", "RefreshToken", "CreateGuestSession")


def bad_tokens(gateway: Gateway) -> dict[str, tuple[str, str]]:
    """Tokens that the gateway itself stops, by what is wrong with them, with the reason that is told."""
    forger, now = Forger(gateway.signer, time.time()), int(time.time())
    kid, good = gateway.signer.kid, forger.good()
    head, body, signature = good.split(".")
    stranger = TokenSigner(Ed25519PrivateKey.generate(), kid, ttl=300)
    wrong = {
        "without expiry": forger.token(claims={"exp": ...}),
        "for another audience": forger.token(claims={"aud": "elsewhere"}),
        "of another issuer": forger.token(claims={"iss": "elsewhere"}),
        "not good yet": forger.token(claims={"nbf": now + 3600}),
        "of another key": gateway.token(signer=stranger),
        "of an unknown key": forger.token(header={"kid": "unknown"}),
        "unsigned": unsigned(forger.claims, {"alg": "none", "typ": "at+jwt", "kid": kid}),
        "unsigned, spelled otherwise": unsigned(forger.claims, {"alg": "NoNe", "typ": "at+jwt"}),
        "with its signature cut off": f"{head}.{body}.",
        "with another's claims": f"{head}.{forger.token(claims={'sub': ID}).split('.')[1]}.{signature}",
        "by the public key as a secret": forger.by_secret(
            gateway.signer.key.public_key().public_bytes_raw(), {"alg": "HS256"}
        ),
        "no token": "nonsense",
    }
    return {"expired": (gateway.token(age=3600), "TOKEN_EXPIRED")} | {
        what: (token, "TOKEN_INVALID") for what, token in wrong.items()
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


def carried(gateway: Gateway, token: str) -> list[str]:
    """What of a token got through to a service, by JSON and natively; anything else was refused at the door."""
    gateway.backends.calls.clear()
    headers = {"authorization": f"Bearer {token}"}
    answer = gateway.http.get("/v1/orders", headers=headers)
    with suppress(grpc.RpcError):
        gateway.call("/lumi.orders.v1.OrderService/ListOrders", metadata=headers)

    through = [call.metadata.get("authorization", "") for call in gateway.backends.calls]
    assert answer.status_code in ({200} if through else {400, 401, 431}), answer.status_code
    return through


async def test_of_all_forgeries_none_gets_past_gateway_and_service_together(gateway: Gateway):
    """What the gateway lets through, the service's own check refuses: with the same keys, and as it arrived."""
    forger = Forger(gateway.signer, time.time())

    async def keys() -> Jwks:
        return {"keys": [public_jwk(gateway.signer.key.public_key(), gateway.signer.kid)]}

    service = TokenVerifier(keys)
    [arrived, *_] = carried(gateway, forger.good())
    assert (await service.verify(arrived.removeprefix("Bearer "))).id == forger.claims["sub"]

    tried, taken = 0, []
    for what, token in forgeries(forger).items():
        if not (token.isascii() and token.isprintable()):
            continue  # no client can send it
        tried += 1
        for arrived in carried(gateway, token):
            with suppress(Unauthenticated):
                await service.verify(arrived.removeprefix("Bearer "))
                taken.append(what)
    assert taken == []
    assert tried > 200


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
