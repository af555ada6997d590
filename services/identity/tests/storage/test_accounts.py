"""Signing up and in, against a real database."""

import asyncio

import bcrypt
import pytest

from lumi_common.context import Context
from lumi_common.db.database import Database
from lumi_common.errors import AlreadyExists, FailedPrecondition, InvalidArgument, Unauthenticated
from lumi_identity.storage.users import LISTING
from services.identity.tests.kit import (
    PASSWORD,
    a_user,
    an_email,
    doors_of,
    outbox_of,
    security_events_of,
)


async def failed_logins(db: Database, user_id: str) -> int:
    return int(await db.pool.fetchval("select failed_login_count from users where id = $1", user_id))


async def test_signing_up_is_recorded_without_anything_personal(db: Database, context: Context) -> None:
    user = await a_user(await doors_of(db), context, first_name="Ada", phone="+905321234567")

    [row] = await outbox_of(db, user.id)
    [record] = row["records"]

    assert (row["type"], row["version"], record["audit"]) == ("user.signed_up", 1, True)
    assert {record["after"][name] for name in ("email", "password_hash", "first_name", "phone")} == {"[redacted]"}
    assert user.email not in str(row)
    assert await security_events_of(db, user.id) == ["signed_up"]


async def test_an_email_is_taken_whatever_its_case(db: Database, context: Context) -> None:
    doors = await doors_of(db)
    email = an_email()
    await a_user(doors, context, email=email)

    with pytest.raises(AlreadyExists) as refusal:
        await a_user(doors, context, email=f"  {email.upper()} ")
    assert (refusal.value.reason, refusal.value.field) == ("EMAIL_TAKEN", "email")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *(("ADA", "ada"), ("İpek", "ipek"), ("IPEK", "ipek"), ("straße", "STRAẞE"), ("ΣΊΣΥΦΟΣ", "σίσυφοσ")),
        ("jose\u0301", "JOS\u00c9"),  # the accent by itself, and in one with its letter
    ],
)
async def test_an_email_is_taken_however_its_letters_are_written(
    db: Database, context: Context, one: str, other: str
) -> None:
    doors, rest = await doors_of(db), an_email()
    user = await a_user(doors, context, email=f"{one}{rest}")

    with pytest.raises(AlreadyExists, match="EMAIL_TAKEN"):
        await a_user(doors, context, email=f"{other}{rest}")
    signed_in = await doors.sign_in(context, email=f"{other}{rest}", password=PASSWORD, fingerprint=None)
    assert signed_in.user.id == user.id


@pytest.mark.parametrize(("one", "other"), [("ıpek", "ipek"), ("straße", "strasse"), ("ada", "аda")])
async def test_letters_that_only_look_alike_are_others(db: Database, context: Context, one: str, other: str) -> None:
    doors, rest = await doors_of(db), an_email()

    first, second = [await a_user(doors, context, email=f"{each}{rest}") for each in (one, other)]

    assert first.id != second.id


async def test_of_many_who_sign_up_with_one_email_at_once_one_gets_it(db: Database, context: Context) -> None:
    doors = await doors_of(db)
    email = an_email()

    results = await asyncio.gather(*(a_user(doors, context, email=email) for _ in range(8)), return_exceptions=True)

    assert sum(isinstance(result, AlreadyExists) for result in results) == 7


async def test_a_weak_password_makes_no_account(db: Database, context: Context) -> None:
    email = an_email()

    with pytest.raises(InvalidArgument, match="PASSWORD_TOO_WEAK"):
        await a_user(await doors_of(db), context, email=email, password="password123")
    assert await db.pool.fetchval("select count(*) from users where email = $1", email) == 0


async def test_signing_in_takes_the_right_password_and_any_case_of_the_email(db: Database, context: Context) -> None:
    doors = await doors_of(db)
    user = await a_user(doors, context)

    tokens, signed_in = await doors.sign_in(context, email=user.email.upper(), password=PASSWORD, fingerprint="a phone")

    session = await db.pool.fetchrow("select * from user_sessions where id = $1", tokens.session_id)
    assert signed_in == user
    assert (session["user_id"], session["family_id"], session["generation"]) == (user.id, tokens.session_id, 1)
    assert (session["ip_address"], session["user_agent"], session["fingerprint"]) == (
        "192.0.2.7", "a browser", "a phone",
    )  # fmt: skip
    assert tokens.refresh_token.partition(".")[2] not in str(session)
    assert session["refresh_token_hash"].startswith("$2b$04$")
    assert await security_events_of(db, user.id) == ["signed_up", "signed_in"]


