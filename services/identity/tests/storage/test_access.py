"""Roles: who holds them, and what is told of it."""

import pytest

from lumi_common.clock import utc_now
from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_common.errors import NotFound
from lumi_identity.domain.role import Permission, Role
from lumi_identity.domain.user import User
from lumi_identity.storage.access import PermissionRepository, RoleRepository, get_holdings
from services.identity.tests.kit import a_user, doors_of, outbox_of


@pytest.fixture
async def ada(db: Database, context: Context) -> User:
    return await a_user(await doors_of(db), context)


@pytest.fixture
async def support(db: Database, context: Context) -> Role:
    now = utc_now()
    async with db.transaction(context) as tx:
        roles = RoleRepository(tx)
        role = await roles.insert(Role(cuid(), f"support {cuid()}", None, now, now), "role.created")
        for key in ("b", "a"):
            permission = Permission(cuid(), f"{key}.{role.id}", None, now, now)
            await PermissionRepository(tx).insert(permission, "permission.created")
        await roles.add_permissions(role.id, [f"a.{role.id}", f"b.{role.id}"], context)
        return await roles.get_with_permissions(role.id)


async def test_a_role_has_its_permissions_sorted_and_tells_of_them_once(db: Database, support: Role) -> None:
    assert support.permissions == [f"a.{support.id}", f"b.{support.id}"]

    created, added = await outbox_of(db, support.id)
    [record] = added["records"]

    assert (created["type"], added["type"], record["entity"]) == ("role.created", "role.permissions_added", "Role")
    assert sorted(record["after"]["permissions"]) == support.permissions


async def test_a_role_comes_and_goes_as_a_change_of_its_user(
    db: Database, context: Context, ada: User, support: Role
) -> None:
    async with db.transaction(context) as tx:
        await RoleRepository(tx).assign(support.id, ada.id, context)
    held = await get_holdings(db, ada.id)
    async with db.transaction(context) as tx:
        await RoleRepository(tx).unassign(support.id, ada.id, context)

    assert (held.roles, held.permissions) == ([support.name], support.permissions)
    assert (await get_holdings(db, ada.id)).permissions == []
    _, assigned, unassigned = await outbox_of(db, ada.id)
    assert [(row["aggregate"], row["type"], row["version"]) for row in (assigned, unassigned)] == [
        ("User", "user.role_assigned", 2),
        ("User", "user.role_unassigned", 3),
    ]
    [record] = assigned["records"]
    assert (record["entity"], record["id"], record["after"]["role_id"]) == ("User", ada.id, support.id)
    assert unassigned["records"][0]["before"]["role_id"] == support.id


async def test_holdings_are_the_users_own(db: Database, context: Context, ada: User, support: Role) -> None:
    bob = await a_user(await doors_of(db), context)
    async with db.transaction(context) as tx:
        await RoleRepository(tx).assign(support.id, bob.id, context)

    assert (await get_holdings(db, ada.id)).permissions == []
    with pytest.raises(NotFound):
        await get_holdings(db, cuid())
