"""Sessions of guests: a token, and nothing that is kept."""

import asyncio
import re
from typing import Any

import jwt
import pytest
from google.protobuf.json_format import MessageToDict
from lumi.identity.v1.access_pb2 import GetEffectivePermissionsRequest
from lumi.identity.v1.auth_pb2 import CreateGuestSessionRequest, GetJwksRequest

from lumi_common.errors import NotFound
from lumi_common.principal import Principal
from lumi_common.rpc.auth import TokenVerifier
from lumi_identity.storage.tables import metadata
from services.identity.tests.rpc.clients import Identity

THIRTY_DAYS = 30 * 24 * 3600


async def a_session(identity: Identity) -> Any:
    return await identity.anybody.CreateGuestSession(CreateGuestSessionRequest())


async def rows(identity: Identity) -> dict[str, int]:
    """How many there are in each table."""
    return {
        table: await identity.db.pool.fetchval(f"select count(*) from {table}") for table in sorted(metadata.tables)
    }


async def test_the_token_says_who_the_guest_is_and_until_when(identity: Identity) -> None:
    session = await a_session(identity)

    claims = jwt.decode(session.access_token, options={"verify_signature": False})

    assert re.fullmatch("c[a-z0-9]{24}", session.session_id)
    assert (claims["sub"], claims["sid"], claims["kind"], claims["permissions"]) == (
        session.session_id, session.session_id, "guest", [],
    )  # fmt: skip
    assert claims["exp"] - claims["iat"] == THIRTY_DAYS
    assert claims["exp"] == session.expire_time.seconds


async def test_another_service_knows_the_guest_by_the_published_keys(identity: Identity) -> None:
    session = await a_session(identity)

    async def published() -> Any:
        keys = await identity.service("orders").GetJwks(GetJwksRequest())
        return MessageToDict(keys, preserving_proto_field_name=True)

    principal = await TokenVerifier(published).verify(session.access_token)

    assert principal == Principal("guest", session.session_id, session.session_id)


async def test_however_many_begin_at_once_each_is_another_and_nothing_is_kept_of_them(identity: Identity) -> None:
    before = await rows(identity)

    sessions = await asyncio.gather(*(a_session(identity) for _ in range(64)))

    assert len({session.session_id for session in sessions}) == len({each.access_token for each in sessions}) == 64
    assert await rows(identity) == before


async def test_a_guest_may_begin_another_session_and_so_may_a_user(identity: Identity) -> None:
    first, ada = await a_session(identity), await identity.user()

    for client in (identity.holder_of(first.access_token), ada.client):
        another = await client.CreateGuestSession(CreateGuestSessionRequest())
        assert another.session_id not in (first.session_id, ada.id)


async def test_a_guest_holds_nothing_and_is_no_user(identity: Identity) -> None:
    session = await a_session(identity)
    guest = identity.holder_of(session.access_token)

    with pytest.raises(NotFound):
        await guest.GetEffectivePermissions(GetEffectivePermissionsRequest(user_id=session.session_id))
