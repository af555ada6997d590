"""A user as the shop knows them."""

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class UserStatus(StrEnum):
    """Where an account is in its life."""

    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    DELETED = "DELETED"


@dataclass
class User:
    """A user's account; `password_hash` and what a second factor needs never leave this service."""

    id: str
    email: str
    password_hash: str
    first_name: str | None
    last_name: str | None
    phone: str | None
    created_at: datetime
    updated_at: datetime
    email_verified: bool = False
    email_verified_at: datetime | None = None
    two_factor_enabled: bool = False
    status: UserStatus = UserStatus.ACTIVE
    deleted_at: datetime | None = None
    version: int = 1

    def __post_init__(self) -> None:
        self.status = UserStatus(self.status)

    @property
    def etag(self) -> str:
        """Changes with every recorded change of the account."""
        return str(self.version)


def normalised_email(email: str) -> str:
    """The address without spaces around it, in Unicode's composed form; the database's citext folds case."""
    return unicodedata.normalize("NFC", email.strip())
