"""Roles, permissions, and the role that must never be without a holder."""

from dataclasses import dataclass, field
from datetime import datetime

from lumi_common.errors import FailedPrecondition
from lumi_identity.domain.errors import Reason

ADMIN = "admin"


@dataclass
class Role:
    """A named bundle of permissions."""

    id: str
    name: str
    description: str | None
    created_at: datetime
    updated_at: datetime
    permissions: list[str] = field(default_factory=list)

    def check_leaving(self, other_holders: int) -> None:
        """Raise FailedPrecondition when whoever gives this role up is the last administrator."""
        if self.name == ADMIN and other_holders == 0:
            raise FailedPrecondition(Reason.LAST_ADMIN, "nobody else holds the admin role", role=self.id)


@dataclass
class Permission:
    """Something that may be allowed, by its key `<entity plural>.<verb>`."""

    id: str
    key: str
    description: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Holdings:
    """What a user holds: names of roles, and keys of the permissions from roles or of their own, both sorted."""

    user_id: str
    roles: list[str]
    permissions: list[str]
