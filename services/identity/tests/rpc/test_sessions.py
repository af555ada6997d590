"""Where somebody is signed in, and how it ends: what was ended is refused at once."""

import asyncio
from typing import Any

import jwt
import pytest
from lumi.identity.v1.access_pb2 import GrantPermissionRequest, ListPermissionsRequest, RevokePermissionRequest
from lumi.identity.v1.auth_pb2 import (
    CreateGuestSessionRequest,
    ListRevocationsRequest,
    RefreshTokenRequest,
    SignInRequest,
)
from lumi.identity.v1.session_pb2 import ListSessionsRequest, RevokeAllSessionsRequest, RevokeSessionRequest
from lumi.identity.v1.user_pb2 import GetMeRequest

from lumi_common.cuid import cuid
from lumi_common.errors import InvalidArgument, NotFound, Unauthenticated, Unimplemented
from services.identity.tests.kit import PASSWORD, security_events_of
from services.identity.tests.rpc.clients import Client, Identity, SignedIn


async def sessions_of(client: Client, **asked: Any) -> list[Any]:
    return list((await client.ListSessions(ListSessionsRequest(**asked))).sessions)


async def again(identity: Identity, user: SignedIn, **facts: Any) -> SignedIn:
    """The same user on another device."""
    answer = await identity.anybody.SignIn(SignInRequest(email=user.email, password=PASSWORD, **facts))
    return SignedIn(user.id, user.email, identity.holder_of(answer.tokens.access_token), answer.tokens)


async def refused(session: SignedIn, identity: Identity) -> None:
    """Neither of its tokens is taken."""
    with pytest.raises(Unauthenticated, match="TOKEN_INVALID"):
        await session.client.GetMe(GetMeRequest())
    with pytest.raises(Unauthenticated, match="REFRESH_TOKEN_INVALID"):
        await identity.anybody.RefreshToken(RefreshTokenRequest(refresh_token=session.tokens.refresh_token))


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


async def goes_on(session: SignedIn) -> bool:
    return bool((await session.client.GetMe(GetMeRequest())).id == session.id)


async def test_a_user_sees_where_they_are_signed_in_and_which_of_them_asks(identity: Identity) -> None:
    ada = await identity.user()
    phone = await again(identity, ada, fingerprint="a phone")
    await identity.anybody.RefreshToken(RefreshTokenRequest(refresh_token=ada.tokens.refresh_token))

    newest, oldest = await sessions_of(phone.client)

    assert (newest.id, newest.fingerprint, newest.current) == (phone.tokens.session_id, "a phone", True)
    assert (oldest.id, oldest.user_id, oldest.current) == (ada.tokens.session_id, ada.id, False)
    assert newest.ip_address == "127.0.0.1" and newest.user_agent.startswith("grpc")
    assert newest.last_use_time == newest.create_time
    assert oldest.last_use_time.ToDatetime() > oldest.create_time.ToDatetime()
    assert oldest.expire_time.ToDatetime() > newest.create_time.ToDatetime()


async def test_sessions_come_in_pages(identity: Identity) -> None:
    ada = await identity.user()
    for _ in range(2):
        await again(identity, ada)

    first = await ada.client.ListSessions(ListSessionsRequest(page_size=2))
    rest = await ada.client.ListSessions(ListSessionsRequest(page_size=2, page_token=first.next_page_token))

    assert [len(first.sessions), len(rest.sessions), rest.next_page_token] == [2, 1, ""]
    assert rest.sessions[0].id == ada.tokens.session_id


async def test_a_session_that_was_ended_is_refused_at_once_and_the_others_go_on(identity: Identity) -> None:
    ada = await identity.user()
    lost = await again(identity, ada)

    for _ in range(2):
        await ada.client.RevokeSession(RevokeSessionRequest(id=lost.tokens.session_id))

    await refused(lost, identity)
    assert await goes_on(ada)
    assert [each.id for each in await sessions_of(ada.client)] == [ada.tokens.session_id]
    assert (await security_events_of(identity.db, ada.id)).count("session_revoked") == 1


async def test_all_but_the_one_that_asks_are_ended_unless_that_one_shall_too(identity: Identity) -> None:
    ada = await identity.user()
    others = [await again(identity, ada) for _ in range(3)]

    answer = await ada.client.RevokeAllSessions(RevokeAllSessionsRequest())

    assert answer.count == 3
    for other in others:
        await refused(other, identity)
    assert await goes_on(ada)
    assert (await ada.client.RevokeAllSessions(RevokeAllSessionsRequest(including_this=True))).count == 1
    await refused(ada, identity)
    assert (await security_events_of(identity.db, ada.id)).count("sessions_revoked") == 2


async def test_anothers_sessions_are_like_none(identity: Identity) -> None:
    ada, bob = await identity.user(), await identity.user()

    for id in (ada.tokens.session_id, cuid()):
        with pytest.raises(NotFound, match="no such session"):
            await bob.client.RevokeSession(RevokeSessionRequest(id=id))
    for id in (ada.id, cuid()):
        with pytest.raises(NotFound, match="no such User"):
            await sessions_of(bob.client, user_id=id)
        with pytest.raises(NotFound, match="no such User"):
            await bob.client.RevokeAllSessions(RevokeAllSessionsRequest(user_id=id))
    assert await goes_on(ada)


