"""Access tokens that somebody made, or made something of: none is taken, whatever is wrong with it."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from libs.common.tests.rpc.refusals import refused
from lumi_common.errors import Unauthenticated
from lumi_common.rpc.auth import Jwks, TokenSigner, TokenVerifier, public_jwk
from tests.kit.forgeries import Forger, forgeries

NOW = 1_800_000_000.0
SIGNER = TokenSigner(Ed25519PrivateKey.generate(), "key-1", ttl=300)
FORGER = Forger(SIGNER, NOW)
FORGERIES = forgeries(FORGER)


async def keys() -> Jwks:
    return {"keys": [public_jwk(SIGNER.key.public_key(), SIGNER.kid)]}


@pytest.fixture
def verifier() -> TokenVerifier:
    return TokenVerifier(keys, clock=lambda: NOW)


async def test_what_the_forgeries_differ_from_is_good(verifier: TokenVerifier) -> None:
    principal = await verifier.verify(FORGER.good())

    assert (principal.kind, principal.id, principal.session_id) == ("user", FORGER.claims["sub"], FORGER.claims["sid"])
    assert principal.permissions == {"orders.read"}


@pytest.mark.parametrize("what", FORGERIES)
async def test_no_forgery_is_taken(verifier: TokenVerifier, what: str) -> None:
    for _ in range(2):  # not once, and not from memory
        with pytest.raises(Unauthenticated) as refusal:
            await verifier.verify(FORGERIES[what])
        assert refusal.value.reason == "TOKEN_INVALID"


async def test_words_that_are_not_known_are_passed_over(verifier: TokenVerifier) -> None:
    token = FORGER.token(claims={"locale": "tr", "roles": ["admin"], "admin": True, "nbf": FORGER.now})

    assert (await verifier.verify(token)).permissions == {"orders.read"}


async def test_a_token_without_the_millisecond_counts_from_its_second(verifier: TokenVerifier) -> None:
    assert await verifier.verify(FORGER.token(claims={"iat_ms": ...}))


async def test_a_text_that_no_header_can_carry_is_refused_too(verifier: TokenVerifier) -> None:
    head, body, signature = FORGER.good().split(".")
    for token in ("\udcff.a.b", f"{head}.{body}.{signature}é", f"{head}\n.{body}.{signature}", "٠.٠.٠"):
        with pytest.raises(Unauthenticated, match="TOKEN_INVALID"):
            await verifier.verify(token)


@pytest.mark.parametrize(
    "header", ["Bearer {}x", "Bearer  {}", "bearer{}", "bearer:{}", "Token {}", "Basic {}", "{}", "Bearer {} {}"]
)
async def test_a_good_token_in_another_wrapping_is_refused(
    ask: Callable[..., Awaitable[dict[str, Any]]], bearer: Callable[..., Any], header: str
) -> None:
    token = bearer()[0][1].removeprefix("Bearer ")
    await ask("Say", metadata=(("authorization", f"Bearer {token}"),))  # from now on it is remembered

    async with refused("UNAUTHENTICATED", "TOKEN_INVALID"):
        await ask("Say", metadata=(("authorization", header.format(token, token)),))
