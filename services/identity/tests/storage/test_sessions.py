"""Refresh tokens: rotated at every use, never good twice."""

import asyncio
from typing import NamedTuple

import jwt
import pytest

from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_common.errors import Unauthenticated
from lumi_common.principal import Principal
from lumi_identity.storage.sessions import forget_old
from lumi_identity.workflows.sessions import Tokens
from services.identity.tests.kit import PASSWORD, Doors, a_user, doors_of, security_events_of


class SignedIn(NamedTuple):
    doors: Doors
    user_id: str
    tokens: Tokens


@pytest.fixture
async def signed_in(db: Database, context: Context) -> SignedIn:
    doors = await doors_of(db)
    user = await a_user(doors, context)
    tokens, _ = await doors.sign_in(context, email=user.email, password=PASSWORD, fingerprint=None)
    return SignedIn(doors, user.id, tokens)


async def an_hour_later(db: Database, session_id: str) -> None:
    await db.pool.execute(
        "update user_sessions set rotated_at = rotated_at - interval '1 hour' where id = $1", session_id
    )


async def refuse(signed_in: SignedIn, context: Context, token: str) -> str:
    with pytest.raises(Unauthenticated) as refusal:
        await signed_in.doors.refresh(context, token)
    return refusal.value.reason


async def test_each_use_gives_the_next_token_of_the_same_session(
    db: Database, signed_in: SignedIn, context: Context
) -> None:
    seen = [signed_in.tokens]
    for _ in range(3):
        seen.append(await signed_in.doors.refresh(context, seen[-1].refresh_token))

    assert len({tokens.refresh_token for tokens in seen}) == 4
    assert {tokens.session_id for tokens in seen} == {signed_in.tokens.session_id}
    assert await db.pool.fetchval("select generation from user_sessions where id = $1", seen[0].session_id) == 4


async def test_a_lost_answer_is_given_again_within_ten_seconds(signed_in: SignedIn, context: Context) -> None:
    first = await signed_in.doors.refresh(context, signed_in.tokens.refresh_token)
    again = await signed_in.doors.refresh(context, signed_in.tokens.refresh_token)

    assert again.refresh_token == first.refresh_token
    assert (await signed_in.doors.refresh(context, first.refresh_token)).session_id == first.session_id


async def test_many_tries_at_once_rotate_once_and_get_the_same_successor(
    db: Database, signed_in: SignedIn, context: Context
) -> None:
    answers = await asyncio.gather(
        *(signed_in.doors.refresh(context, signed_in.tokens.refresh_token) for _ in range(20))
    )

    assert len({answer.refresh_token for answer in answers}) == 1
    generation = await db.pool.fetchval(
        "select generation from user_sessions where id = $1", signed_in.tokens.session_id
    )
    assert generation == 2


async def test_a_used_token_ends_the_family_and_is_written_down(
    db: Database, signed_in: SignedIn, context: Context
) -> None:
    newest = await signed_in.doors.refresh(context, signed_in.tokens.refresh_token)
    await an_hour_later(db, newest.session_id)

    assert await refuse(signed_in, context, signed_in.tokens.refresh_token) == "REFRESH_TOKEN_REUSED"
    assert await refuse(signed_in, context, newest.refresh_token) == "REFRESH_TOKEN_INVALID"
    assert await refuse(signed_in, context, signed_in.tokens.refresh_token) == "REFRESH_TOKEN_INVALID"
    assert await security_events_of(db, signed_in.user_id) == ["signed_up", "signed_in", "refresh_token_reused"]


async def test_one_used_twice_over_ends_the_family_even_at_once(signed_in: SignedIn, context: Context) -> None:
    second = await signed_in.doors.refresh(context, signed_in.tokens.refresh_token)
    await signed_in.doors.refresh(context, second.refresh_token)

    assert await refuse(signed_in, context, signed_in.tokens.refresh_token) == "REFRESH_TOKEN_REUSED"


