"""No token carries what was taken from its holder, however close together both came."""

import asyncio
from typing import Any, NamedTuple

import jwt
import pytest

from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_common.errors import Unauthenticated
from lumi_common.principal import Principal
from lumi_common.rpc.auth import TokenVerifier
from lumi_common.rpc.revocations import Revocations
from lumi_identity.domain.security import SecurityEvent
from lumi_identity.domain.user import User
from lumi_identity.storage import revocations
from lumi_identity.storage.revocations import list_revocations
from lumi_identity.storage.sessions import end_sessions, outdate
from lumi_identity.workflows.sessions import Tokens
from lumi_local.postgres import PostgresServer
from services.identity.tests.kit import Doors, a_user, another, doors_of, security_events_of, until_waiting

AT_ONCE = 30
CHANGES = 40


class Ada(NamedTuple):
    doors: Doors
    user: User
    tokens: Tokens

    @property
    def caller(self) -> Context:
        return Context(method="test", principal=Principal.user(self.user.id, (), self.tokens.session_id))


@pytest.fixture
async def ada(db: Database, context: Context) -> Ada:
    doors = await doors_of(db)
    user = await a_user(doors, context)
    return Ada(doors, user, await signed_in(doors, context, user))


@pytest.fixture
async def orders_read(db: Database) -> str:
    """A permission of its own."""
    id = cuid()
    await db.pool.execute("insert into permissions (id, key) values ($1, $2)", id, f"orders.{id}")
    return id


async def signed_in(doors: Doors, context: Context, user: User) -> Tokens:
    tokens = await doors.sessions.begin(context, user, fingerprint=None)
    assert tokens is not None
    return tokens


def said(tokens: Tokens) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(tokens.access_token, options={"verify_signature": False})
    return claims


def verifier_of(db: Database, ada: Ada) -> tuple[TokenVerifier, Revocations]:
    """Another service's, which asks identity."""

    async def ask(cursor: str) -> Any:
        return await list_revocations(db, cursor)

    heard = Revocations(ask)
    return TokenVerifier(ada.doors.keyring.jwks, revocations=heard), heard


async def change(db: Database, context: Context, user_id: str, permission: str, *, give: bool) -> None:
    statement = (
        "insert into user_permissions (user_id, permission_id) values ($1, $2)"
        if give
        else "delete from user_permissions where (user_id, permission_id) = ($1, $2)"
    )
    async with db.transaction(context) as tx:
        await tx._connection.execute(statement, user_id, permission)
        await asyncio.sleep(0.005)  # time for others to come between
        await outdate(tx, [user_id])
    await asyncio.sleep(0.005)


@pytest.mark.parametrize("way", ["refresh", "repeat", "step up", "sign in"])
async def test_a_token_that_waits_for_a_change_knows_of_it(
    db: Database, server: PostgresServer, context: Context, ada: Ada, orders_read: str, way: str
) -> None:
    if way == "repeat":
        await ada.doors.refresh(context, ada.tokens.refresh_token)

    async def issue() -> str:
        if way == "sign in":
            return (await signed_in(ada.doors, context, ada.user)).access_token
        if way == "step up":
            return (await ada.doors.sessions.step_up(ada.caller)).token
        return (await ada.doors.refresh(context, ada.tokens.refresh_token)).access_token

    async with another(server) as tx:
        await tx.execute(
            "update users set not_before = clock_timestamp(), updated_at = now() where id = $1", ada.user.id
        )
        await tx.execute("insert into user_permissions values ($1, $2)", ada.user.id, orders_read)
        issuing = asyncio.create_task(issue())
        await until_waiting(db, "it waits for the user's row")

    claims = jwt.decode(await issuing, options={"verify_signature": False})
    not_before = await db.pool.fetchval("select not_before from users where id = $1", ada.user.id)
    assert claims["permissions"] == [f"orders.{orders_read}"]
    assert claims["iat_ms"] >= int(not_before.timestamp() * 1000)


async def test_thirty_who_refresh_while_permissions_change_carry_none_that_was_taken(
    db: Database, context: Context, ada: Ada, orders_read: str
) -> None:
    verifier, heard = verifier_of(db, ada)
    held, done = f"orders.{orders_read}", asyncio.Event()
    issued: list[Tokens] = []

    async def go_on() -> None:
        tokens = await signed_in(ada.doors, context, ada.user)
        while not done.is_set():
            tokens = await ada.doors.refresh(context, tokens.refresh_token)
            issued.append(tokens)

    async def change_often() -> None:
        try:
            for n in range(CHANGES):
                await change(db, context, ada.user.id, orders_read, give=n % 2 == 0)
        finally:
            done.set()

    await asyncio.gather(change_often(), *(go_on() for _ in range(AT_ONCE)))
    await heard.look()

    carried = [tokens for tokens in issued if held in said(tokens)["permissions"]]
    assert 0 < len(carried) < len(issued)  # it was seen to come and to go
    for tokens in carried:
        with pytest.raises(Unauthenticated, match="TOKEN_INVALID"):
            await verifier.verify(tokens.access_token)
    last = await ada.doors.refresh(context, (await signed_in(ada.doors, context, ada.user)).refresh_token)
    assert (await verifier.verify(last.access_token)).permissions == frozenset()


