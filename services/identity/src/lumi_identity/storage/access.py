"""Roles and permissions, and who holds them."""

from sqlalchemy import (
    CTE,
    ColumnElement,
    Select,
    Text,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from lumi_common.cuid import cuid
from lumi_common.db.database import Executor, Row
from lumi_common.db.page import Listing
from lumi_common.db.record import Change, recorded
from lumi_common.db.repository import Repository, live
from lumi_common.db.statement import Statement
from lumi_common.errors import NotFound, Reason
from lumi_identity.domain.role import ADMIN, Holdings, Permission, Role, SeededRole
from lumi_identity.domain.user import UserStatus
from lumi_identity.storage.grants import permission_keys
from lumi_identity.storage.tables import (
    PERMISSION,
    ROLE,
    USER,
    USER_ROLE,
    common,
    permissions,
    role_permissions,
    roles,
    user_roles,
    users,
)

_USER_ID, _ROLE_ID = bindparam("user_id", type_=Text), bindparam("role_id", type_=Text)


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
_HOLDINGS = Statement(
    select(
        users.c.id,
        func.array(_ROLE_NAMES.scalar_subquery(), type_=ARRAY(Text)).label("roles"),
        permission_keys(users.c.id, users),
    ).where(users.c.id == _USER_ID, users.c.deleted_at.is_(None))
)


def _of_user(action: str) -> Change:
    """The user's row moves on with what belongs to it, and so orders it; the record is the link's alone."""
    moved = update(users).where(users.c.id == _USER_ID).values(version=users.c.version + 1, updated_at=func.now())
    return USER.change(moved, action, name="moved")


_assigned = _of_user("user.role_assigned")
_ASSIGN = recorded(
    common,
    USER_ROLE.change(
        insert(user_roles).from_select(["user_id", "role_id"], select(_assigned.cte.c.id, _ROLE_ID)),
        "user.role_assigned",
    ),
    root=_assigned,
)
_unassigned = _of_user("user.role_unassigned")
_UNASSIGN = recorded(
    common,
    USER_ROLE.change(
        delete(user_roles).where(user_roles.c.user_id == _unassigned.cte.c.id, user_roles.c.role_id == _ROLE_ID),
        "user.role_unassigned",
    ),
    root=_unassigned,
)


def _filled(role_id: ColumnElement[str]) -> CTE:
    """The links of a role with the permissions of these `keys`, written."""
    chosen = permissions.c.key == func.any(bindparam("keys", type_=ARRAY(Text)))
    return (
        insert(role_permissions)
        .from_select(["role_id", "permission_id"], select(role_id, permissions.c.id).where(chosen))
        .returning(role_permissions.c.role_id, role_permissions.c.permission_id)
        .cte("filled")
    )


# Its permissions come with the role, by one statement and as one change.
_made = ROLE.change(
    insert(roles).values({name: bindparam(name, type_=roles.c[name].type) for name in ("id", "name", "description")}),
    "role.created",
    name="made",
)
_made_with = _filled(_made.cte.c.id)
_keys_made_with = (
    select(func.coalesce(func.jsonb_agg(permissions.c.key, type_=JSONB), literal_column("'[]'::jsonb")))
    .select_from(_made_with.join(permissions, permissions.c.id == _made_with.c.permission_id))
    .scalar_subquery()
)
_told_of_role = select(
    func.jsonb_set(_made.cte.c.record, literal_column("'{after,permissions}'"), _keys_made_with, type_=JSONB).label(
        "record"
    )
).cte("told_once")
_MAKE_ROLE = recorded(common, Change(ROLE, _told_of_role, _made.action), root=_made)

_widened = ROLE.change(
    update(roles).where(roles.c.id == _ROLE_ID).values(updated_at=func.now()), "role.permissions_added", name="widened"
)
_granted = _filled(_widened.cte.c.id)
# However many permissions came, it is one change of one role.
_told = (
    select(
        func.jsonb_build_object(
            *(literal_column(f"'{part}'") for part in ("entity", "Role", "id")),
            _granted.c.role_id,
            *(literal_column(part) for part in ("'action'", "'role.permissions_added'", "'audit'", "true", "'after'")),
            func.jsonb_build_object(
                literal_column("'permissions'"),
                func.jsonb_agg(permissions.c.key, type_=JSONB),
                type_=JSONB,
            ),
            type_=JSONB,
        ).label("record")
    )
    .join_from(_granted, permissions, permissions.c.id == _granted.c.permission_id)
    .group_by(_granted.c.role_id)
    .cte("told_once")
)
_ADD_PERMISSIONS = recorded(common, Change(ROLE, _told, _widened.action), root=_widened)


class PermissionRepository(Repository[Permission]):
    """Permissions, one by one."""

    aggregate, common, entity = PERMISSION, common, Permission


class RoleRepository(Repository[Role]):
    """Roles with the keys of their permissions; both ways of giving somebody a role need the role locked."""

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
        await self._on.fetchrow(_MAKE_ROLE, id=id, name=seed.name, description=seed.description, keys=keys)
        return id

    async def is_held(self, role_id: str, user_id: str) -> bool:
        """Whether the user holds the role."""
        return bool(await self._on.fetchval(_HOLDS, user_id=user_id, role_id=role_id))

    async def other_holders(self, role_id: str, user_id: str) -> int:
        """How many active users beside this one hold the role."""
        return int(await self._on.fetchval(_OTHER_HOLDERS, user_id=user_id, role_id=role_id))

    async def assign(self, role_id: str, user_id: str) -> None:
        """Give the role to a user who has not got it."""
        await self._on.fetchrow(_ASSIGN, user_id=user_id, role_id=role_id)

    async def unassign(self, role_id: str, user_id: str) -> None:
        """Take the role from a user who has it."""
        await self._on.fetchrow(_UNASSIGN, user_id=user_id, role_id=role_id)

    async def add_permissions(self, role_id: str, keys: list[str]) -> None:
        """Put permissions that it lacks into the role."""
        await self._on.fetchrow(_ADD_PERMISSIONS, role_id=role_id, keys=keys)

    def _found(self, row: Row | None, id: str) -> Role:
        if row is None:
            raise self.not_found(id)
        return role(row)


def role(row: Row) -> Role:
    """The role of a row that has its permissions."""
    return Role(
        row["id"], row["name"], row["description"], row["created_at"], row["updated_at"], list(row["permissions"])
    )


async def get_holdings(on: Executor, user_id: str) -> Holdings:
    """What the user holds; raises NotFound for no such user."""
    row = await on.fetchrow(_HOLDINGS, user_id=user_id)
    if row is None:
        raise NotFound(Reason.NOT_FOUND, "no such user", entity="User", id=user_id)
    return Holdings(row["id"], list(row["roles"]), list(row["permissions"]))


async def all_permissions(on: Executor) -> list[Permission]:
    """Every permission that there is."""
    return [PermissionRepository.row(row) for row in await on.fetch(_ALL_PERMISSIONS)]