async def test_a_guessed_secret_is_refused_and_harms_nobody(signed_in: SignedIn, context: Context) -> None:
    for token in (f"{signed_in.tokens.session_id}.{'x' * 43}", f"{cuid()}.{'x' * 43}", "nonsense"):
        assert await refuse(signed_in, context, token) == "REFRESH_TOKEN_INVALID"

    await signed_in.doors.refresh(context, signed_in.tokens.refresh_token)


@pytest.mark.parametrize(
    "ending",
    [
        "update user_sessions set expires_at = now() where user_id = $1",
        "update users set status = 'SUSPENDED' where id = $1",
        "update users set deleted_at = now() where id = $1",
    ],
)
async def test_a_session_that_is_over_is_not_refreshed(
    db: Database, signed_in: SignedIn, context: Context, ending: str
) -> None:
    await db.pool.execute(ending, signed_in.user_id)

    assert await refuse(signed_in, context, signed_in.tokens.refresh_token) == "REFRESH_TOKEN_INVALID"


async def test_signing_out_ends_the_session_once(db: Database, signed_in: SignedIn) -> None:
    caller = Context(method="test", principal=Principal.user(signed_in.user_id, (), signed_in.tokens.session_id))

    for _ in range(2):
        await signed_in.doors.sign_out(db, caller)

    assert await refuse(signed_in, caller, signed_in.tokens.refresh_token) == "REFRESH_TOKEN_INVALID"
    assert (await security_events_of(db, signed_in.user_id))[2:] == ["signed_out"]


async def test_nobody_signs_out_anothers_session(db: Database, signed_in: SignedIn, context: Context) -> None:
    stranger = Context(method="test", principal=Principal.user(cuid(), (), signed_in.tokens.session_id))

    await signed_in.doors.sign_out(db, stranger)

    await signed_in.doors.refresh(context, signed_in.tokens.refresh_token)


async def test_the_token_carries_the_permissions_of_roles_and_of_ones_own_at_the_time_of_refresh(
    db: Database, signed_in: SignedIn, context: Context
) -> None:
    role, shared, direct, others = cuid(), cuid(), cuid(), cuid()
    await db.pool.execute("insert into roles (id, name) values ($1, $1)", role)
    await db.pool.executemany(
        "insert into permissions (id, key) values ($1, $2)",
        [(shared, f"things.{shared}"), (direct, f"things.{direct}"), (others, f"things.{others}")],
    )
    await db.pool.execute("insert into role_permissions values ($1, $2)", role, shared)
    await db.pool.execute("insert into user_roles values ($1, $2)", signed_in.user_id, role)
    await db.pool.executemany(
        "insert into user_permissions values ($1, $2)", [(signed_in.user_id, shared), (signed_in.user_id, direct)]
    )

    before = jwt.decode(signed_in.tokens.access_token, options={"verify_signature": False})
    refreshed = await signed_in.doors.refresh(context, signed_in.tokens.refresh_token)
    after = jwt.decode(refreshed.access_token, options={"verify_signature": False})

    assert before["permissions"] == []
    assert after["permissions"] == sorted([f"things.{shared}", f"things.{direct}"])
    assert (after["sub"], after["sid"], after["kind"]) == (signed_in.user_id, refreshed.session_id, "user")


async def test_a_session_long_over_is_forgotten_and_a_live_one_is_not(
    db: Database, signed_in: SignedIn, context: Context
) -> None:
    other = cuid()
    await db.pool.execute(
        "insert into user_sessions (id, user_id, refresh_token_hash, expires_at, family_id) "
        "values ($1, $2, 'x', now() - interval '31 days', $1)",
        other,
        signed_in.user_id,
    )

    await forget_old(db)

    rows = await db.pool.fetch("select id from user_sessions where user_id = $1", signed_in.user_id)
    assert [row["id"] for row in rows] == [signed_in.tokens.session_id]
