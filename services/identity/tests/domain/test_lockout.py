"""Who counts as one account and as one source."""

import pytest

from lumi_identity.domain.lockout import Keys, source

KEYS = Keys(b"a key")


@pytest.mark.parametrize(
    "written",
    ["ada@example.com", "ADA@EXAMPLE.COM", " ada@example.com ", "ada@example.com\n"],
)
def test_an_account_is_the_same_however_its_address_is_written(written: str) -> None:
    assert KEYS.account(written) == KEYS.account("ada@example.com")


# To citext the first two are one address, as are the last two: whoever guesses gains nothing by writing the other.
@pytest.mark.parametrize(("one", "other"), [("\u0130@x.com", "i@x.com"), ("\u212a@x.com", "k@x.com")])
def test_what_the_database_takes_for_one_address_is_one_account(one: str, other: str) -> None:
    assert KEYS.account(one) == KEYS.account(other)


def test_neither_address_nor_source_can_be_read_from_the_keys() -> None:
    account = KEYS.account("ada@example.com")

    assert account != Keys(b"another key").account("ada@example.com")
    assert KEYS.source(account, "192.0.2.1") != KEYS.source(KEYS.account("bob@example.com"), "192.0.2.1")


@pytest.mark.parametrize(
    ("ip", "of"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("", ""),
        ("unknown", ""),
    ],
)
def test_a_source_is_an_address_or_half_of_one(ip: str, of: str) -> None:
    assert source(ip) == of
