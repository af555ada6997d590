"""Phone numbers: taken as people write them, kept in E.164."""

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, ValidationResult

from lumi_common.errors import InvalidArgument
from lumi_identity.domain.errors import Reason


def e164(text: str, region: str = "", *, field: str = "phone") -> str | None:
    """The number as `+905321234567`, None for an empty text.

    `region` is the country, as in ISO 3166 (`TR`), of a number that is written without one; with an empty region such
    a number is refused. Raises InvalidArgument, naming `field`, for what cannot be anybody's number. An extension is
    refused too, since E.164 has no place for it.
    """
    if not text.strip():
        return None
    try:
        number = phonenumbers.parse(text, region or None)
    except NumberParseException:
        raise _no_number(field) from None
    # By its length, not by the ranges given out so far: those grow, and a new customer's may be newer than our list.
    if number.extension or phonenumbers.is_possible_number_with_reason(number) != ValidationResult.IS_POSSIBLE:
        raise _no_number(field)
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def _no_number(field: str) -> InvalidArgument:
    return InvalidArgument(Reason.PHONE_INVALID, "is no phone number, or lacks its country's code", field=field)
