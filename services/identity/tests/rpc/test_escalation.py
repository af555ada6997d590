"""Nobody comes to more than they hold: an account that may write roles, and no more, tries every way there is."""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from lumi.identity.v1 import access_pb2 as pb

from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_common.errors import LumiError, PermissionDenied
from lumi_common.principal import Principal
from lumi_identity.storage.access import lock_authority
from services.identity.tests.rpc.clients import Identity, SignedIn
from services.identity.tests.rpc.test_roles import a_key, a_name, a_permission, a_role, permission_named, role_named


class Scene(NamedTuple):
    """`mallory` holds `roles.write`; all roles but her own `bare` hold more, and so does the admin."""

    mallory: SignedIn
    friend: SignedIn
    admin: SignedIn
    bare: pb.Role
    admins: pb.Role
    support: pb.Role
    own: pb.Permission
    wanted: pb.Permission
    made: pb.Permission


async def the_scene(identity: Identity) -> Scene:
    mallory = await identity.staff("roles.write")
    return Scene(
        mallory,
        await identity.user(),
        await identity.admin(),
        await a_role(mallory),
        await role_named(identity, "admin"),
        await role_named(identity, "support"),
        await permission_named(identity, "roles.write"),
        await permission_named(identity, "users.purge"),
        await a_permission(mallory),
    )


def mask(*paths: str) -> FieldMask:
    return FieldMask(paths=paths)


Attempt = Callable[[Scene], tuple[str, Any]]
ATTEMPTS: dict[str, Attempt] = {
    "take the admin role": lambda s: (
        "AssignRole", pb.AssignRoleRequest(user_id=s.mallory.id, role_id=s.admins.id)
    ),
    "take a role that holds something": lambda s: (
        "AssignRole", pb.AssignRoleRequest(user_id=s.mallory.id, role_id=s.support.id)
    ),
    "give it to a friend": lambda s: ("AssignRole", pb.AssignRoleRequest(user_id=s.friend.id, role_id=s.support.id)),
    "give an admin an empty role": lambda s: (
        "AssignRole", pb.AssignRoleRequest(user_id=s.admin.id, role_id=s.bare.id)
    ),
    "take a permission": lambda s: (
        "GrantPermission", pb.GrantPermissionRequest(user_id=s.mallory.id, permission_id=s.wanted.id)
    ),
    "take one through a friend": lambda s: (
        "GrantPermission", pb.GrantPermissionRequest(user_id=s.friend.id, permission_id=s.wanted.id)
    ),
    "take the one she made herself": lambda s: (
        "GrantPermission", pb.GrantPermissionRequest(user_id=s.mallory.id, permission_id=s.made.id)
    ),
    "put one into a role of her own": lambda s: (
        "AddRolePermission", pb.AddRolePermissionRequest(role_id=s.bare.id, permission_id=s.wanted.id)
    ),
    "put her own into a role that holds more": lambda s: (
        "AddRolePermission", pb.AddRolePermissionRequest(role_id=s.support.id, permission_id=s.own.id)
    ),
    "take one out of a role that holds more": lambda s: (
        "RemoveRolePermission", pb.RemoveRolePermissionRequest(role_id=s.support.id, permission_id=s.wanted.id)
    ),
    "take an admin's role": lambda s: (
        "UnassignRole", pb.UnassignRoleRequest(user_id=s.admin.id, role_id=s.admins.id)
    ),
    "take an admin's own permission": lambda s: (
        "RevokePermission", pb.RevokePermissionRequest(user_id=s.admin.id, permission_id=s.own.id)
    ),
    "describe a role that holds more": lambda s: (
        "UpdateRole",
        pb.UpdateRoleRequest(role=pb.Role(id=s.support.id, description="hers"), update_mask=mask("description")),
    ),
    "remove a role that holds more": lambda s: ("DeleteRole", pb.DeleteRoleRequest(id=s.support.id)),
    "give a permission that she lacks another key": lambda s: (
        "UpdatePermission", pb.UpdatePermissionRequest(permission=pb.Permission(id=s.made.id, key=a_key()))
    ),
    "remove a permission that she lacks": lambda s: ("DeletePermission", pb.DeletePermissionRequest(id=s.made.id)),
}  # fmt: skip


@pytest.mark.parametrize("attempt", ATTEMPTS)
async def test_whoever_may_write_roles_gets_no_further_than_what_they_hold(identity: Identity, attempt: str) -> None:
    scene = await the_scene(identity)
    before = await everything(identity)
    method, request = ATTEMPTS[attempt](scene)

    with pytest.raises(PermissionDenied) as refusal:
        await getattr(scene.mallory.client, method)(request)

    assert refusal.value.reason == "BEYOND_OWN_PERMISSIONS"
    assert refusal.value.facts["permission"] != "roles.write"
    assert await everything(identity) == before


