"""An address in a user's book."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from lumi_common.errors import FailedPrecondition, InvalidArgument, Reason
from lumi_identity.domain.countries import COUNTRIES
from lumi_identity.domain.errors import Reason as Own


@dataclass
class Address:
    """Where something is sent or billed to; `country` is ISO 3166-1 alpha-2."""

    id: str
    user_id: str
    full_name: str
    line1: str
    city: str
    postal_code: str
    country: str
    created_at: datetime
    updated_at: datetime
    label: str | None = None
    phone: str | None = None
    line2: str | None = None
    state: str | None = None
    is_default: bool = False

    def change(self, columns: Mapping[str, str | None]) -> bool:
        """Take these values; False when all of them were there already."""
        changed = {name: value for name, value in columns.items() if getattr(self, name) != value}
        for name, value in changed.items():
            setattr(self, name, value)
        return bool(changed)


@dataclass(frozen=True)
class Book:
    """A user's addresses as a whole."""

    size: int
    has_default: bool

    def check_room(self, limit: int) -> None:
        """Raise FailedPrecondition when no address fits in."""
        if self.size >= limit:
            raise FailedPrecondition(Own.TOO_MANY_ADDRESSES, "the address book is full", limit=limit)


def check_country(code: str, *, field: str) -> str:
    """The code as it is; raises InvalidArgument for what is no country's."""
    if code not in COUNTRIES:
        raise InvalidArgument(Reason.INVALID_REQUEST, "not an ISO 3166-1 alpha-2 code in capitals", field=field)
    return code
