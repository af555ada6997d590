"""Roles, permissions, the roles that every deployment begins with, and the one that must never be without a holder."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from lumi_common.errors import FailedPrecondition, PermissionDenied
from lumi_identity.domain.errors import Reason
from lumi_identity.domain.permissions import PERMISSIONS

ADMIN = "admin"


@dataclass(frozen=True)
class SeededRole:
    """A role as it is made where it is missing.

    Once it is there, what it says and holds is the staff's to decide; it keeps its name, and gets what later releases
    bring for it.
    """

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


SEEDED = frozenset(seed.name for seed in SEEDED_ROLES)


@dataclass
class Role:
    """A named bundle of permissions."""

    id: str
    name: str
    description: str | None
    created_at: datetime
    updated_at: datetime
    permissions: list[str] = field(default_factory=list)

    def change(self, columns: Mapping[str, str | None]) -> bool:
        """Take this name and description; False when they were there already, FailedPrecondition for a seeded name."""
        if (name := columns.get("name", self.name)) != self.name:
            check_role_name(self.name)
            check_role_name(name or "")
        return _change(self, columns)

    def check_leaving(self, other_holders: int) -> None:
        """Raise FailedPrecondition when whoever gives this role up is the last administrator."""
        if self.name == ADMIN and other_holders == 0:
            raise FailedPrecondition(Reason.LAST_ADMIN, "nobody else holds the admin role", role=self.id)

    def check_narrowing(self) -> None:
        """Raise FailedPrecondition when nothing may be taken out of this role."""
        if self.name == ADMIN:
            raise FailedPrecondition(Reason.LAST_ADMIN, "the admin role holds every permission", role=self.id)

    def check_deletable(self, holders: int) -> None:
        """Raise FailedPrecondition when the role has to stay: deployments begin with it, or so many users hold it."""
        self.check_narrowing()
        check_role_name(self.name)
        if holders:
            raise FailedPrecondition(Reason.ROLE_HELD, "users hold the role", role=self.id, holders=holders)


@dataclass
class Permission:
    """Something that may be allowed, by its key `<entity plural>.<verb>`."""

    id: str
    key: str
    description: str | None
    created_at: datetime
    updated_at: datetime

    def change(self, columns: Mapping[str, str | None], *, roles: int, users: int) -> bool:
        """Take this key and description; False when they were there already.

        Raises FailedPrecondition for a built-in key, and for another key while so many roles and users hold this one.
        """
        check_permission_key(self.key)
        if (key := columns.get("key") or self.key) != self.key:
            check_permission_key(key)
            self._check_not_held(roles, users)
        return _change(self, columns)

    def check_deletable(self, *, roles: int, users: int) -> None:
        """Raise FailedPrecondition when a method asks for it, or so many roles and users hold it."""
        check_permission_key(self.key)
        self._check_not_held(roles, users)

    def _check_not_held(self, roles: int, users: int) -> None:
        if roles or users:
            raise FailedPrecondition(
                Reason.PERMISSION_HELD, "it is held", permission=self.key, roles=roles, users=users
            )


@dataclass(frozen=True)
class Holdings:
    """What a user holds: names of roles, and keys of the permissions from roles or of their own, both sorted."""

    user_id: str
    roles: list[str]
    permissions: list[str]

    def check_covers(self, *keys: Iterable[str]) -> None:
        """Raise PermissionDenied when one of these permissions is not among the user's."""
        beyond = set[str]().union(*keys).difference(self.permissions)
        if beyond:
            raise PermissionDenied(
                Reason.BEYOND_OWN_PERMISSIONS, "that is more than the caller holds", permission=min(beyond)
            )


def check_role_name(name: str) -> None:
    """Raise FailedPrecondition for the name of a role that every deployment begins with."""
    if name in SEEDED:
        raise FailedPrecondition(Reason.ROLE_SEEDED, "deployments begin with a role of this name", role=name)


def check_permission_key(key: str) -> None:
    """Raise FailedPrecondition for a key that a method asks for."""
    if key in PERMISSIONS:
        raise FailedPrecondition(Reason.PERMISSION_BUILT_IN, "a method asks for this permission", permission=key)


def _change(row: Role | Permission, columns: Mapping[str, str | None]) -> bool:
    changed = {name: value for name, value in columns.items() if getattr(row, name) != value}
    for name, value in changed.items():
        setattr(row, name, value)
    return bool(changed)
