"""Scenes of identity."""

from contextlib import suppress
from typing import Any

from lumi.identity.v1 import access_pb2, address_pb2, auth_pb2, privacy_pb2, security_event_pb2, session_pb2, user_pb2
from lumi.identity.v1.access_pb2_grpc import AccessServiceStub
from lumi.identity.v1.address_pb2_grpc import AddressServiceStub
from lumi.identity.v1.auth_pb2_grpc import AuthServiceStub
from lumi.identity.v1.user_pb2_grpc import UserServiceStub

from lumi_common.cuid import cuid
from lumi_common.errors import LumiError
from tests.kit.buying import HOME, request_id
from tests.kit.shop import PASSWORD
from tests.request_ids.callers import Caller, shopper
from tests.request_ids.scenes import Scene, scene
from tests.request_ids.world import World


async def role(world: World) -> str:
    """The id of a new role; none is seeded where no admin is made."""
    return str(await world.books.fetchval("insert into identity.roles (id, name) values ($1, $1) returning id", cuid()))


async def somebody(world: World) -> str:
    """The id of a new user."""
    user = (await shopper(world.shop)).user
    assert user is not None
    return user.id


async def somebody_deleted(world: World) -> str:
    """The id of a user who has been deleted."""
    id = await somebody(world)
    await world.stub(UserServiceStub).DeleteUser(user_pb2.DeleteUserRequest(id=id))
    return id


async def somebody_who_failed(world: World) -> str:
    """The id of a new user at whose account somebody tried a wrong password."""
    user = (await shopper(world.shop)).user
    assert user is not None
    with suppress(LumiError):
        await world.stub(AuthServiceStub).SignIn(auth_pb2.SignInRequest(email=user.email, password="wrong"))
    return user.id


async def somebody_with_two_factors(world: World) -> str:
    """The id of a new user who has a second factor; nobody will show a code of it."""
    id = await somebody(world)
    await world.books.execute(
        "update identity.users set two_factor_enabled = true, two_factor_secret = 'k1$lost', version = version + 1"
        " where id = $1",
        id,
    )
    return id


async def address(world: World, caller: Caller) -> str:
    """The id of one more address in the caller's book."""
    made = await caller.client(world.shop, AddressServiceStub).CreateAddress(
        address_pb2.CreateAddressRequest(
            address=address_pb2.Address(label="Home", postal_address=HOME), request_id=request_id()
        )
    )
    return str(made.id)


async def permission(world: World) -> str:
    """The id of a permission that staff hold."""
    return str(await world.books.fetchval("select id from identity.permissions where key = 'roles.write'"))


async def own_permission(world: World, *holders: Caller) -> str:
    """The id of a new permission of the shop's own, which these hold as admins."""
    id = cuid()
    await world.books.execute("insert into identity.permissions (id, key) values ($1, $1 || '.read')", id)
    await world.books.execute(
        "insert into identity.roles (id, name) values ($1, 'admin') on conflict (name) do nothing", cuid()
    )
    admins = await world.books.fetchval("select id from identity.roles where name = 'admin'")
    await world.books.execute(
        "insert into identity.role_permissions (role_id, permission_id) values ($1, $2)", admins, id
    )
    await world.books.executemany(
        "insert into identity.user_roles (role_id, user_id) values ($1, $2) on conflict do nothing",
        [(admins, each.user.id) for each in holders if each.user is not None],
    )
    return id


@scene("identity.v1.AccessService.CreateRole")
async def create_role(world: World, caller: Caller) -> Scene:
    def asked(name: str, **fields: str) -> access_pb2.CreateRoleRequest:
        return access_pb2.CreateRoleRequest(role=access_pb2.Role(name=name, **fields))

    name = cuid()
    return Scene(asked(name), (asked(cuid()), asked(name, description="for tests")))


@scene("identity.v1.AccessService.UpdateRole")
async def update_role(world: World, caller: Caller) -> Scene:
    def asked(id: str, description: str = "first") -> access_pb2.UpdateRoleRequest:
        return access_pb2.UpdateRoleRequest(role=access_pb2.Role(id=id, description=description))

    id = await role(world)
    return Scene(asked(id), (asked(id, "second"), asked(await role(world))))


@scene("identity.v1.AccessService.DeleteRole")
async def delete_role(world: World, caller: Caller) -> Scene:
    asked = access_pb2.DeleteRoleRequest
    return Scene(asked(id=await role(world)), (asked(id=await role(world)),))