async def test_thirty_with_one_refresh_token_at_once_rotate_once(db: Database, context: Context, ada: Ada) -> None:
    answers = await asyncio.gather(*(ada.doors.refresh(context, ada.tokens.refresh_token) for _ in range(AT_ONCE)))

    assert len({each.refresh_token for each in answers}) == 1
    generation = await db.pool.fetchval("select generation from user_sessions where id = $1", ada.tokens.session_id)
    assert generation == 2


async def test_no_session_lives_on_that_was_begun_or_refreshed_while_all_were_ended(
    db: Database, context: Context, ada: Ada
) -> None:
    verifier, heard = verifier_of(db, ada)
    sessions = [await signed_in(ada.doors, context, ada.user) for _ in range(AT_ONCE)]

    async def end() -> None:
        async with db.transaction(context) as tx:
            await tx._connection.execute(
                "update users set status = 'SUSPENDED', updated_at = now() where id = $1", ada.user.id
            )
            await end_sessions(tx, ada.user.id, SecurityEvent.PASSWORD_CHANGED, context)

    answers = await asyncio.gather(
        *(ada.doors.refresh(context, each.refresh_token) for each in sessions[:20]),
        end(),
        *(ada.doors.refresh(context, each.refresh_token) for each in sessions[20:]),
        *(ada.doors.sessions.begin(context, ada.user, fingerprint=None) for _ in range(10)),
        return_exceptions=True,
    )
    await heard.look()

    assert all(isinstance(each, (Tokens, Unauthenticated, type(None))) for each in answers), answers
    for tokens in (*sessions, *(each for each in answers if isinstance(each, Tokens))):
        with pytest.raises(Unauthenticated, match="TOKEN_INVALID"):
            await verifier.verify(tokens.access_token)
    live = "select count(*) from user_sessions where user_id = $1 and revoked_at is null"
    assert await db.pool.fetchval(live, ada.user.id) == 0


async def test_all_sessions_but_one_are_ended_and_that_one_has_to_refresh(
    db: Database, context: Context, ada: Ada
) -> None:
    verifier, heard = verifier_of(db, ada)
    other = await signed_in(ada.doors, context, ada.user)

    async with db.transaction(context) as tx:
        await end_sessions(tx, ada.user.id, SecurityEvent.PASSWORD_CHANGED, context, but=ada.tokens.session_id)
    await heard.look()

    for tokens in (other, ada.tokens):
        with pytest.raises(Unauthenticated, match="TOKEN_INVALID"):
            await verifier.verify(tokens.access_token)
    with pytest.raises(Unauthenticated, match="REFRESH_TOKEN_INVALID"):
        await ada.doors.refresh(context, other.refresh_token)
    refreshed = await ada.doors.refresh(context, ada.tokens.refresh_token)
    assert (await verifier.verify(refreshed.access_token)).session_id == ada.tokens.session_id
    assert (await security_events_of(db, ada.user.id))[-1] == "password_changed"


async def test_stepping_up_goes_on_with_the_same_session_for_five_minutes(
    db: Database, context: Context, ada: Ada
) -> None:
    verifier, _ = verifier_of(db, ada)

    stepped_up = await ada.doors.sessions.step_up(ada.caller)

    principal = await verifier.verify(stepped_up.token)
    issued = jwt.decode(stepped_up.token, options={"verify_signature": False})["iat"]
    assert (principal.id, principal.session_id) == (ada.user.id, ada.tokens.session_id)
    assert principal.stepped_up_until == issued + 300
    assert (await ada.doors.refresh(context, ada.tokens.refresh_token)).session_id == ada.tokens.session_id
    await ada.doors.sign_out(db, ada.caller)
    with pytest.raises(Unauthenticated, match="TOKEN_INVALID"):
        await ada.doors.sessions.step_up(ada.caller)


async def test_what_was_revoked_is_told_in_parts_and_again_until_it_is_certain(
    db: Database, context: Context, ada: Ada, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = [ada.user.id, *[(await a_user(ada.doors, context)).id for _ in range(6)]]
    async with db.transaction(context) as tx:
        await outdate(tx, users)
    monkeypatch.setattr(revocations, "PAGE", 3)

    found, cursor, more = set(), "", True
    while more:
        told = await list_revocations(db, cursor)
        assert len(told.revocations) <= revocations.PAGE
        found |= {each.id for each in told.revocations}
        cursor, more = told.cursor, told.more

    assert found >= set(users)
    assert "." not in cursor
    assert {each.id for each in (await list_revocations(db, cursor)).revocations} <= found
    await db.pool.execute("update users set not_before = null, updated_at = now() where not_before is not null")
    await db.pool.execute("update user_sessions set not_before = null, updated_at = now() where not_before is not null")
    assert await list_revocations(db, "") == ([], "", False)
    assert await list_revocations(db, cursor) == ([], cursor, False)


async def test_what_is_committed_late_is_told_late_and_not_passed_over(
    db: Database, server: PostgresServer, context: Context, ada: Ada
) -> None:
    verifier, heard = verifier_of(db, ada)
    other = await a_user(ada.doors, context)
    async with another(server) as late:
        await late.execute(
            "update users set not_before = clock_timestamp(), updated_at = now() where id = $1", ada.user.id
        )
        async with db.transaction(context) as tx:
            await outdate(tx, [other.id])
        await heard.look()
        assert other.id in heard.not_before and ada.user.id not in heard.not_before
        assert await verifier.verify(ada.tokens.access_token)

    await heard.look()

    with pytest.raises(Unauthenticated, match="TOKEN_INVALID"):
        await verifier.verify(ada.tokens.access_token)
