"""Phone numbers as people write them, and as they are kept."""

import pytest

from lumi_common.errors import InvalidArgument
from lumi_identity.domain.phone import e164


@pytest.mark.parametrize(
    ("text", "region", "kept"),
    [
        ("+90 532 123 45 67", "", "+905321234567"),
        ("+1 (650) 253-0000", "", "+16502530000"),
        ("tel:+49-30-901820", "", "+4930901820"),
        ("０５３２ １２３ ４５ ６７", "TR", "+905321234567"),
        ("0532 123 45 67", "TR", "+905321234567"),
        ("00 90 532 123 45 67", "DE", "+905321234567"),
        ("+44 20 7946 0000", "TR", "+442079460000"),
        ("", "TR", None),
        ("  ", "", None),
    ],
)
def test_a_number_is_kept_in_e164(text: str, region: str, kept: str | None) -> None:
    assert e164(text, region) == kept


@pytest.mark.parametrize(
    ("text", "region"),
    [
        *(("0532 123 45 67", ""), ("no number", "TR"), ("+", ""), ("12", "TR"), ("+999 123 456 789", "")),
        *(("+9053212345678901234", ""), ("+90 532 123 45 67 ext. 5", ""), ("+1 555 0100", ""), ("'; drop table", "TR")),
    ],
)
def test_what_is_no_number_is_refused_by_its_field(text: str, region: str) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        e164(text, region, field="user.phone")

    assert (refusal.value.reason, refusal.value.field) == ("PHONE_INVALID", "user.phone")
    assert text not in str(refusal.value)
