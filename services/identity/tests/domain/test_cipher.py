"""Small secrets under a key that can be changed."""

import pytest

from lumi_identity.domain.cipher import Cipher

ONE, TWO = b"the first key that there was", b"the second key that there was"


def test_what_was_sealed_is_opened_for_the_same_row_and_use_only() -> None:
    cipher = Cipher({1: ONE}, current=1, use="tests")
    sealed = cipher.seal(b"a secret", "ada")

    assert cipher.open(sealed, "ada") == b"a secret"
    assert sealed != cipher.seal(b"a secret", "ada")
    for other, row in ((cipher, "bob"), (Cipher({1: ONE}, current=1, use="others"), "ada")):
        with pytest.raises(ValueError, match="another key"):
            other.open(sealed, row)


def test_a_key_is_changed_and_the_old_one_still_opens() -> None:
    old, both = Cipher({1: ONE}, current=1, use="tests"), Cipher({1: ONE, 2: TWO}, current=2, use="tests")
    sealed = old.seal(b"a secret", "ada")

    assert both.open(sealed, "ada") == b"a secret"
    assert (old.is_current(sealed), both.is_current(sealed)) == (True, False)
    again = both.seal(both.open(sealed, "ada"), "ada")
    assert both.is_current(again)
    assert Cipher({2: TWO}, current=2, use="tests").open(again, "ada") == b"a secret"
    with pytest.raises(ValueError, match="no key"):
        Cipher({2: TWO}, current=2, use="tests").open(sealed, "ada")


@pytest.mark.parametrize("sealed", ["", "k1.", "k1.AAAA", "k1.not base64!", "k01.AAAA", "secret", "k9.AAAA", "k1.A"])
def test_what_nobody_sealed_is_not_opened(sealed: str) -> None:
    with pytest.raises(ValueError, match="of ada"):
        Cipher({1: ONE}, current=1, use="tests").open(sealed, "ada")


def test_the_present_key_has_to_be_there() -> None:
    with pytest.raises(ValueError, match="no key 2"):
        Cipher({1: ONE}, current=2, use="tests")


def test_one_bit_of_difference_is_noticed() -> None:
    cipher = Cipher({1: ONE}, current=1, use="tests")
    sealed = cipher.seal(b"a secret", "ada")
    turned = sealed[:-3] + ("A" if sealed[-3] != "A" else "B") + sealed[-2:]

    with pytest.raises(ValueError, match="another key"):
        cipher.open(turned, "ada")
