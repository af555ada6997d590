"""Whoever was signed out, suspended or deleted, or may do less now, is refused by every service within five seconds."""

from collections.abc import Awaitable, Callable
from importlib import import_module
from time import monotonic

import pytest
from lumi.common.v1.operations_pb2 import ListDeadLettersRequest
from lumi.identity.v1 import auth_pb2, session_pb2, user_pb2
from lumi.identity.v1.auth_pb2_grpc import AuthServiceStub
from lumi.identity.v1.session_pb2_grpc import SessionServiceStub
from lumi.identity.v1.user_pb2_grpc import UserServiceStub

from lumi_common.context import Context
from lumi_common.db.database import Database
from lumi_common.errors import LumiError
from lumi_identity.storage.sessions import outdate
from tests.kit.buying import request_id
from tests.kit.shop import SERVICES, Shop, SignedIn
from tests.kit.waiting import until

PROMISED_SECONDS = 5.0

End = Callable[[Shop, SignedIn], Awaitable[None]]


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


async def change_permissions(shop: Shop, user: SignedIn) -> None:
    db: Database = shop.runtimes["identity"].db
    async with db.transaction(Context.system("test")) as tx:
        await outdate(tx, [user.id])


async def told(shop: Shop, service: str, token: str) -> str:
    """What staff's business is answered with: that a permission is missing, as long as the token is good."""
    stub = import_module(f"lumi.{service}.v1.operations_pb2_grpc").OperationsServiceStub
    try:
        await shop.stub(stub, token).ListDeadLetters(ListDeadLettersRequest())
    except LumiError as refusal:
        return refusal.reason
    return "answered"


@pytest.mark.parametrize("end", [sign_out, revoke, delete, suspend, change_permissions], ids=lambda end: end.__name__)
async def test_every_service_refuses_what_was_ended_though_it_remembers_the_token(shop: Shop, end: End) -> None:
    user, another = await shop.user(), await shop.user()
    for service in SERVICES:
        assert await told(shop, service, user.token) == "PERMISSION_MISSING"

    await end(shop, user)
    ended = monotonic()
    assert await told(shop, "identity", user.token) == "TOKEN_INVALID", "identity itself refuses at once"

    async def is_refused_everywhere() -> bool:
        return {await told(shop, service, user.token) for service in SERVICES} == {"TOKEN_INVALID"}

    await until(is_refused_everywhere, "every service refuses", seconds=PROMISED_SECONDS)
    assert monotonic() - ended < PROMISED_SECONDS
    assert {await told(shop, service, another.token) for service in SERVICES} == {"PERMISSION_MISSING"}
