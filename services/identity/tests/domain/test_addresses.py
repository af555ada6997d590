"""Addresses, e-mails, and the role that must not be without a holder."""

from datetime import UTC, datetime

import pytest

from lumi_common.errors import FailedPrecondition, InvalidArgument
from lumi_identity.domain.address import Address, Book, check_country
from lumi_identity.domain.countries import COUNTRIES
from lumi_identity.domain.role import ADMIN, Role
from lumi_identity.domain.user import normalised_email

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def test_countries_are_those_of_the_standard() -> None:
    assert len(COUNTRIES) == 249
    assert check_country("TR", field="country") == "TR"
    for code in ("tr", "XX", "UK", "", "TUR"):
        with pytest.raises(InvalidArgument) as refusal:
            check_country(code, field="address.country")
        assert refusal.value.field == "address.country"


def test_a_change_to_the_same_values_is_none() -> None:
    address = Address("id", "ada", "Ada Lovelace", "1 Main St", "London", "N1", "GB", NOW, NOW, label="Home")

    assert not address.change({"label": "Home", "line2": None})
    assert address.change({"label": "Home", "city": "Paris"})
    assert address.city == "Paris"


def test_a_full_book_takes_no_more() -> None:
    Book(size=49, has_default=True).check_room(50)
    with pytest.raises(FailedPrecondition) as refusal:
        Book(size=50, has_default=True).check_room(50)
    assert refusal.value.facts == {"limit": 50}


def test_the_last_admin_stays() -> None:
    admin = Role("id", ADMIN, None, NOW, NOW)

    admin.check_leaving(other_holders=1)
    with pytest.raises(FailedPrecondition, match="LAST_ADMIN"):
        admin.check_leaving(other_holders=0)
    Role("id", "support", None, NOW, NOW).check_leaving(other_holders=0)


def test_an_email_is_trimmed_and_composed() -> None:
    assert normalised_email("  Ren\u0065\u0301@Example.com\n") == "Ren\u00e9@Example.com"
