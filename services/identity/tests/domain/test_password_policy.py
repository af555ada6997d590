"""Which passwords are taken."""

import pytest

from lumi_common.errors import InvalidArgument
from lumi_identity.domain.password_policy import PasswordPolicy

POLICY = PasswordPolicy()
EMAIL = "ada.lovelace@example.com"


def refused(password: str, policy: PasswordPolicy = POLICY, *, two_factor: bool = False) -> str:
    with pytest.raises(InvalidArgument) as refusal:
        policy.check(password, email=EMAIL, two_factor=two_factor, field="new_password")
    assert (refusal.value.reason, refusal.value.field) == ("PASSWORD_TOO_WEAK", "new_password")
    return refusal.value.message


@pytest.mark.parametrize(
    "password", ["short", "x" * 257, "7 chars", "üüüüüü7", "\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}"]
)
def test_a_password_has_8_to_256_characters(password: str) -> None:
    assert "8 to 256" in refused(password)


@pytest.mark.parametrize(
    "password",
    [
        *(
            "password123",
            "PassWord1",
            "ｐａｓｓｗｏｒｄ",
            "trustno1",
            "qwerty123",
            "galatasaray",
            "chocolate",
            "Jennifer",
        ),
        *("12345678", "87654321", "abcdefgh", "qwertyuiop", "poiuytrewq", "asdfghjkl"),
        *("aaaaaaaaaaaa", "abababababab", "abcabcabcabc", "1234512345", "passwordpassword"),
    ],
)
def test_what_anybody_would_try_first_is_refused(password: str) -> None:
    assert "among the first" in refused(password)


@pytest.mark.parametrize("password", ["Ada.Lovelace1815", "my ADA.LOVELACE key"])
def test_what_holds_the_name_of_the_email_is_refused(password: str) -> None:
    assert "the e-mail's name" in refused(password)


def test_what_is_little_more_than_the_name_of_the_shop_is_refused() -> None:
    policy = PasswordPolicy(words=["Corner Store"])

    assert "the shop's name" in refused("corner store 2026", policy)
    assert "the shop's name" in refused("Corner Store!!", policy)
    assert policy.check("the corner store of my aunt", email=EMAIL)
    assert POLICY.check("corner store 2026", email=EMAIL)


@pytest.mark.parametrize(
    "password",
    [
        *(
            "correct horse battery staple",
            "kırmızı-şemsiye",
            "8 chars!",
            "x" * 128 + "yz",
            "😀😁😂🤣😃😄😅😆",
            "contraseña nueva",
        ),
        *("trustno1 and nobody else", "passwordless is the future"),
    ],
)
def test_any_other_password_is_taken_as_it_is(password: str) -> None:
    assert POLICY.check(password, email=EMAIL) == password


def test_the_strict_profile_asks_for_15_characters_where_no_second_factor_stands_behind() -> None:
    strict = PasswordPolicy("strict")

    assert "15 to 256" in refused("14 characters!", strict)
    assert strict.check("15 characters!!", email=EMAIL)
    assert strict.check("14 characters!", email=EMAIL, two_factor=True)
    assert "8 to 256" in refused("7 chars", strict, two_factor=True)


def test_characters_are_counted_as_they_are_hashed() -> None:
    # Eight letters as they are typed, four with their dots over them.
    assert "8 to 256" in refused("a\u0308o\u0308u\u0308e\u0308")
