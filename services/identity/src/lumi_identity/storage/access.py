"""Roles and permissions, who holds them, and what somebody holds who is about to change that."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, bindparam, exists, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Executor, Row
from lumi_common.db.page import Listing
from lumi_common.db.repository import Repository, live
from lumi_common.db.statement import Statement
from lumi_common.errors import NotFound, PermissionDenied, Reason
from lumi_identity.domain.role import ADMIN, Holdings, Permission, Role, SeededRole
from lumi_identity.domain.security import SecurityEvent
from lumi_identity.domain.user import UserStatus
from lumi_identity.storage.grants import permission_keys
from lumi_identity.storage.links import (
    ADD_PERMISSIONS,
    ASSIGN_ROLE,
    GRANT_PERMISSION,
    MAKE_ROLE,
    REMOVE_PERMISSIONS,
    REVOKE_PERMISSION,
    UNASSIGN_ROLE,
)
from lumi_identity.storage.locks import one_at_a_time
from lumi_identity.storage.security import note
from lumi_identity.storage.sessions import outdate
from lumi_identity.storage.tables import (
    PERMISSION,
    ROLE,
    common,
    permissions,
    role_permissions,
    roles,
    user_permissions,
    user_roles,
    users,
)

_USER_ID, _ROLE_ID = bindparam("user_id", type_=Text), bindparam("role_id", type_=Text)
_PERMISSION_ID = bindparam("permission_id", type_=Text)
# What every change of roles and permissions asks for.
_WRITE = "roles.write"


def _with_permissions() -> Select[tuple[object, ...]]:
    keys = (
        select(permissions.c.key)
        .join(role_permissions, role_permissions.c.permission_id == permissions.c.id)
        .where(role_permissions.c.role_id == roles.c.id)
        .order_by(permissions.c.key)
    )
    return live(roles).add_columns(func.array(keys.scalar_subquery(), type_=ARRAY(Text)).label("permissions"))


ROLES = Listing(_with_permissions(), roles.c.id)
"""Roles with the keys of their permissions, by age."""

PERMISSIONS = Listing(live(permissions), permissions.c.id)
"""Permissions by age."""

_ALL_PERMISSIONS = Statement(live(permissions))
_GET_ROLE = Statement(_with_permissions().where(roles.c.id == _ROLE_ID))
_FIND_ROLE = Statement(_with_permissions().where(roles.c.name == bindparam("name", type_=Text)))
# Held while its holders change, so that the last two cannot leave at once.
_LOCK_ROLE = Statement(_with_permissions().where(roles.c.id == _ROLE_ID).with_for_update(key_share=True, of=roles))
_LOCK_ADMINS = Statement(_with_permissions().where(roles.c.name == ADMIN).with_for_update(key_share=True, of=roles))
_HOLDS = Statement(select(exists().where(user_roles.c.user_id == _USER_ID, user_roles.c.role_id == _ROLE_ID)))
_OTHER_HOLDERS = Statement(
    select(func.count())
    .select_from(user_roles.join(users, users.c.id == user_roles.c.user_id))
    .where(
        user_roles.c.role_id == _ROLE_ID,
        user_roles.c.user_id != _USER_ID,
        users.c.status == UserStatus.ACTIVE,
        users.c.deleted_at.is_(None),
    )
)
_ROLE_NAMES = (
    select(roles.c.name)
    .join(user_roles, user_roles.c.role_id == roles.c.id)
    .where(user_roles.c.user_id == users.c.id)
    .order_by(roles.c.name)
)


def _holdings(*which: ColumnElement[bool]) -> Statement:
    names = func.array(_ROLE_NAMES.scalar_subquery(), type_=ARRAY(Text)).label("roles")
    query = select(users.c.id, names, permission_keys(users.c.id, users))
    return Statement(query.where(users.c.id == _USER_ID, *which))


_HOLDINGS = _holdings(users.c.deleted_at.is_(None))
_HOLDINGS_WITH_DELETED = _holdings()
_HOLDINGS_OF_ACTIVE = _holdings(users.c.deleted_at.is_(None), users.c.status == UserStatus.ACTIVE)
_HAS_PERMISSION = Statement(
    select(exists().where(user_permissions.c.user_id == _USER_ID, user_permissions.c.permission_id == _PERMISSION_ID))
)
_HOLDERS = Statement(select(user_roles.c.user_id).where(user_roles.c.role_id == _ROLE_ID))


def _count(query: Select[Any]) -> ColumnElement[int]:
    return select(func.count()).select_from(query.subquery()).scalar_subquery()


_GRANTS = Statement(
    select(
        _count(
            select(role_permissions.c.role_id)
            .join(roles, roles.c.id == role_permissions.c.role_id)
            .where(role_permissions.c.permission_id == _PERMISSION_ID, roles.c.name != ADMIN)
        ).label("roles"),
        _count(select(user_permissions.c.user_id).where(user_permissions.c.permission_id == _PERMISSION_ID)).label(
            "users"
        ),
    )
)

HOLDERS = Listing(select(user_roles.c.user_id), user_roles.c.user_id, {"role_id": user_roles.c.role_id == _ROLE_ID})
"""Ids of the users who hold a role, by the age of their account."""


class PermissionRepository(Repository[Permission]):
    """Permissions, one by one."""

    aggregate, common, entity = PERMISSION, common, Permission

    async def grants(self, id: str) -> dict[str, int]:
        """How many `roles` beside the admins' hold it, and how many `users` directly."""
        row = await self._on.fetchrow(_GRANTS, permission_id=id)
        assert row is not None
        return dict(zip(row.keys(), row.values(), strict=True))

    async def is_granted(self, id: str, user_id: str) -> bool:
        """Whether the user has it directly."""
        return bool(await self._on.fetchval(_HAS_PERMISSION, user_id=user_id, permission_id=id))

    async def grant(self, id: str, user_id: str, context: Context) -> None:
        """Give it to a user who has not got it directly."""
        await self._on.fetchrow(GRANT_PERMISSION, user_id=user_id, permission_id=id)
        await self._tell(SecurityEvent.PERMISSION_GRANTED, id, user_id, context)

    async def revoke(self, id: str, user_id: str, context: Context) -> None:
        """Take it from a user who has it directly."""
        await self._on.fetchrow(REVOKE_PERMISSION, user_id=user_id, permission_id=id)
        await self._tell(SecurityEvent.PERMISSION_REVOKED, id, user_id, context)

    async def _tell(self, event: SecurityEvent, id: str, user_id: str, context: Context) -> None:
        await note(self._on, event, user_id, context, {"permission_id": id})
        await outdate(self._on, [user_id])