async def test_an_unknown_email_and_a_wrong_password_are_one_answer(db: Database, context: Context) -> None:
    doors = await doors_of(db)
    user = await a_user(doors, context)
    answers = []
    for email in (user.email, an_email()):
        with pytest.raises(Unauthenticated) as refusal:
            await doors.sign_in(context, email=email, password="not the password", fingerprint=None)
        answers.append((str(refusal.value), refusal.value.facts, refusal.value.violations))

    assert answers[0] == answers[1]
    assert await security_events_of(db, user.id) == ["signed_up", "sign_in_failed"]


async def test_failed_sign_ins_are_counted_exactly_and_forgiven_by_a_good_one(db: Database, context: Context) -> None:
    doors = await doors_of(db, tries=100)
    user = await a_user(doors, context)

    await asyncio.gather(
        *(doors.sign_in(context, email=user.email, password="wrong one", fingerprint=None) for _ in range(20)),
        return_exceptions=True,
    )
    assert await failed_logins(db, user.id) == 20

    await doors.sign_in(context, email=user.email, password=PASSWORD, fingerprint=None)
    assert await failed_logins(db, user.id) == 0
    assert len(await outbox_of(db, user.id)) == 1  # the count is derived: it has security events


async def test_a_suspended_user_is_told_so_after_the_right_password_only(db: Database, context: Context) -> None:
    doors = await doors_of(db)
    user = await a_user(doors, context)
    await db.pool.execute("update users set status = 'SUSPENDED' where id = $1", user.id)

    with pytest.raises(Unauthenticated, match="CREDENTIALS_INVALID"):
        await doors.sign_in(context, email=user.email, password="wrong one", fingerprint=None)
    with pytest.raises(FailedPrecondition, match="USER_SUSPENDED"):
        await doors.sign_in(context, email=user.email, password=PASSWORD, fingerprint=None)
    assert await db.pool.fetchval("select count(*) from user_sessions where user_id = $1", user.id) == 0


async def test_a_deleted_user_is_an_unknown_one(db: Database, context: Context) -> None:
    doors = await doors_of(db)
    user = await a_user(doors, context)
    await db.pool.execute("update users set status = 'DELETED', deleted_at = now() where id = $1", user.id)

    with pytest.raises(Unauthenticated, match="CREDENTIALS_INVALID"):
        await doors.sign_in(context, email=user.email, password=PASSWORD, fingerprint=None)


@pytest.mark.parametrize(("cost", "pepper"), [(5, 1), (4, 2)])
async def test_a_password_is_rehashed_at_sign_in_when_cost_or_pepper_changed(
    db: Database, context: Context, cost: int, pepper: int
) -> None:
    user = await a_user(await doors_of(db), context)
    later = await doors_of(db, cost=cost, pepper=pepper)

    for _ in range(2):
        await later.sign_in(context, email=user.email, password=PASSWORD, fingerprint=None)

    stored = await db.pool.fetchval("select password_hash from users where id = $1", user.id)
    assert stored.startswith(f"k{pepper}$2b$0{cost}$")
    assert [row["type"] for row in await outbox_of(db, user.id)] == ["user.signed_up", "user.password_rehashed"]


async def test_a_plain_bcrypt_row_signs_in_and_becomes_one_of_ours(db: Database, context: Context) -> None:
    doors = await doors_of(db)
    user = await a_user(doors, context)
    plain = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    await db.pool.execute("update users set password_hash = $1 where id = $2", plain, user.id)

    for _ in range(2):
        await doors.sign_in(context, email=user.email, password=PASSWORD, fingerprint=None)

    stored = await db.pool.fetchval("select password_hash from users where id = $1", user.id)
    assert stored.startswith("k1$2b$04$")


async def test_accounts_are_found_by_how_their_email_begins_without_reading_everybody(db: Database) -> None:
    listing = LISTING._statement(False, frozenset({"live", "email_prefix"}))

    async with db.pool.connection() as connection:
        await connection.execute(f"prepare by_prefix as {listing.sql}")
        plan = [row[0] for row in await connection.fetch("explain execute by_prefix('ada', 'DELETED', 51)")]
        await connection.execute("deallocate by_prefix")

    assert any("users_email_prefix_idx" in line for line in plan), plan
