"""What is stored for a password, and what it verifies."""

import bcrypt
import pytest

from lumi_identity.domain.passwords import Passwords

OLD, NEW = b"the first pepper", b"the second pepper"
PASSWORD = "correct horse battery staple"


def passwords(current: int = 1, cost: int = 4) -> Passwords:
    return Passwords({1: OLD, 2: NEW}, current=current, cost=cost)


def test_a_password_verifies_against_its_own_hash_alone() -> None:
    stored = passwords().hash(PASSWORD)

    assert stored.startswith("k1$2b$04$")
    assert passwords().verify(PASSWORD, stored)
    assert not passwords().verify(PASSWORD + "!", stored)
    assert passwords().hash(PASSWORD) != stored


def test_no_length_is_cut_and_no_character_ends_it() -> None:
    long = "ü" * 256
    stored = passwords().hash(long)

    assert passwords().verify(long, stored)
    assert not passwords().verify("ü" * 255, stored)
    assert not passwords().verify("a\0b", passwords().hash("a\0c"))


def test_a_hash_of_an_older_pepper_or_cost_verifies_and_is_no_longer_current() -> None:
    stored = passwords(current=1).hash(PASSWORD)

    assert passwords(current=1).is_current(stored)
    assert passwords(current=2).verify(PASSWORD, stored)
    assert not passwords(current=2).is_current(stored)
    assert not passwords(current=1, cost=5).is_current(stored)


def test_a_hash_whose_pepper_is_gone_verifies_nothing() -> None:
    stored = passwords(current=2).hash(PASSWORD)

    assert not Passwords({1: OLD}, current=1, cost=4).verify(PASSWORD, stored)


@pytest.mark.parametrize("prefix", ["$2a$", "$2b$", "$2y$"])
def test_plain_bcrypt_of_another_system_verifies_up_to_its_72_bytes(prefix: str) -> None:
    long = "x" * 100
    plain = bcrypt.hashpw(long.encode()[:72], bcrypt.gensalt(4)).decode().replace("$2b$", prefix)

    assert passwords().verify(long, plain)
    assert not passwords().verify("y" * 100, plain)
    assert not passwords().is_current(plain)


@pytest.mark.parametrize("stored", ["", "!", "k1", "$2b$04$short", "k1$argon2id$v=19$m=65536"])
def test_what_is_no_hash_verifies_nothing(stored: str) -> None:
    assert not passwords().verify(PASSWORD, stored)


def test_the_decoy_looks_like_a_hash_and_verifies_nothing() -> None:
    made = passwords()

    assert made.is_current(made.decoy)
    assert not made.verify(PASSWORD, made.decoy)


def test_a_password_is_the_same_whichever_keyboard_it_was_typed_on() -> None:
    composed, decomposed = "kırmızı şemsiye", "kırmızı s\u0327emsiye"

    assert composed != decomposed
    assert passwords().verify(decomposed, passwords().hash(composed))
    assert passwords().verify("ｗｉｄｅ ｌｅｔｔｅｒｓ", passwords().hash("wide letters"))


def test_all_of_256_characters_of_four_bytes_count() -> None:
    stored = passwords().hash("🚲" * 256)

    assert passwords().verify("🚲" * 256, stored)
    assert not passwords().verify("🚲" * 255 + "🚗", stored)
