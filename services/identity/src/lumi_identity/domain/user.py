"""A user as the shop knows them."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from lumi_common.errors import Aborted, FailedPrecondition
from lumi_common.errors import Reason as Common
from lumi_identity.domain.errors import Reason


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
    status_before_deletion: UserStatus | None = None
    deleted_at: datetime | None = None
    version: int = 1

    def __post_init__(self) -> None:
        self.status = UserStatus(self.status)

    @property
    def etag(self) -> str:
        """Changes with every recorded change of the account."""
        return str(self.version)

    def expect(self, etag: str) -> None:
        """Raise Aborted unless the caller saw this version (or did not say which)."""
        if etag and etag != self.etag:
            raise Aborted(Common.ETAG_MISMATCH, "the account has changed: read it again", field="etag", user_id=self.id)

    def change(self, changes: Mapping[str, str | None], etag: str = "") -> list[str]:
        """Set these columns, and say which of them were another; a new e-mail is not verified."""
        self.expect(etag)
        changed = sorted(name for name, value in changes.items() if getattr(self, name) != value)
        for name in changed:
            setattr(self, name, changes[name])
        if "email" in changed:
            self.email_verified, self.email_verified_at = False, None
        return changed

    def suspend(self, etag: str = "") -> bool:
        """Keep its user out; False for one who is out already."""
        self.expect(etag)
        suspends = self.status is UserStatus.ACTIVE
        if suspends:
            self.status = UserStatus.SUSPENDED
        return suspends

    def reactivate(self, etag: str = "") -> bool:
        """Let its user in again; False for one who is not suspended."""
        self.expect(etag)
        reactivates = self.status is UserStatus.SUSPENDED
        if reactivates:
            self.status = UserStatus.ACTIVE
        return reactivates

    def verify_email(self, now: datetime) -> bool:
        """Believe that the e-mail reaches its user; False where that is believed already."""
        if self.email_verified:
            return False
        self.email_verified, self.email_verified_at = True, now
        return True

    def delete(self, now: datetime, etag: str = "") -> None:
        """Hide the account, which remembers what it was."""
        self.expect(etag)
        self.status_before_deletion, self.status = self.status, UserStatus.DELETED
        self.deleted_at = now

    def undelete(self, now: datetime, *, window: timedelta, etag: str = "") -> bool:
        """Be again what it was; False for an account that is not deleted.

        Raises FailedPrecondition when it was deleted longer ago than `window`.
        """
        self.expect(etag)
        if self.deleted_at is None:
            return False
        if now - self.deleted_at > window:
            raise FailedPrecondition(Reason.UNDELETE_TOO_LATE, "the account was deleted too long ago", days=window.days)
        self.status = self.status_before_deletion or UserStatus.ACTIVE
        self.status_before_deletion = self.deleted_at = None
        return True

    def expect_purgeable(self, etag: str = "") -> None:
        """Raise FailedPrecondition unless it has been deleted."""
        self.expect(etag)
        if self.deleted_at is None:
            raise FailedPrecondition(Reason.USER_NOT_DELETED, "the account has to be deleted first", user_id=self.id)


def normalised_email(email: str) -> str:
    """The address without spaces around it, in Unicode's composed form; the database's citext folds case."""
    return composed(email.strip())


def composed(text: str) -> str:
    """The text in Unicode's composed form, as addresses are kept."""
    return unicodedata.normalize("NFC", text)