@scene("identity.v1.AccessService.AddRolePermission")
async def add_role_permission(world: World, caller: Caller) -> Scene:
    asked, id = access_pb2.AddRolePermissionRequest, await permission(world)
    first, second = await role(world), await role(world)
    return Scene(asked(role_id=first, permission_id=id), (asked(role_id=second, permission_id=id),))


@scene("identity.v1.AccessService.RemoveRolePermission")
async def remove_role_permission(world: World, caller: Caller) -> Scene:
    asked, id = access_pb2.RemoveRolePermissionRequest, await permission(world)
    roles = [await role(world), await role(world)]
    for each in roles:
        await world.stub(AccessServiceStub).AddRolePermission(
            access_pb2.AddRolePermissionRequest(role_id=each, permission_id=id)
        )
    return Scene(asked(role_id=roles[0], permission_id=id), (asked(role_id=roles[1], permission_id=id),))


@scene("identity.v1.AccessService.CreatePermission")
async def create_permission(world: World, caller: Caller) -> Scene:
    def asked(key: str, **fields: str) -> access_pb2.CreatePermissionRequest:
        return access_pb2.CreatePermissionRequest(permission=access_pb2.Permission(key=key, **fields))

    key, other = f"{cuid()}.read", f"{cuid()}.read"
    return Scene(asked(key), (asked(other), asked(key, description="for tests")))


@scene("identity.v1.AccessService.UpdatePermission")
async def update_permission(world: World, caller: Caller) -> Scene:
    def asked(id: str, description: str = "first") -> access_pb2.UpdatePermissionRequest:
        return access_pb2.UpdatePermissionRequest(permission=access_pb2.Permission(id=id, description=description))

    holders = (world.staff, world.rival, caller)
    id = await own_permission(world, *holders)
    return Scene(asked(id), (asked(id, "second"), asked(await own_permission(world, *holders))))


@scene("identity.v1.AccessService.DeletePermission")
async def delete_permission(world: World, caller: Caller) -> Scene:
    asked, holders = access_pb2.DeletePermissionRequest, (world.staff, world.rival, caller)
    first, second = [await own_permission(world, *holders) for _ in range(2)]
    return Scene(asked(id=first), (asked(id=second),))


@scene("identity.v1.AccessService.GrantPermission")
async def grant_permission(world: World, caller: Caller) -> Scene:
    asked, id = access_pb2.GrantPermissionRequest, await permission(world)
    first, second = await somebody(world), await somebody(world)
    return Scene(asked(user_id=first, permission_id=id), (asked(user_id=second, permission_id=id),))


@scene("identity.v1.AccessService.RevokePermission")
async def revoke_permission(world: World, caller: Caller) -> Scene:
    asked, id = access_pb2.RevokePermissionRequest, await permission(world)
    users = [await somebody(world), await somebody(world)]
    for user in users:
        await world.stub(AccessServiceStub).GrantPermission(
            access_pb2.GrantPermissionRequest(user_id=user, permission_id=id)
        )
    return Scene(asked(user_id=users[0], permission_id=id), (asked(user_id=users[1], permission_id=id),))


@scene("identity.v1.AccessService.AssignRole")
async def assign_role(world: World, caller: Caller) -> Scene:
    asked, id = access_pb2.AssignRoleRequest, await role(world)
    first, second = await somebody(world), await somebody(world)
    return Scene(asked(user_id=first, role_id=id), (asked(user_id=second, role_id=id),))


@scene("identity.v1.AccessService.UnassignRole")
async def unassign_role(world: World, caller: Caller) -> Scene:
    asked, id = access_pb2.UnassignRoleRequest, await role(world)
    users = [await somebody(world), await somebody(world)]
    for user in users:
        await world.stub(AccessServiceStub).AssignRole(access_pb2.AssignRoleRequest(user_id=user, role_id=id))
    return Scene(asked(user_id=users[0], role_id=id), (asked(user_id=users[1], role_id=id),))


@scene("identity.v1.AddressService.CreateAddress")
async def create_address(world: World, caller: Caller) -> Scene:
    def asked(label: str, *, make_default: bool = False) -> address_pb2.CreateAddressRequest:
        given = address_pb2.Address(label=label, postal_address=HOME)
        return address_pb2.CreateAddressRequest(address=given, make_default=make_default)

    return Scene(asked("Home"), (asked("Work"), asked("Home", make_default=True)))


