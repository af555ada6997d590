"""When a key signs, and when the next is made."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lumi_identity.domain.signing_key import LEAD, OVERLAP, KeyCipher, SigningKey, next_begins, retires, signing

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
    key = Ed25519PrivateKey.generate()
    sealed = KeyCipher(b"secret").seal(key, "first")

    assert key.private_bytes_raw() not in sealed
    assert KeyCipher(b"secret").open(sealed, "first").private_bytes_raw() == key.private_bytes_raw()
    for cipher, kid in ((KeyCipher(b"another"), "first"), (KeyCipher(b"secret"), "second")):
        with pytest.raises(ValueError, match=kid):
            cipher.open(sealed, kid)
