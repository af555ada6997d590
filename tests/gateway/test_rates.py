"""So many calls a minute of one address and of one user, and fewer of what can be guessed at."""

import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from lumi_common.cuid import cuid
from lumi_common.principal import Principal
from lumi_envoy.contract import routed_methods
from tests.gateway.gateway import ORIGIN, Gateway, running_gateway

CALLS, CALLS_OF_USER, SESSIONS, TRIES, TRIES_OF_USER = 40, 20, 12, 6, 3
SIGN_IN = "/lumi.identity.v1.AuthService/SignIn"
_numbers = count(1)


@pytest.fixture(scope="module")
def strict() -> Iterator[Gateway]:
    """A gateway behind a proxy that says who calls, so that a test has as many addresses as it likes."""
    rates = {
        "calls_per_client": CALLS,
        "calls_per_user": CALLS_OF_USER,
        "sessions_per_client": SESSIONS,
        "tries_per_client": TRIES,
        "tries_per_user": TRIES_OF_USER,
    }
    with (
        tempfile.TemporaryDirectory(prefix="lumi-gateway-") as folder,
        running_gateway(Path(folder), trusted_hops=1, **rates) as gateway,
    ):
        yield gateway


def somewhere() -> dict[str, str]:
    """An address that nobody has called from."""
    number = next(_numbers)
    return {"x-forwarded-for": f"203.{number // 250}.{number % 250}.7"}


def somebody() -> Principal:
    """A user who has not called."""
    return Principal("user", cuid(), cuid())


def statuses(gateway: Gateway, calls: int, verb: str, path: str, headers: dict[str, str]) -> list[int]:
    body = {} if verb == "POST" else None
    return [gateway.http.request(verb, path, json=body, headers=headers).status_code for _ in range(calls)]


def held(answers: list[int], limit: int, otherwise: int = 200) -> bool:
    """Whether the limit was let through, give or take what fills up meanwhile, and the rest refused."""
    through = answers.count(otherwise)
    return set(answers) == {otherwise, 429} and answers[:limit] == [otherwise] * limit and through < 1.5 * limit


def test_an_address_may_call_so_often_whatever_it_calls(strict: Gateway):
    assert held(statuses(strict, 2 * CALLS, "GET", "/v1/products", somewhere()), CALLS)
    assert held(statuses(strict, 2 * CALLS, "GET", "/nowhere", somewhere()), CALLS, otherwise=404)
    assert held(statuses(strict, 2 * CALLS, "GET", "/v1/orders", somewhere()), CALLS, otherwise=401)
    assert held(statuses(strict, 2 * CALLS, "GET", "/v1/products?colour=red", somewhere()), CALLS, otherwise=400)
    assert statuses(strict, 1, "GET", "/v1/products", somewhere()) == [200]


def test_bad_tokens_are_not_tried_beyond_that(strict: Gateway):
    headers = somewhere() | {"authorization": f"Bearer {strict.token(age=3600)}"}

    assert held(statuses(strict, 2 * CALLS, "GET", "/v1/orders", headers), CALLS, otherwise=401)


def test_what_is_guessed_at_is_tried_less_often_from_one_address(strict: Gateway):
    for path in ("/v1/auth:signIn", "/v1/auth:signUp"):
        guesser = somewhere()
        strict.backends.calls.clear()

        assert held(statuses(strict, 4 * TRIES, "POST", path, guesser), TRIES)
        assert len(strict.backends.calls) < 1.5 * TRIES
        assert statuses(strict, 1, "POST", path, somewhere()) == [200]
        assert statuses(strict, 1, "GET", "/v1/products", guesser) == [200]