@scene("identity.v1.AddressService.UpdateAddress")
async def update_address(world: World, caller: Caller) -> Scene:
    def asked(id: str, label: str = "Cabin") -> address_pb2.UpdateAddressRequest:
        return address_pb2.UpdateAddressRequest(address=address_pb2.Address(id=id, label=label))

    first, second = await address(world, caller), await address(world, caller)
    return Scene(asked(first), (asked(first, "Boat"), asked(second)))


@scene("identity.v1.AddressService.DeleteAddress")
async def delete_address(world: World, caller: Caller) -> Scene:
    asked = address_pb2.DeleteAddressRequest
    return Scene(asked(id=await address(world, caller)), (asked(id=await address(world, caller)),))


@scene("identity.v1.AddressService.SetDefaultAddress")
async def set_default_address(world: World, caller: Caller) -> Scene:
    asked = address_pb2.SetDefaultAddressRequest
    first, second, third = [await address(world, caller) for _ in range(3)]
    return Scene(asked(id=second), (asked(id=third), asked(id=first)))


async def session_of(world: World, caller: Caller) -> str:
    """The id of one more session of the caller's, or somebody's where that is staff's business."""
    user = caller.user if caller.kind == "shopper" else (await shopper(world.shop)).user
    assert user is not None
    answer = await world.shop.stub(AuthServiceStub).SignIn(auth_pb2.SignInRequest(email=user.email, password=PASSWORD))
    return str(answer.tokens.session_id)


@scene("identity.v1.SessionService.RevokeSession")
async def revoke_session(world: World, caller: Caller) -> Scene:
    asked = session_pb2.RevokeSessionRequest
    first, second = await session_of(world, caller), await session_of(world, caller)

    async def revoked() -> int:
        query = (
            "select count(*) from identity.security_events where type = 'session_revoked' "
            "and payload ->> 'session_id' = $1"
        )
        return int(await world.books.fetchval(query, first))

    return Scene(asked(id=first), (asked(id=second),), revoked)


@scene("identity.v1.SessionService.RevokeAllSessions")
async def revoke_all_sessions(world: World, caller: Caller) -> Scene:
    asked = session_pb2.RevokeAllSessionsRequest
    if caller.kind == "shopper":
        assert caller.user is not None
        await session_of(world, caller)
        whose, request, other = caller.user.id, asked(), asked(user_id=caller.user.id)
    else:
        whose = await somebody(world)
        request, other = asked(user_id=whose), asked(user_id=await somebody(world))

    async def revoked() -> int:
        query = "select count(*) from identity.security_events where user_id = $1 and type = 'sessions_revoked'"
        return int(await world.books.fetchval(query, whose))

    return Scene(request, (other,), revoked)


@scene("identity.v1.SecurityEventService.RecordSecurityEvents")
async def record_security_events(world: World, caller: Caller) -> Scene:
    def asked(method: str, count: int = 1) -> security_event_pb2.RecordSecurityEventsRequest:
        refused = security_event_pb2.RefusedAccess(caller="guest", method=method, reason="USER_REQUIRED", count=count)
        refused.first_time.seconds = 1_800_000_000
        return security_event_pb2.RecordSecurityEventsRequest(refused=[refused])

    async def recorded() -> int:
        query = (
            "select count(*) from identity.security_events where type = 'access_refused' and payload ->> 'method' = $1"
        )
        return int(await world.books.fetchval(query, method))

    method = f"lumi.orders.v1.OrderService/{cuid()}"
    return Scene(asked(method), (asked(method, 2), asked(f"lumi.orders.v1.OrderService/{cuid()}")), recorded)


@scene("identity.v1.AuthService.SignOut")
async def sign_out(world: World, caller: Caller) -> Scene:
    async def signed_out() -> int:
        assert caller.user is not None
        query = "select count(*) from identity.security_events where user_id = $1 and type = 'signed_out'"
        return int(await world.books.fetchval(query, caller.user.id))

    return Scene(auth_pb2.SignOutRequest(), (), signed_out)


@scene("identity.v1.AuthService.RequestEmailVerification")
async def request_email_verification(world: World, caller: Caller) -> Scene:
    async def waiting() -> int:
        assert caller.user is not None
        query = "select count(*) from identity.mails where payload ->> 'user_id' = $1"
        return int(await world.books.fetchval(query, caller.user.id))

    before = await waiting()

    async def mailed() -> int:
        return await waiting() - before

    return Scene(auth_pb2.RequestEmailVerificationRequest(), (), mailed)


