"""When a key signs, and when the next is made."""

import os
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lumi_identity.domain.signing_key import (
    LEAD,
    OVERLAP,
    SigningKey,
    is_sealed_anew,
    next_begins,
    retires,
    seal,
    signing,
    unseal,
)
from services.identity.tests.kit import a_cipher

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LIFE = timedelta(days=90)


def a_key(begins: datetime) -> SigningKey:
    return SigningKey(f"{begins:%s}", {}, b"", begins, begins + LIFE + OVERLAP)


def test_where_no_key_can_sign_one_begins_at_once() -> None:
    for keys in ([], [a_key(NOW - LIFE - OVERLAP - timedelta(seconds=1))]):
        begins = next_begins(keys, NOW, LIFE)

        assert begins is not None
        assert begins <= NOW


def test_a_key_is_followed_at_the_end_of_its_life_by_one_that_everybody_knows_before_it_signs() -> None:
    old = a_key(NOW - LIFE)

    assert next_begins([a_key(NOW - LIFE + timedelta(seconds=1))], NOW, LIFE) is None
    assert next_begins([old], NOW, LIFE) == NOW + LEAD

    both = [old, a_key(NOW + LEAD)]
    assert next_begins(both, NOW, LIFE) is None
    assert signing(both, NOW) == both[0]
    assert signing(both, NOW + LEAD) == both[1]


def test_a_key_is_published_until_the_last_token_of_its_last_moment_has_run_out() -> None:
    longest = timedelta(days=30)
    last_signature = NOW + LIFE + OVERLAP

    assert retires(NOW, LIFE, longest) == last_signature + longest


def test_a_private_key_opens_with_its_secret_and_name_alone() -> None:
    key, cipher = Ed25519PrivateKey.generate(), a_cipher({1: "secret"})
    sealed = seal(cipher, key, "first")

    assert key.private_bytes_raw() not in sealed
    assert unseal(cipher, sealed, "first").private_bytes_raw() == key.private_bytes_raw()
    for other, kid in ((a_cipher({1: "another"}), "first"), (cipher, "second")):
        with pytest.raises(ValueError, match=kid):
            unseal(other, sealed, kid)


def test_what_was_sealed_before_keys_had_numbers_is_the_first_keys() -> None:
    key, nonce = Ed25519PrivateKey.generate(), os.urandom(12)
    first = AESGCM(sha256(b"lumi identity signing keys\0" + b"secret").digest())
    sealed = nonce + first.encrypt(nonce, key.private_bytes_raw(), b"kid")

    both = a_cipher({1: "secret", 2: "another"})

    assert unseal(both, sealed, "kid").private_bytes_raw() == key.private_bytes_raw()
    assert not is_sealed_anew(both, sealed)
    assert is_sealed_anew(both, seal(both, key, "kid"))
