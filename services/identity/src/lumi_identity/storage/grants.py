"""What a user may do: what their roles hold, and what was given to them alone."""

from typing import Any

from sqlalchemy import ColumnElement, FromClause, Text, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from lumi_identity.storage.tables import permissions, role_permissions, user_permissions, user_roles


def permission_keys(user_id: ColumnElement[Any], row: FromClause) -> ColumnElement[Any]:
    """The keys of the user's permissions, sorted, as an array; `row` is what the query has the user's id from."""
    by_role = (
        select(role_permissions.c.permission_id)
        .join(user_roles, user_roles.c.role_id == role_permissions.c.role_id)
        .where(user_roles.c.user_id == user_id)
        .correlate(row)
    )
    direct = select(user_permissions.c.permission_id).where(user_permissions.c.user_id == user_id).correlate(row)
    keys = select(permissions.c.key).where(permissions.c.id.in_(by_role.union(direct))).order_by(permissions.c.key)
    return func.array(keys.scalar_subquery(), type_=ARRAY(Text)).label("permissions")
