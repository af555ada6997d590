"""Roles, permissions, the roles that every deployment begins with, and the one that must never be without a holder."""

from dataclasses import dataclass, field
from datetime import datetime

from lumi_common.errors import FailedPrecondition
from lumi_identity.domain.errors import Reason
from lumi_identity.domain.permissions import PERMISSIONS

ADMIN = "admin"


@dataclass(frozen=True)
class SeededRole:
    """A role as it is made where it is missing; once it is there, what it says and holds is the staff's to decide."""

    name: str
    description: str
    permissions: tuple[str, ...]


SEEDED_ROLES = (
    # Whoever is signed in is a customer: it holds nothing, so nobody needs to be given it.
    SeededRole("customer", "Shops here; everybody who is signed in does, with or without this role.", ()),
    SeededRole(
        "support",
        "Helps customers with their orders and sends the orders out.",
        (
            "audit.read",
            "coupons.read",
            "orders.cancel",
            "orders.fulfill",
            "orders.read",
            "orders.write",
            "payments.read",
            "users.read",
        ),
    ),
    SeededRole(
        "catalogue_manager",
        "Keeps products, categories and stock.",
        ("categories.write", "inventory.adjust", "inventory.read", "products.write"),
    ),
    SeededRole(
        "finance",
        "Takes and gives back money, and keeps coupons.",
        (
            "audit.read",
            "coupons.read",
            "coupons.write",
            "orders.read",
            "payments.capture",
            "payments.read",
            "payments.record",
            "payments.refund",
        ),
    ),
    SeededRole(ADMIN, "May do everything.", tuple(PERMISSIONS)),
)


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