@scene("identity.v1.UserService.UpdateMe")
async def update_me(world: World, caller: Caller) -> Scene:
    def asked(**fields: Any) -> user_pb2.UpdateMeRequest:
        return user_pb2.UpdateMeRequest(user=user_pb2.User(**fields))

    return Scene(asked(first_name="Ada"), (asked(first_name="Eve"), asked(last_name="Ada")))


@scene("identity.v1.UserService.CreateUser")
async def create_user(world: World, caller: Caller) -> Scene:
    def asked(email: str, **fields: Any) -> user_pb2.CreateUserRequest:
        return user_pb2.CreateUserRequest(user=user_pb2.User(email=email, **fields))

    email = f"{cuid()}@example.com"
    return Scene(asked(email), (asked(f"{cuid()}@example.com"), asked(email, first_name="Ada")))


@scene("identity.v1.UserService.UpdateUser")
async def update_user(world: World, caller: Caller) -> Scene:
    def asked(id: str, **fields: Any) -> user_pb2.UpdateUserRequest:
        return user_pb2.UpdateUserRequest(user=user_pb2.User(id=id, **fields))

    id, email = await somebody(world), f"{cuid()}@example.com"
    return Scene(asked(id, email=email), (asked(id, first_name="Ada"), asked(await somebody(world), email=email)))


@scene("identity.v1.UserService.SuspendUser")
async def suspend_user(world: World, caller: Caller) -> Scene:
    asked, id = user_pb2.SuspendUserRequest, await somebody(world)
    return Scene(asked(id=id), (asked(id=await somebody(world)), asked(id=id, etag="1")))


@scene("identity.v1.UserService.ReactivateUser")
async def reactivate_user(world: World, caller: Caller) -> Scene:
    asked, (id, other) = user_pb2.ReactivateUserRequest, [await somebody(world) for _ in range(2)]
    for each in (id, other):
        await world.stub(UserServiceStub).SuspendUser(user_pb2.SuspendUserRequest(id=each))
    return Scene(asked(id=id), (asked(id=other), asked(id=id, etag="2")))


@scene("identity.v1.UserService.UnlockUser")
async def unlock_user(world: World, caller: Caller) -> Scene:
    asked, (id, other) = user_pb2.UnlockUserRequest, [await somebody_who_failed(world) for _ in range(2)]
    return Scene(asked(id=id), (asked(id=other), asked(id=id, etag="1")))


@scene("identity.v1.UserService.RemoveTwoFactor")
async def remove_two_factor(world: World, caller: Caller) -> Scene:
    asked, id = user_pb2.RemoveTwoFactorRequest, await somebody_with_two_factors(world)
    return Scene(asked(id=id), (asked(id=await somebody_with_two_factors(world)), asked(id=id, etag="2")))


@scene("identity.v1.UserService.DeleteUser")
async def delete_user(world: World, caller: Caller) -> Scene:
    asked = user_pb2.DeleteUserRequest
    if caller.kind == "staff":
        id = await somebody(world)
        return Scene(asked(id=id), (asked(id=await somebody(world)), asked(id=id, etag="1")))
    assert caller.user is not None
    return Scene(asked(id=caller.user.id), (asked(id=caller.user.id, etag="1"),))


@scene("identity.v1.UserService.UndeleteUser")
async def undelete_user(world: World, caller: Caller) -> Scene:
    asked, id = user_pb2.UndeleteUserRequest, await somebody_deleted(world)
    return Scene(asked(id=id), (asked(id=await somebody_deleted(world)), asked(id=id, etag="2")))


@scene("identity.v1.UserService.PurgeUser")
async def purge_user(world: World, caller: Caller) -> Scene:
    asked, id = user_pb2.PurgeUserRequest, await somebody_deleted(world)
    return Scene(asked(id=id), (asked(id=await somebody_deleted(world)), asked(id=id, etag="2")))


@scene("identity.v1.PrivacyService.EraseUser")
async def erase_user(world: World, caller: Caller) -> Scene:
    asked = privacy_pb2.EraseUserRequest
    if caller.kind == "staff":
        id = await somebody(world)
        return Scene(asked(id=id), (asked(id=await somebody(world)), asked(id=id, etag="1")))
    assert caller.user is not None
    return Scene(asked(id=caller.user.id), (asked(id=caller.user.id, etag="1"),))