class RoleRepository(Repository[Role]):
    """Roles with the keys of their permissions.

    Whoever changes a role or who holds it has it locked; those whose permissions change need another access token.
    """

    aggregate, common, entity = ROLE, common, Role

    async def get_with_permissions(self, id: str) -> Role:
        """The role; raises NotFound."""
        return self._found(await self._on.fetchrow(_GET_ROLE, role_id=id), id)

    async def lock_with_permissions(self, id: str) -> Role:
        """The role, and nobody else changes who holds it until the transaction ends; raises NotFound."""
        return self._found(await self._on.fetchrow(_LOCK_ROLE, role_id=id), id)

    async def lock_admins(self) -> Role | None:
        """The admins' role, likewise; None before a bootstrap has made it."""
        row = await self._on.fetchrow(_LOCK_ADMINS)
        return None if row is None else role(row)

    async def find_by_name(self, name: str) -> Role | None:
        """The role of this name, or None."""
        row = await self._on.fetchrow(_FIND_ROLE, name=name)
        return None if row is None else role(row)

    async def make(self, seed: SeededRole) -> str:
        """Write a role that is not there, with its permissions; its id."""
        id, keys = cuid(), list(seed.permissions)
        await self._on.fetchrow(MAKE_ROLE, id=id, name=seed.name, description=seed.description, keys=keys)
        return id

    async def holders(self, id: str) -> list[str]:
        """Ids of the users who hold the role, deleted ones among them."""
        return [row["user_id"] for row in await self._on.fetch(_HOLDERS, role_id=id)]

    async def is_held(self, role_id: str, user_id: str) -> bool:
        """Whether the user holds the role."""
        return bool(await self._on.fetchval(_HOLDS, user_id=user_id, role_id=role_id))

    async def other_holders(self, role_id: str, user_id: str) -> int:
        """How many active users beside this one hold the role."""
        return int(await self._on.fetchval(_OTHER_HOLDERS, user_id=user_id, role_id=role_id))

    async def assign(self, role_id: str, user_id: str, context: Context) -> None:
        """Give the role to a user who has not got it."""
        await self._on.fetchrow(ASSIGN_ROLE, user_id=user_id, role_id=role_id)
        await note(self._on, SecurityEvent.ROLE_ASSIGNED, user_id, context, {"role_id": role_id})
        await outdate(self._on, [user_id])

    async def unassign(self, role_id: str, user_id: str, context: Context) -> None:
        """Take the role from a user who has it."""
        await self._on.fetchrow(UNASSIGN_ROLE, user_id=user_id, role_id=role_id)
        await note(self._on, SecurityEvent.ROLE_UNASSIGNED, user_id, context, {"role_id": role_id})
        await outdate(self._on, [user_id])

    async def add_permissions(self, role_id: str, keys: Sequence[str], context: Context) -> None:
        """Put permissions that it lacks into the role."""
        await self._on.fetchrow(ADD_PERMISSIONS, role_id=role_id, keys=keys)
        await self._tell(SecurityEvent.ROLE_PERMISSION_ADDED, role_id, keys, context)

    async def remove_permissions(self, role_id: str, keys: Sequence[str], context: Context) -> None:
        """Take permissions that it holds out of the role."""
        await self._on.fetchrow(REMOVE_PERMISSIONS, role_id=role_id, keys=keys)
        await self._tell(SecurityEvent.ROLE_PERMISSION_REMOVED, role_id, keys, context)

    async def include(self, admins: Role, key: str) -> None:
        """Put a permission of the shop's own into the admins' role; no method asks for it, so their tokens will do."""
        await self._on.fetchrow(ADD_PERMISSIONS, role_id=admins.id, keys=[key])

    async def exclude(self, admins: Role, key: str) -> None:
        """Take one out of it that is about to go."""
        await self._on.fetchrow(REMOVE_PERMISSIONS, role_id=admins.id, keys=[key])

    async def _tell(self, event: SecurityEvent, id: str, keys: Sequence[str], context: Context) -> None:
        """It is an event of whoever did it; the service's own doing has its audit record."""
        await note(self._on, event, context.principal.id, context, {"role_id": id, "permissions": list(keys)})
        await outdate(self._on, await self.holders(id))

    def _found(self, row: Row | None, id: str) -> Role:
        if row is None:
            raise self.not_found(id)
        return role(row)


