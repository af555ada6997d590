"""Roles and permissions as staff make, change and remove them, and give them to users."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from lumi.identity.v1 import access_pb2 as pb
from lumi.identity.v1.user_pb2 import DeleteUserRequest

from lumi_common.cuid import cuid
from lumi_common.errors import AlreadyExists, FailedPrecondition, InvalidArgument, LumiError, NotFound, Unauthenticated
from services.identity.tests.kit import PASSWORD, outbox_of, security_events_of
from services.identity.tests.rpc.clients import ADMIN_EMAIL, ADMIN_PASSWORD, Identity, SignedIn


def a_name() -> str:
    return f"role_{uuid4().hex}"


def a_key() -> str:
    return f"things_{uuid4().hex}.read"


async def a_role(by: SignedIn, *permissions: pb.Permission) -> pb.Role:
    role = await by.client.CreateRole(pb.CreateRoleRequest(role=pb.Role(name=a_name(), description="for tests")))
    for permission in permissions:
        asked = pb.AddRolePermissionRequest(role_id=role.id, permission_id=permission.id)
        role = await by.client.AddRolePermission(asked)
    return role


async def a_permission(by: SignedIn) -> pb.Permission:
    given = pb.Permission(key=a_key(), description="for tests")
    return await by.client.CreatePermission(pb.CreatePermissionRequest(permission=given))


async def permission_named(identity: Identity, key: str) -> pb.Permission:
    return pb.Permission(id=await identity.db.pool.fetchval("select id from permissions where key = $1", key), key=key)


async def role_named(identity: Identity, name: str) -> pb.Role:
    return pb.Role(id=await identity.db.pool.fetchval("select id from roles where name = $1", name), name=name)


async def again(identity: Identity, user: SignedIn) -> SignedIn:
    """The same user with another session: what they may do has changed."""
    return await identity.signed_in(user.email, ADMIN_PASSWORD if user.email == ADMIN_EMAIL else PASSWORD)


async def told(call: Any) -> tuple[str, str]:
    """Code and reason of the refusal."""
    with pytest.raises(LumiError) as refusal:
        await call
    return refusal.value.code, refusal.value.reason


async def types_of(identity: Identity, id: str) -> list[str]:
    return [row["type"] for row in await outbox_of(identity.db, id)]


async def test_a_role_is_made_changed_filled_emptied_and_removed(identity: Identity) -> None:
    admin = await identity.admin()
    reading, writing = await a_permission(admin), await a_permission(admin)
    made = await a_role(admin)
    assert (made.description, list(made.permissions)) == ("for tests", [])

    renamed = await admin.client.UpdateRole(pb.UpdateRoleRequest(role=pb.Role(id=made.id, name=a_name())))
    assert (renamed.description, renamed.name != made.name) == ("for tests", True)
    mask = FieldMask(paths=["description"])
    bare = await admin.client.UpdateRole(pb.UpdateRoleRequest(role=pb.Role(id=made.id), update_mask=mask))
    assert (bare.name, bare.description) == (renamed.name, "")
    for permission in (reading, writing, reading):
        both = await admin.client.AddRolePermission(
            pb.AddRolePermissionRequest(role_id=made.id, permission_id=permission.id)
        )
    assert list(both.permissions) == sorted([reading.key, writing.key])
    for _ in range(2):
        one = await admin.client.RemoveRolePermission(
            pb.RemoveRolePermissionRequest(role_id=made.id, permission_id=reading.id)
        )
    assert list(one.permissions) == [writing.key]
    assert await admin.client.GetRole(pb.GetRoleRequest(id=made.id)) == one
    await admin.client.DeleteRole(pb.DeleteRoleRequest(id=made.id))
    with pytest.raises(NotFound):
        await admin.client.GetRole(pb.GetRoleRequest(id=made.id))

    rows = await outbox_of(identity.db, made.id)
    assert [row["type"] for row in rows] == [
        *("role.created", "role.updated", "role.updated"),
        *("role.permissions_added", "role.permissions_added", "role.permissions_removed", "role.deleted"),
    ]
    assert all(len(row["records"]) == 1 and row["records"][0]["audit"] for row in rows)
    assert rows[5]["records"][0]["before"] == {"permissions": [reading.key]}
    assert {row["headers"]["actor_id"] for row in rows} == {admin.id}


async def test_a_permission_is_made_held_by_admins_renamed_and_removed(identity: Identity) -> None:
    admin = await identity.admin()
    made = await a_permission(admin)
    assert await admin.client.GetPermission(pb.GetPermissionRequest(id=made.id)) == made
    held = await admin.client.GetEffectivePermissions(pb.GetEffectivePermissionsRequest(user_id=admin.id))
    assert made.key in held.permissions

    key = a_key()
    asked = pb.UpdatePermissionRequest(permission=pb.Permission(id=made.id, key=key))
    renamed = await admin.client.UpdatePermission(asked)
    assert (renamed.key, renamed.description) == (key, "for tests")
    held = await admin.client.GetEffectivePermissions(pb.GetEffectivePermissionsRequest(user_id=admin.id))
    assert (made.key in held.permissions, key in held.permissions) == (False, True)
    await admin.client.DeletePermission(pb.DeletePermissionRequest(id=made.id))
    with pytest.raises(NotFound):
        await admin.client.GetPermission(pb.GetPermissionRequest(id=made.id))

    assert await types_of(identity, made.id) == ["permission.created", "permission.updated", "permission.deleted"]
    of_admins = await outbox_of(identity.db, (await role_named(identity, "admin")).id)
    told_of = [
        (row["type"], row["records"][0].get("after") or row["records"][0]["before"])
        for row in of_admins
        if made.key in str(row["records"]) or key in str(row["records"])
    ]
    assert told_of == [
        ("role.permissions_added", {"permissions": [made.key]}),
        ("role.permissions_removed", {"permissions": [key]}),
    ]


async def test_a_permission_of_their_own_is_given_to_a_user_and_taken(identity: Identity) -> None:
    admin, ada = await identity.admin(), await identity.user()
    permission = await a_permission(admin)

    for _ in range(2):
        asked = pb.GrantPermissionRequest(user_id=ada.id, permission_id=permission.id)
        held = await admin.client.GrantPermission(asked)
        assert (list(held.roles), list(held.permissions)) == ([], [permission.key])
    for _ in range(2):
        held = await admin.client.RevokePermission(
            pb.RevokePermissionRequest(user_id=ada.id, permission_id=permission.id)
        )
        assert list(held.permissions) == []

    rows = await outbox_of(identity.db, ada.id)
    assert [row["type"] for row in rows][-2:] == ["user.permission_granted", "user.permission_revoked"]
    granted, revoked = (row["records"] for row in rows[-2:])
    assert [(len(each), each[0]["entity"], each[0]["id"]) for each in (granted, revoked)] == [(1, "User", ada.id)] * 2
    assert granted[0]["after"]["permission_id"] == revoked[0]["before"]["permission_id"] == permission.id


async def test_names_and_keys_are_unique_and_those_that_deployments_begin_with_stay(identity: Identity) -> None:
    admin = await identity.admin()
    role, other, permission = await a_role(admin), await a_role(admin), await a_permission(admin)
    support, built_in = await role_named(identity, "support"), await permission_named(identity, "orders.read")

    def create(name: str) -> Any:
        return admin.client.CreateRole(pb.CreateRoleRequest(role=pb.Role(name=name)))

    def rename(id: str, name: str) -> Any:
        return admin.client.UpdateRole(pb.UpdateRoleRequest(role=pb.Role(id=id, name=name)))

    def describe(id: str, key: str = "") -> Any:
        given = pb.Permission(id=id, key=key, description="ours")
        return admin.client.UpdatePermission(pb.UpdatePermissionRequest(permission=given))

    def make(key: str) -> Any:
        return admin.client.CreatePermission(pb.CreatePermissionRequest(permission=pb.Permission(key=key)))

    taken, seeded = ("ALREADY_EXISTS", "NAME_TAKEN"), ("FAILED_PRECONDITION", "ROLE_SEEDED")
    stays = ("FAILED_PRECONDITION", "PERMISSION_BUILT_IN")
    assert [await told(call) for call in (create(role.name), rename(other.id, role.name))] == [taken] * 2
    assert [await told(call) for call in (create("support"), rename(role.id, "admin"))] == [seeded] * 2
    assert await told(rename(support.id, a_name())) == seeded
    assert await told(make(permission.key)) == taken
    assert [await told(call) for call in (make("orders.read"), describe(permission.id, "users.read"))] == [stays] * 2
    assert [await told(call) for call in (describe(built_in.id), describe(built_in.id, a_key()))] == [stays] * 2
    asked = pb.DeletePermissionRequest(id=built_in.id)
    assert await told(admin.client.DeletePermission(asked)) == stays
    before = await admin.client.GetRole(pb.GetRoleRequest(id=support.id))
    described = await admin.client.UpdateRole(
        pb.UpdateRoleRequest(role=pb.Role(id=support.id, name="support", description="ours"))
    )
    assert described.description == "ours"
    # As it was: other tests look at what a deployment begins with.
    text = pb.Role(id=support.id, description=before.description)
    await admin.client.UpdateRole(pb.UpdateRoleRequest(role=text))


async def test_what_is_held_is_not_removed(identity: Identity) -> None:
    admin, ada = await identity.admin(), await identity.user()
    permission = await a_permission(admin)
    role = await a_role(admin, permission)
    await admin.client.AssignRole(pb.AssignRoleRequest(user_id=ada.id, role_id=role.id))

    with pytest.raises(FailedPrecondition) as held:
        await admin.client.DeleteRole(pb.DeleteRoleRequest(id=role.id))
    assert (held.value.reason, held.value.facts["holders"]) == ("ROLE_HELD", "1")
    with pytest.raises(FailedPrecondition) as held:
        await admin.client.DeletePermission(pb.DeletePermissionRequest(id=permission.id))
    assert (held.value.reason, held.value.facts["roles"], held.value.facts["users"]) == ("PERMISSION_HELD", "1", "0")

    renamed = pb.UpdatePermissionRequest(permission=pb.Permission(id=permission.id, key=a_key()))
    assert await told(admin.client.UpdatePermission(renamed)) == ("FAILED_PRECONDITION", "PERMISSION_HELD")

    # A deleted user can still lose what they would come back with.
    await (await again(identity, ada)).client.DeleteUser(DeleteUserRequest(id=ada.id))
    asked = pb.ListRoleHoldersRequest(role_id=role.id)
    assert list((await admin.client.ListRoleHolders(asked)).user_ids) == [ada.id]
    with pytest.raises(NotFound):
        await admin.client.AssignRole(pb.AssignRoleRequest(user_id=ada.id, role_id=role.id))
    await admin.client.UnassignRole(pb.UnassignRoleRequest(user_id=ada.id, role_id=role.id))
    assert not (await admin.client.ListRoleHolders(asked)).user_ids
    await admin.client.DeleteRole(pb.DeleteRoleRequest(id=role.id))
    await admin.client.DeletePermission(pb.DeletePermissionRequest(id=permission.id))


async def test_holders_of_a_role_come_in_pages(identity: Identity) -> None:
    admin = await identity.admin()
    role, users = await a_role(admin), [await identity.user() for _ in range(3)]
    for user in users:
        await admin.client.AssignRole(pb.AssignRoleRequest(user_id=user.id, role_id=role.id))

    first = await admin.client.ListRoleHolders(pb.ListRoleHoldersRequest(role_id=role.id, page_size=2))
    second = await admin.client.ListRoleHolders(
        pb.ListRoleHoldersRequest(role_id=role.id, page_size=2, page_token=first.next_page_token)
    )

    assert [*first.user_ids, *second.user_ids] == sorted(user.id for user in users)
    assert second.next_page_token == ""
    with pytest.raises(NotFound):
        await admin.client.ListRoleHolders(pb.ListRoleHoldersRequest(role_id=cuid()))


async def test_the_admin_role_stays_and_holds_everything(identity: Identity) -> None:
    admin = await identity.admin()
    role, permission = await role_named(identity, "admin"), await permission_named(identity, "orders.read")

    asked = pb.RemoveRolePermissionRequest(role_id=role.id, permission_id=permission.id)
    last = ("FAILED_PRECONDITION", "LAST_ADMIN")
    assert await told(admin.client.RemoveRolePermission(asked)) == last
    assert await told(admin.client.DeleteRole(pb.DeleteRoleRequest(id=role.id))) == last
    assert "orders.read" in (await admin.client.GetRole(pb.GetRoleRequest(id=role.id))).permissions


async def test_a_mask_names_only_what_may_be_set(identity: Identity) -> None:
    admin = await identity.admin()
    role, permission = await a_role(admin), await a_permission(admin)

    for path in ("permissions", "id", "create_time", "name.x", "*"):
        with pytest.raises(InvalidArgument, match="FIELD_MASK_INVALID"):
            await admin.client.UpdateRole(
                pb.UpdateRoleRequest(role=pb.Role(id=role.id, name=a_name()), update_mask=FieldMask(paths=[path]))
            )
    for call in (
        admin.client.UpdateRole(pb.UpdateRoleRequest(role=role, update_mask=FieldMask(paths=["permissions"]))),
        admin.client.UpdateRole(pb.UpdateRoleRequest(role=pb.Role(id=role.id), update_mask=FieldMask(paths=["name"]))),
        admin.client.UpdatePermission(
            pb.UpdatePermissionRequest(permission=pb.Permission(id=permission.id), update_mask=FieldMask(paths=["key"]))
        ),
        admin.client.CreateRole(pb.CreateRoleRequest(role=pb.Role(description="nameless"))),
        admin.client.CreatePermission(pb.CreatePermissionRequest(permission=pb.Permission(key="no verb"))),
    ):
        with pytest.raises(InvalidArgument):
            await call
    # What is not settable is not read: permissions do not come along with a new role.
    given = pb.Role(id=cuid(), name=a_name(), permissions=["users.purge"])
    made = await admin.client.CreateRole(pb.CreateRoleRequest(role=given))
    assert (made.id != given.id, list(made.permissions)) == (True, [])


async def test_ten_who_make_one_role_at_once_make_one(identity: Identity) -> None:
    admin, name = await identity.admin(), a_name()

    made = await asyncio.gather(
        *(admin.client.CreateRole(pb.CreateRoleRequest(role=pb.Role(name=name))) for _ in range(10)),
        return_exceptions=True,
    )

    refusals = [each for each in made if isinstance(each, BaseException)]
    assert len(refusals) == 9
    assert all(isinstance(each, AlreadyExists) and each.reason == "NAME_TAKEN" for each in refusals)


async def test_nothing_is_removed_under_whoever_is_given_it(identity: Identity) -> None:
    admin, users = await identity.admin(), [await identity.user() for _ in range(6)]

    for _ in range(3):
        role, permission = await a_role(admin), await a_permission(admin)

        def give(user: SignedIn, role: pb.Role = role, permission: pb.Permission = permission) -> list[Any]:
            return [
                admin.client.AssignRole(pb.AssignRoleRequest(user_id=user.id, role_id=role.id)),
                admin.client.GrantPermission(pb.GrantPermissionRequest(user_id=user.id, permission_id=permission.id)),
            ]

        first, second = users[:3], users[3:]
        outcomes = await asyncio.gather(
            *(call for user in first for call in give(user)),
            admin.client.DeleteRole(pb.DeleteRoleRequest(id=role.id)),
            admin.client.DeletePermission(pb.DeletePermissionRequest(id=permission.id)),
            *(call for user in second for call in give(user)),
            return_exceptions=True,
        )

        reasons = {each.reason if isinstance(each, LumiError) else "" for each in outcomes}
        assert reasons <= {"", "ROLE_HELD", "PERMISSION_HELD", "NOT_FOUND"}
        for table, column, id, types in (
            ("user_roles", "role_id", role.id, "user.role_assigned"),
            ("user_permissions", "permission_id", permission.id, "user.permission_granted"),
        ):
            held = await identity.db.pool.fetchval(f"select count(*) from {table} where {column} = $1", id)
            told = await identity.db.pool.fetchval(
                "select count(*) from outbox_events where type = $1 and records->0->'after'->>$2 = $3",
                types,
                column,
                id,
            )
            assert held == told


async def test_whoever_is_concerned_by_a_change_needs_another_token_at_once(identity: Identity) -> None:
    admin, permission = await identity.admin(), await permission_named(identity, "roles.read")
    role = await a_role(admin)
    bystander = await identity.user()

    async def changed(user: SignedIn, call: Any) -> None:
        mine = pb.GetEffectivePermissionsRequest(user_id=user.id)
        await user.client.GetEffectivePermissions(mine)
        await call
        with pytest.raises(Unauthenticated, match="TOKEN_INVALID"):
            await user.client.GetEffectivePermissions(mine)

    direct, by_role = [await identity.user() for _ in range(2)]
    await admin.client.AssignRole(pb.AssignRoleRequest(user_id=by_role.id, role_id=role.id))
    calls = [
        (direct, admin.client.GrantPermission, pb.GrantPermissionRequest(permission_id=permission.id)),
        (direct, admin.client.RevokePermission, pb.RevokePermissionRequest(permission_id=permission.id)),
        (direct, admin.client.AssignRole, pb.AssignRoleRequest(role_id=role.id)),
        (direct, admin.client.UnassignRole, pb.UnassignRoleRequest(role_id=role.id)),
    ]
    for user, method, request in calls:
        request.user_id = user.id
        await changed(await again(identity, user), method(request))
    link = {"role_id": role.id, "permission_id": permission.id}
    await changed(await again(identity, by_role), admin.client.AddRolePermission(pb.AddRolePermissionRequest(**link)))
    await changed(
        await again(identity, by_role), admin.client.RemoveRolePermission(pb.RemoveRolePermissionRequest(**link))
    )
    await bystander.client.GetEffectivePermissions(pb.GetEffectivePermissionsRequest(user_id=bystander.id))


async def test_each_change_is_a_security_event_with_address_and_agent(identity: Identity) -> None:
    staff, ada = await identity.staff("roles.write", "roles.read"), await identity.user()
    permission, role = await permission_named(identity, "roles.read"), await a_role(staff)
    link = {"role_id": role.id, "permission_id": permission.id}

    await staff.client.AssignRole(pb.AssignRoleRequest(user_id=ada.id, role_id=role.id))
    await staff.client.UnassignRole(pb.UnassignRoleRequest(user_id=ada.id, role_id=role.id))
    await staff.client.GrantPermission(pb.GrantPermissionRequest(user_id=ada.id, permission_id=permission.id))
    await staff.client.RevokePermission(pb.RevokePermissionRequest(user_id=ada.id, permission_id=permission.id))
    await staff.client.AddRolePermission(pb.AddRolePermissionRequest(**link))
    await staff.client.RemoveRolePermission(pb.RemoveRolePermissionRequest(**link))

    assert (await security_events_of(identity.db, ada.id))[-4:] == [
        *("role_assigned", "role_unassigned", "permission_granted", "permission_revoked"),
    ]
    assert (await security_events_of(identity.db, staff.id))[-2:] == [
        "role_permission_added",
        "role_permission_removed",
    ]
    rows = await identity.db.pool.fetch(
        "select payload, ip_address, user_agent from security_events where user_id = $1 and type = 'role_assigned'",
        ada.id,
    )
    [row] = rows
    assert row["payload"] == {"by": staff.id, "role_id": role.id}
    assert "127.0.0.1" in row["ip_address"]
    assert "grpc" in row["user_agent"]
