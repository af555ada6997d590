"""Recovery codes: hard to guess, easy to type."""

import re

import pytest

from lumi_identity.domain import recovery_codes


def test_ten_codes_of_a_hundred_and_twenty_bits() -> None:
    codes = recovery_codes.new_codes()

    assert len(set(codes)) == 10
    assert all(re.fullmatch(r"([0-9a-hjkmnp-tv-z]{6}-){3}[0-9a-hjkmnp-tv-z]{6}", code) for code in codes)


@pytest.mark.parametrize(
    "typed",
    [
        "abc101-defghj-kmnpqr-stvwxy",
        "ABC101 DEFGHJ KMNPQR STVWXY",
        "abcl0Idefghjkmnpqrstvwxy",
        "abcIoldefghj-kmnpqrstvwxy",
    ],
)
def test_a_code_is_the_same_however_it_is_typed(typed: str) -> None:
    assert recovery_codes.digest(typed, "a user") == recovery_codes.digest("abc101-defghj-kmnpqr-stvwxy", "a user")


def test_a_code_of_another_user_is_another() -> None:
    assert recovery_codes.digest("abc", "ada") != recovery_codes.digest("abc", "bob")
