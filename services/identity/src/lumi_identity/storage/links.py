"""What links users, roles and permissions: each link that comes or goes is a change of its user or its role."""

from sqlalchemy import (
    CTE,
    ColumnElement,
    Delete,
    Insert,
    Text,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from lumi_common.db.record import Aggregate, Change, recorded
from lumi_common.db.statement import Statement
from lumi_identity.storage.tables import (
    ROLE,
    USER,
    USER_PERMISSION,
    USER_ROLE,
    common,
    permissions,
    role_permissions,
    roles,
    users,
)

_USER_ID, _ROLE_ID = bindparam("user_id", type_=Text), bindparam("role_id", type_=Text)
_KEYS = bindparam("keys", type_=ARRAY(Text))


def _of_user(action: str) -> Change:
    """The user's row moves on with what belongs to it, and so orders it; the record is the link's alone."""
    moved = update(users).where(users.c.id == _USER_ID).values(version=users.c.version + 1, updated_at=func.now())
    return USER.change(moved, action, name="moved")


def _given(link: Aggregate, other: str, action: str) -> Statement:
    """The user `user_id` gets what the column `other` names, which they have not got."""
    user = _of_user(action)
    new = insert(link.table).from_select(["user_id", other], select(user.cte.c.id, bindparam(other, type_=Text)))
    return recorded(common, link.change(new, action), root=user)


def _taken(link: Aggregate, other: str, action: str) -> Statement:
    """The user loses it."""
    user, table = _of_user(action), link.table
    gone = delete(table).where(table.c.user_id == user.cte.c.id, table.c[other] == bindparam(other, type_=Text))
    return recorded(common, link.change(gone, action), root=user)


ASSIGN_ROLE = _given(USER_ROLE, "role_id", "user.role_assigned")
UNASSIGN_ROLE = _taken(USER_ROLE, "role_id", "user.role_unassigned")
GRANT_PERMISSION = _given(USER_PERMISSION, "permission_id", "user.permission_granted")
REVOKE_PERMISSION = _taken(USER_PERMISSION, "permission_id", "user.permission_revoked")


def _filling(role_id: ColumnElement[str]) -> Insert:
    """Put the permissions of these `keys` into a role."""
    chosen = select(role_id, permissions.c.id).where(permissions.c.key == func.any(_KEYS))
    return insert(role_permissions).from_select(["role_id", "permission_id"], chosen)


def _links(dml: Insert | Delete, name: str) -> CTE:
    return dml.returning(role_permissions.c.role_id, role_permissions.c.permission_id).cte(name)


# Its permissions come with the role, by one statement and as one change.
_made = ROLE.change(
    insert(roles).values({name: bindparam(name, type_=roles.c[name].type) for name in ("id", "name", "description")}),
    "role.created",
    name="made",
)
_made_with = _links(_filling(_made.cte.c.id), "filled")
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
MAKE_ROLE = recorded(common, Change(ROLE, _told_of_role, _made.action), root=_made)
"""A role with the permissions of these `keys`."""


def _of_role(action: str, links: CTE, side: str) -> Statement:
    """However many permissions come or go, it is one change of one role; `side` is where its record has them."""
    moved = update(roles).where(roles.c.id == _ROLE_ID).values(updated_at=func.now())
    role = ROLE.change(moved, action, name="moved")
    told = (
        select(
            func.jsonb_build_object(
                *(literal_column(f"'{part}'") for part in ("entity", "Role", "id")),
                links.c.role_id,
                *(literal_column(part) for part in ("'action'", f"'{action}'", "'audit'", "true", f"'{side}'")),
                func.jsonb_build_object(
                    literal_column("'permissions'"),
                    func.jsonb_agg(permissions.c.key, type_=JSONB),
                    type_=JSONB,
                ),
                type_=JSONB,
            ).label("record")
        )
        .join_from(links, permissions, permissions.c.id == links.c.permission_id)
        .group_by(links.c.role_id)
        .cte("told_once")
    )
    return recorded(common, Change(ROLE, told, role.action), root=role)


ADD_PERMISSIONS = _of_role("role.permissions_added", _links(_filling(_ROLE_ID), "added"), "after")
"""Put permissions that it lacks into a role."""

_leaving = delete(role_permissions).where(
    role_permissions.c.role_id == _ROLE_ID,
    role_permissions.c.permission_id == permissions.c.id,
    permissions.c.key == func.any(_KEYS),
)
REMOVE_PERMISSIONS = _of_role("role.permissions_removed", _links(_leaving, "removed"), "before")
"""Take permissions that it holds out of a role."""