def test_all_that_is_guessed_at_counts_together_in_every_form_and_spelling(strict: Gateway):
    guesser = somewhere()
    web = guesser | {"content-type": "application/grpc-web+proto"}

    for _ in range(TRIES // 3 + 1):
        strict.http.post("/v1/auth:signUp", json={}, headers=guesser)
        strict.http.post("//v1/./auth:signIn", json={}, headers=guesser)
        strict.http.post(SIGN_IN, content=b"\0\0\0\0\0", headers=web)

    assert strict.http.post("/v1/auth:signIn", json={}, headers=guesser).status_code == 429
    assert strict.http.post(SIGN_IN, content=b"\0\0\0\0\0", headers=web).headers["grpc-status"] == "8"
    with pytest.raises(grpc.RpcError) as refusal:
        strict.call(SIGN_IN, metadata=guesser)
    assert refusal.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_sessions_are_begun_and_renewed_more_often_than_passwords_are_tried(strict: Gateway):
    for path in ("/v1/auth:refreshToken", "/v1/auth:createGuestSession"):
        assert held(statuses(strict, 3 * SESSIONS, "POST", path, somewhere()), SESSIONS)


def test_a_user_may_call_so_often_from_wherever(strict: Gateway):
    user, other = somebody(), somebody()

    answers = [
        strict.http.get("/v1/orders", headers=strict.headers(user) | somewhere()).status_code
        for _ in range(2 * CALLS_OF_USER)
    ]

    assert held(answers, CALLS_OF_USER)
    assert strict.http.get("/v1/orders", headers=strict.headers(other) | somewhere()).status_code == 200


def test_a_guest_tries_coupons_only_so_often_from_wherever(strict: Gateway):
    guest = Principal("guest", cuid(), cuid())
    path = f"/v1/carts/{cuid()}:applyCoupon"

    answers = [
        strict.http.post(path, json={}, headers=strict.headers(guest) | somewhere()).status_code
        for _ in range(4 * TRIES_OF_USER)
    ]

    assert held(answers, TRIES_OF_USER)


def test_a_token_that_is_not_good_costs_nobody_anything(strict: Gateway):
    user = somebody()
    forged = {"authorization": f"Bearer {strict.token(user)[:-8]}AAAAAAAA"}

    for _ in range(2 * CALLS_OF_USER):
        strict.http.get("/v1/products", headers=forged | somewhere())

    assert strict.http.get("/v1/orders", headers=strict.headers(user) | somewhere()).status_code == 200


def test_of_ipv6_a_household_counts_as_one(strict: Gateway):
    answers = [
        strict.http.post("/v1/auth:signIn", json={}, headers={"x-forwarded-for": f"2001:db8:1:2::{at:x}"}).status_code
        for at in range(1, 4 * TRIES)
    ]

    assert held(answers, TRIES)
    assert statuses(strict, 1, "POST", "/v1/auth:signIn", {"x-forwarded-for": "2001:db8:1:3::1"}) == [200]


def test_a_client_cannot_say_that_it_is_elsewhere(strict: Gateway):
    seen = somewhere()["x-forwarded-for"]  # what our own proxy appends, behind whatever the client wrote

    answers = [
        strict.http.post(
            "/v1/auth:signIn", json={}, headers={"x-forwarded-for": f"198.51.100.{at}, {seen}"}
        ).status_code
        for at in range(4 * TRIES)
    ]

    assert held(answers, TRIES)


def test_without_proxies_in_front_what_a_client_says_of_itself_is_nothing():
    with (
        tempfile.TemporaryDirectory(prefix="lumi-gateway-") as folder,
        running_gateway(Path(folder), tries_per_client=TRIES) as alone,
    ):
        answers = [
            status for _ in range(4 * TRIES) for status in statuses(alone, 1, "POST", "/v1/auth:signIn", somewhere())
        ]

    assert held(answers, TRIES)


def test_it_is_told_as_anything_else_and_when_to_come_again(strict: Gateway):
    guesser = somewhere()
    statuses(strict, 2 * TRIES, "POST", "/v1/auth:signIn", guesser)

    answer = strict.http.post("/v1/auth:signIn", json={}, headers=guesser)
    with pytest.raises(grpc.RpcError) as refusal:
        strict.call(SIGN_IN, metadata=guesser)

    assert (answer.status_code, answer.json()["code"]) == (429, 8)
    assert answer.json()["details"][0]["reason"] == "OVERLOADED"
    assert answer.headers["retry-after"] == "20"  # three a minute is the least that the filter holds anybody to
    assert answer.headers["x-content-type-options"] == "nosniff"
    status, info = rpc_status.from_call(refusal.value), error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info) and info.reason == "OVERLOADED"


def test_pages_and_grpc_web_are_told_as_well(strict: Gateway):
    client = somewhere()
    statuses(strict, 2 * CALLS, "GET", "/nowhere", client)

    page = strict.http.get("/v1/products", headers=client | {"origin": ORIGIN})
    web = strict.http.post(
        SIGN_IN, content=b"\0\0\0\0\0", headers=client | {"content-type": "application/grpc-web+proto"}
    )

    assert (page.status_code, page.headers["access-control-allow-origin"]) == (429, ORIGIN)
    assert "retry-after" in page.headers["access-control-expose-headers"]
    assert (web.status_code, web.headers["grpc-status"], web.headers["retry-after"]) == (200, "8", "2")


def test_whatever_is_public_and_changes_something_or_takes_a_secret_is_held_to_few_tries():
    rates = {method.policy.name.split(".")[-1]: method.rate for method in routed_methods()}

    assert rates["AuthService/SignIn"] == rates["AuthService/SignUp"] == rates["CartService/ApplyCoupon"] == "tries"
    assert rates["AuthService/RefreshToken"] == rates["AuthService/CreateGuestSession"] == "sessions"
    for method in routed_methods():
        if method.policy.public and method.policy.mutating:
            assert method.rate != "calls", method.path
