"""Whoever loses a permission is refused everywhere within five seconds, and their next tokens are without it."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

import pytest
from lumi.common.v1.operations_pb2 import ListDeadLettersRequest
from lumi.identity.v1 import access_pb2 as pb
from lumi.identity.v1 import auth_pb2
from lumi.identity.v1.access_pb2_grpc import AccessServiceStub
from lumi.identity.v1.auth_pb2_grpc import AuthServiceStub

from lumi_common.cuid import cuid
from lumi_common.errors import LumiError
from tests.access.test_operations import operations
from tests.kit.shop import PASSWORD, SERVICES, Shop

WITHIN = 5.0
KEY = "operations.read"


async def signed_in(shop: Shop, email: str) -> Any:
    answer = await shop.stub(AuthServiceStub).SignIn(auth_pb2.SignInRequest(email=email, password=PASSWORD))
    return answer.tokens


async def told(shop: Shop, context: str, token: str) -> str:
    """What a method that needs the permission says in this service; nothing when it lets the token in."""
    try:
        await operations(shop, context, token).ListDeadLetters(ListDeadLettersRequest())
    except LumiError as refusal:
        return refusal.reason
    return ""


async def refused_everywhere(shop: Shop, token: str) -> None:
    """Wait until every service refuses the token; fails when one takes too long."""
    began = monotonic()
    for context in SERVICES:
        while await told(shop, context, token) != "TOKEN_INVALID":
            assert monotonic() - began < WITHIN, f"{context} still takes the token"
            await asyncio.sleep(0.1)


async def by_role(admin: Any, user_id: str, permission_id: str) -> Callable[[], Awaitable[Any]]:
    role = await admin.CreateRole(pb.CreateRoleRequest(role=pb.Role(name=cuid())))
    await admin.AddRolePermission(pb.AddRolePermissionRequest(role_id=role.id, permission_id=permission_id))
    await admin.AssignRole(pb.AssignRoleRequest(role_id=role.id, user_id=user_id))
    return lambda: admin.UnassignRole(pb.UnassignRoleRequest(role_id=role.id, user_id=user_id))


async def out_of_role(admin: Any, user_id: str, permission_id: str) -> Callable[[], Awaitable[Any]]:
    role = await admin.CreateRole(pb.CreateRoleRequest(role=pb.Role(name=cuid())))
    link = {"role_id": role.id, "permission_id": permission_id}
    await admin.AddRolePermission(pb.AddRolePermissionRequest(**link))
    await admin.AssignRole(pb.AssignRoleRequest(role_id=role.id, user_id=user_id))
    return lambda: admin.RemoveRolePermission(pb.RemoveRolePermissionRequest(**link))


async def directly(admin: Any, user_id: str, permission_id: str) -> Callable[[], Awaitable[Any]]:
    link = {"user_id": user_id, "permission_id": permission_id}
    await admin.GrantPermission(pb.GrantPermissionRequest(**link))
    return lambda: admin.RevokePermission(pb.RevokePermissionRequest(**link))


@pytest.mark.parametrize("way", [by_role, out_of_role, directly])
async def test_who_loses_a_permission_is_refused_everywhere_and_refreshes_without_it(shop: Shop, way: Any) -> None:
    staff, user = await shop.user("roles.write", KEY), await shop.user()
    admin = shop.stub(AccessServiceStub, staff.token)
    async with shop.database("identity") as database:
        permission_id = await database.fetchval("select id from permissions where key = $1", KEY)
    take = await way(admin, user.id, permission_id)
    tokens = await signed_in(shop, user.email)
    assert {await told(shop, context, tokens.access_token) for context in SERVICES} == {""}

    await take()

    await refused_everywhere(shop, tokens.access_token)
    fresh = await shop.stub(AuthServiceStub).RefreshToken(
        auth_pb2.RefreshTokenRequest(refresh_token=tokens.refresh_token)
    )
    token = fresh.tokens.access_token
    assert {await told(shop, context, token) for context in SERVICES} == {"PERMISSION_MISSING"}
