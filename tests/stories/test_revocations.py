"""Whoever was signed out, suspended or deleted, or may do less now, is refused by every service within five seconds."""

import asyncio
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any

from lumi.common.v1.operations_pb2 import ListDeadLettersRequest
from lumi.identity.v1 import access_pb2, auth_pb2, session_pb2, user_pb2
from lumi.identity.v1.access_pb2_grpc import AccessServiceStub
from lumi.identity.v1.auth_pb2_grpc import AuthServiceStub
from lumi.identity.v1.session_pb2_grpc import SessionServiceStub
from lumi.identity.v1.user_pb2_grpc import UserServiceStub

from lumi_common.cuid import cuid
from lumi_common.errors import LumiError
from tests.kit.buying import request_id
from tests.kit.shop import PASSWORD, SERVICES, Shop, SignedIn
from tests.kit.waiting import until

PROMISED_SECONDS = 5.0
KEY = "operations.read"

End = Callable[[Shop, SignedIn], Awaitable[None]]
# Gives an admin's stub, a user and a permission what takes the permission from them again.
Loss = Callable[[Any, str, str], Awaitable[Callable[[], Awaitable[Any]]]]


async def sign_out(shop: Shop, user: SignedIn) -> None:
    await shop.stub(AuthServiceStub, user.token).SignOut(auth_pb2.SignOutRequest(request_id=request_id()))


async def revoke(shop: Shop, user: SignedIn) -> None:
    client = shop.stub(SessionServiceStub, user.token)
    [session] = (await client.ListSessions(session_pb2.ListSessionsRequest())).sessions
    await client.RevokeSession(session_pb2.RevokeSessionRequest(id=session.id, request_id=request_id()))


async def delete(shop: Shop, user: SignedIn) -> None:
    await shop.stub(UserServiceStub, user.token).DeleteUser(user_pb2.DeleteUserRequest(id=user.id))


async def suspend(shop: Shop, user: SignedIn) -> None:
    staff = await shop.user("users.write", "users.read")
    await shop.stub(UserServiceStub, staff.token).SuspendUser(user_pb2.SuspendUserRequest(id=user.id))


async def by_role(admin: Any, user_id: str, permission_id: str) -> Callable[[], Awaitable[Any]]:
    role_id = await role_of(admin, user_id, permission_id)
    return lambda: admin.UnassignRole(access_pb2.UnassignRoleRequest(role_id=role_id, user_id=user_id))


async def out_of_role(admin: Any, user_id: str, permission_id: str) -> Callable[[], Awaitable[Any]]:
    role_id = await role_of(admin, user_id, permission_id)
    return lambda: admin.RemoveRolePermission(
        access_pb2.RemoveRolePermissionRequest(role_id=role_id, permission_id=permission_id)
    )


async def directly(admin: Any, user_id: str, permission_id: str) -> Callable[[], Awaitable[Any]]:
    link = {"user_id": user_id, "permission_id": permission_id}
    await admin.GrantPermission(access_pb2.GrantPermissionRequest(**link))
    return lambda: admin.RevokePermission(access_pb2.RevokePermissionRequest(**link))


async def role_of(admin: Any, user_id: str, permission_id: str) -> str:
    """The id of a new role with this permission, which the user has."""
    role = await admin.CreateRole(access_pb2.CreateRoleRequest(role=access_pb2.Role(name=cuid())))
    await admin.AddRolePermission(access_pb2.AddRolePermissionRequest(role_id=role.id, permission_id=permission_id))
    await admin.AssignRole(access_pb2.AssignRoleRequest(role_id=role.id, user_id=user_id))
    return str(role.id)


async def told(shop: Shop, token: str, *services: str) -> set[str]:
    """Why staff's business is refused, by all services or these; empty text where it is not."""

    async def by(service: str) -> str:
        stub = import_module(f"lumi.{service}.v1.operations_pb2_grpc").OperationsServiceStub
        try:
            await shop.stub(stub, token).ListDeadLetters(ListDeadLettersRequest())
        except LumiError as refusal:
            return refusal.reason
        return ""

    return {await by(service) for service in services or SERVICES}


async def refused_everywhere(shop: Shop, token: str, why: str) -> None:
    """Wait for as long as it may take until every service refuses a token."""

    async def is_refused() -> bool:
        return await told(shop, token) == {"TOKEN_INVALID"}

    assert await told(shop, token, "identity") == {"TOKEN_INVALID"}, f"identity itself refuses at once: {why}"
    await until(is_refused, f"every service refuses: {why}", seconds=PROMISED_SECONDS)


async def test_every_service_refuses_what_was_ended_though_it_remembers_the_token(shop: Shop) -> None:
    async def comes_to_an_end(end: End) -> None:
        user, another = await shop.user(), await shop.user()
        assert await told(shop, user.token) == {"PERMISSION_MISSING"}

        await end(shop, user)

        await refused_everywhere(shop, user.token, end.__name__)
        assert await told(shop, another.token) == {"PERMISSION_MISSING"}

    # At once, as the services ask only every now and then.
    await asyncio.gather(*map(comes_to_an_end, (sign_out, revoke, delete, suspend)))


async def test_who_loses_a_permission_is_refused_everywhere_and_refreshes_without_it(shop: Shop) -> None:
    auth, staff = shop.stub(AuthServiceStub), await shop.user("roles.write", KEY)
    admin = shop.stub(AccessServiceStub, staff.token)
    async with shop.database("identity") as database:
        permission_id = await database.fetchval("select id from permissions where key = $1", KEY)

    async def is_lost(loss: Loss) -> None:
        user = await shop.user()
        take = await loss(admin, user.id, permission_id)
        signed_in = await auth.SignIn(auth_pb2.SignInRequest(email=user.email, password=PASSWORD))
        assert await told(shop, signed_in.tokens.access_token) == {""}

        await take()

        await refused_everywhere(shop, signed_in.tokens.access_token, loss.__name__)
        refresh = auth_pb2.RefreshTokenRequest(refresh_token=signed_in.tokens.refresh_token)
        assert await told(shop, (await auth.RefreshToken(refresh)).tokens.access_token) == {"PERMISSION_MISSING"}

    await asyncio.gather(*map(is_lost, (by_role, out_of_role, directly)))