async def test_staff_see_and_end_the_sessions_of_others(identity: Identity) -> None:
    ada, admin = await identity.user(), await identity.admin()
    second = await again(identity, ada)

    assert [each.current for each in await sessions_of(admin.client, user_id=ada.id)] == [False, False]
    await admin.client.RevokeSession(RevokeSessionRequest(id=second.tokens.session_id))
    await refused(second, identity)
    assert (await admin.client.RevokeAllSessions(RevokeAllSessionsRequest(user_id=ada.id))).count == 1
    await refused(ada, identity)
    assert await goes_on(admin)
    with pytest.raises(NotFound):
        await admin.client.RevokeAllSessions(RevokeAllSessionsRequest(user_id=cuid()))
    payload = await identity.db.pool.fetchval(
        "select payload from security_events where user_id = $1 and type = 'sessions_revoked'", ada.id
    )
    assert payload["by"] == admin.id


async def test_a_guest_has_no_sessions(identity: Identity) -> None:
    guest = await identity.anybody.CreateGuestSession(CreateGuestSessionRequest())
    client, ada = identity.holder_of(guest.access_token), await identity.user()

    assert await sessions_of(client) == []
    with pytest.raises(NotFound):
        await client.RevokeSession(RevokeSessionRequest(id=ada.tokens.session_id))
    with pytest.raises(NotFound):
        await client.RevokeSession(RevokeSessionRequest(id=guest.session_id))


async def test_a_reused_refresh_token_takes_the_access_tokens_along(identity: Identity) -> None:
    ada = await identity.user()
    newer = await identity.anybody.RefreshToken(RefreshTokenRequest(refresh_token=ada.tokens.refresh_token))
    await identity.anybody.RefreshToken(RefreshTokenRequest(refresh_token=newer.tokens.refresh_token))

    with pytest.raises(Unauthenticated, match="REFRESH_TOKEN_REUSED"):
        await identity.anybody.RefreshToken(RefreshTokenRequest(refresh_token=ada.tokens.refresh_token))

    await refused(ada, identity)


async def test_many_who_end_everything_at_once_end_it_once(identity: Identity) -> None:
    ada = await identity.user()
    sessions = [ada, *[await again(identity, ada) for _ in range(9)]]

    answers = await asyncio.gather(
        *(each.client.RevokeAllSessions(RevokeAllSessionsRequest(including_this=True)) for each in sessions),
        return_exceptions=True,
    )

    assert all(isinstance(each, Unauthenticated) for each in answers if isinstance(each, BaseException)), answers
    assert sum(each.count for each in answers if not isinstance(each, BaseException)) == len(sessions)
    for session in sessions:
        await refused(session, identity)


async def test_peers_hear_what_was_revoked_and_nobody_else_does(identity: Identity) -> None:
    ada = await identity.user()
    orders = identity.service("orders")
    before = await orders.ListRevocations(ListRevocationsRequest())
    await ada.client.RevokeSession(RevokeSessionRequest(id=ada.tokens.session_id))

    told = await orders.ListRevocations(ListRevocationsRequest(cursor=before.next_cursor))

    assert ada.tokens.session_id in {each.id for each in told.revocations}
    assert not told.more
    with pytest.raises(Unimplemented):
        await identity.anybody.ListRevocations(ListRevocationsRequest())
    for cursor in ("x", "-1", "1.", "1.c", "1; drop table users", "9" * 17):
        with pytest.raises(InvalidArgument):
            await orders.ListRevocations(ListRevocationsRequest(cursor=cursor))


async def test_thirty_who_refresh_while_staff_change_what_they_may_do_carry_nothing_that_was_taken(
    identity: Identity,
) -> None:
    ada, admin = await identity.user(), await identity.admin()
    listed = await admin.client.ListPermissions(ListPermissionsRequest(page_size=1000))
    held = {
        "user_id": ada.id,
        "permission_id": next(each.id for each in listed.permissions if each.key == "audit.read"),
    }
    sessions = [ada, *[await again(identity, ada) for _ in range(29)]]
    issued, done = list[str](), asyncio.Event()

    async def go_on(tokens: Any) -> None:
        while not done.is_set():
            asked = RefreshTokenRequest(refresh_token=tokens.refresh_token)
            tokens = (await identity.anybody.RefreshToken(asked)).tokens
            issued.append(tokens.access_token)

    async def change() -> None:
        try:
            for _ in range(4):
                await admin.client.GrantPermission(GrantPermissionRequest(**held))
                await asyncio.sleep(0.2)
                await admin.client.RevokePermission(RevokePermissionRequest(**held))
        finally:
            done.set()

    await asyncio.gather(change(), *(go_on(session.tokens) for session in sessions))

    carrying = [token for token in issued if "audit.read" in claims_of(token)["permissions"]]
    assert 0 < len(carrying) < len(issued)
    for token in carrying:
        with pytest.raises(Unauthenticated, match="TOKEN_INVALID"):
            await identity.holder_of(token).GetMe(GetMeRequest())