def role(row: Row) -> Role:
    """The role of a row that has its permissions."""
    return Role(
        row["id"], row["name"], row["description"], row["created_at"], row["updated_at"], list(row["permissions"])
    )


async def get_holdings(on: Executor, user_id: str, *, include_deleted: bool = False) -> Holdings:
    """What the user holds; raises NotFound for no such user."""
    row = await on.fetchrow(_HOLDINGS_WITH_DELETED if include_deleted else _HOLDINGS, user_id=user_id)
    if row is None:
        raise NotFound(Reason.NOT_FOUND, "no such user", entity="User", id=user_id)
    return _held(row)


async def lock_access(on: Executor) -> None:
    """Nobody else changes roles, permissions or who holds them until the transaction ends."""
    await one_at_a_time(on, "access")


async def lock_authority(on: Executor, user_id: str) -> Holdings:
    """The same for a user, with what they hold now, whatever their token says.

    Raises PermissionDenied when they may not change any of it any more.
    """
    await lock_access(on)
    row = await on.fetchrow(_HOLDINGS_OF_ACTIVE, user_id=user_id)
    if row is None or _WRITE not in row["permissions"]:
        raise PermissionDenied(
            Reason.PERMISSION_MISSING, f"this method needs the permission {_WRITE}", permission=_WRITE
        )
    return _held(row)


def _held(row: Row) -> Holdings:
    return Holdings(row["id"], list(row["roles"]), list(row["permissions"]))


async def all_permissions(on: Executor) -> list[Permission]:
    """Every permission that there is."""
    return [PermissionRepository.row(row) for row in await on.fetch(_ALL_PERMISSIONS)]