async def everything(identity: Identity) -> list[Any]:
    tables = ("roles", "permissions", "role_permissions", "user_roles", "user_permissions")
    return [await identity.db.pool.fetch(f"select * from {table} order by 1, 2") for table in tables]


async def test_a_name_that_deployments_begin_with_is_no_way_round(identity: Identity) -> None:
    scene = await the_scene(identity)

    for call in (
        scene.mallory.client.UpdateRole(pb.UpdateRoleRequest(role=pb.Role(id=scene.bare.id, name="admin"))),
        scene.mallory.client.CreateRole(pb.CreateRoleRequest(role=pb.Role(name="admin"))),
    ):
        with pytest.raises(LumiError, match="ROLE_SEEDED"):
            await call
    with pytest.raises(LumiError, match="PERMISSION_BUILT_IN"):
        await scene.mallory.client.CreatePermission(
            pb.CreatePermissionRequest(permission=pb.Permission(key="users.purge"))
        )


async def test_what_one_holds_one_may_give_and_take(identity: Identity) -> None:
    scene = await the_scene(identity)
    of_friend = {"user_id": scene.friend.id}

    link = {"role_id": scene.bare.id, "permission_id": scene.own.id}
    await scene.mallory.client.AddRolePermission(pb.AddRolePermissionRequest(**link))
    held = await scene.mallory.client.AssignRole(pb.AssignRoleRequest(role_id=scene.bare.id, **of_friend))
    assert list(held.permissions) == ["roles.write"]
    await scene.mallory.client.UnassignRole(pb.UnassignRoleRequest(role_id=scene.bare.id, **of_friend))
    await scene.mallory.client.GrantPermission(pb.GrantPermissionRequest(permission_id=scene.own.id, **of_friend))
    held = await scene.mallory.client.RevokePermission(
        pb.RevokePermissionRequest(permission_id=scene.own.id, **of_friend)
    )
    assert list(held.permissions) == []
    await scene.mallory.client.UpdateRole(pb.UpdateRoleRequest(role=pb.Role(id=scene.bare.id, name=a_name())))
    await scene.mallory.client.DeleteRole(pb.DeleteRoleRequest(id=scene.bare.id))


async def test_what_counts_is_what_is_held_now_and_not_what_a_token_says(db: Database, identity: Identity) -> None:
    staff = await identity.staff("roles.write", "orders.read")
    context = Context("test", Principal.user(staff.id, ["roles.write", "orders.read", "users.purge"]))

    async with db.transaction(context) as tx:
        held = await lock_authority(tx, staff.id)
    assert held.permissions == ["orders.read", "roles.write"]
    for change in ("status = 'SUSPENDED'", "status = 'ACTIVE', deleted_at = now()"):
        await db.pool.execute(f"update users set {change} where id = $1", staff.id)
        async with db.transaction(context) as tx:
            with pytest.raises(PermissionDenied, match="PERMISSION_MISSING"):
                await lock_authority(tx, staff.id)
    await db.pool.execute("update users set deleted_at = null where id = $1", staff.id)
    await db.pool.execute("delete from user_permissions where user_id = $1", staff.id)
    async with db.transaction(context) as tx:
        with pytest.raises(PermissionDenied, match="PERMISSION_MISSING"):
            await lock_authority(tx, staff.id)
        with pytest.raises(PermissionDenied, match="PERMISSION_MISSING"):
            await lock_authority(tx, cuid())


async def test_nothing_is_given_by_whoever_has_just_lost_it(identity: Identity) -> None:
    admin, giver = await identity.admin(), await identity.staff("roles.write", "orders.read")
    friends = [await identity.user() for _ in range(12)]
    permission = await permission_named(identity, "orders.read")

    async def give(user: SignedIn) -> str:
        asked = pb.GrantPermissionRequest(user_id=user.id, permission_id=permission.id)
        try:
            await giver.client.GrantPermission(asked)
        except LumiError as refusal:
            return refusal.reason
        return "given"

    async def take() -> None:
        await admin.client.RevokePermission(pb.RevokePermissionRequest(user_id=giver.id, permission_id=permission.id))

    outcomes = await asyncio.gather(*map(give, friends[:6]), take(), *map(give, friends[6:]))

    rows = await identity.db.pool.fetch(
        "select seq, type from outbox_events where aggregate_id = any($1) "
        "and type in ('user.permission_granted', 'user.permission_revoked') order by seq",
        [giver.id, *(friend.id for friend in friends)],
    )
    assert rows[-1]["type"] == "user.permission_revoked"
    assert len(rows) - 1 == outcomes.count("given")
    assert set(outcomes) <= {None, "given", "BEYOND_OWN_PERMISSIONS", "TOKEN_INVALID"}
