"""Verifying an e-mail, and getting another password, over the wire and by the mails that are sent."""

import asyncio
import stat
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import pytest
from lumi.identity.v1.auth_pb2 import (
    ChangePasswordRequest,
    GetJwksRequest,
    RefreshTokenRequest,
    RequestEmailVerificationRequest,
    RequestPasswordResetRequest,
    ResetPasswordRequest,
    SignInRequest,
    SignUpRequest,
    VerifyEmailRequest,
)
from lumi.identity.v1.user_pb2 import DeleteUserRequest, GetMeRequest

from lumi_common.errors import InvalidArgument, LumiError, ResourceExhausted, Unauthenticated
from lumi_identity.domain.one_time_token import digest
from lumi_local.postgres import PostgresServer
from services.identity.tests.kit import PASSWORD, an_email, outbox_of, security_events_of
from services.identity.tests.rpc.clients import Identity, SignedIn
from services.identity.tests.rpc.conftest import running
from tests.kit.mailbox import Mailbox
from tests.kit.waiting import until

ANOTHER = "seven grey geese over a lake"
LIMIT = 3


@pytest.fixture
def mailbox(tmp_path: Path) -> Mailbox:
    return Mailbox(tmp_path / "mails")


@pytest.fixture
async def identity(server: PostgresServer, mailbox: Mailbox) -> AsyncIterator[Identity]:
    told = {"mail_folder": mailbox.folder, "mail_seconds": 0.05, "links_per_account": LIMIT, "sign_in_tries": 3}
    async with running(server, "", **told, phone_region="TR") as identity:
        yield identity


async def is_verified(identity: Identity, user: SignedIn) -> bool:
    return bool((await user.client.GetMe(GetMeRequest())).email_verified)


async def reset_token(identity: Identity, mailbox: Mailbox, email: str) -> str:
    await identity.anybody.RequestPasswordReset(RequestPasswordResetRequest(email=email))
    return await mailbox.token(email, "reset-password")


async def settled(identity: Identity, user_id: str) -> None:
    """Wait until every mail about a user is out, and those that are for nobody are dropped."""
    query = "select count(*) = 0 from mails where coalesce(payload ->> 'user_id', $1) = $1"

    async def out() -> bool:
        return bool(await identity.db.pool.fetchval(query, user_id))

    await until(out, "the mails are out")


def reasons(answers: list[Any]) -> Counter[str]:
    return Counter(each.reason if isinstance(each, LumiError) else "done" for each in answers)


async def test_whoever_signs_up_is_mailed_a_link_that_verifies_their_email(
    identity: Identity, mailbox: Mailbox
) -> None:
    ada = await identity.user()
    assert not await is_verified(identity, ada)

    token = await mailbox.token(ada.email, "verify-email")
    await identity.anybody.VerifyEmail(VerifyEmailRequest(token=token))

    assert await is_verified(identity, ada)
    assert [row["type"] for row in await outbox_of(identity.db, ada.id)] == ["user.signed_up", "user.email_verified"]
    assert "email_verified" in await security_events_of(identity.db, ada.id)
    with pytest.raises(Unauthenticated, match="ONE_TIME_TOKEN_INVALID"):
        await identity.anybody.VerifyEmail(VerifyEmailRequest(token=token))


async def test_a_mail_is_a_file_for_its_reader_alone_and_says_who_it_is_from(
    identity: Identity, mailbox: Mailbox
) -> None:
    ada = await identity.user()
    await mailbox.token(ada.email, "verify-email")

    [mail] = mailbox.of(ada.email)
    [file] = [each for each in mailbox.folder.glob("*.eml") if ada.email in each.read_text()]

    assert mail["Subject"] == "Confirm your e-mail address for Lumi"
    assert mail["From"] == "Lumi <no-reply@localhost.example>"
    assert mail["Message-ID"] == f"<{file.stem}@localhost.example>"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(mailbox.folder.stat().st_mode) == 0o700


async def test_of_20_that_use_a_token_at_once_one_does(identity: Identity, mailbox: Mailbox) -> None:
    ada = await identity.user()
    verify = VerifyEmailRequest(token=await mailbox.token(ada.email, "verify-email"))
    reset = ResetPasswordRequest(token=await reset_token(identity, mailbox, ada.email), new_password=ANOTHER)

    for call, request in ((identity.anybody.VerifyEmail, verify), (identity.anybody.ResetPassword, reset)):
        answers = await asyncio.gather(*(call(request) for _ in range(20)), return_exceptions=True)
        assert reasons(answers) == {"done": 1, "ONE_TIME_TOKEN_INVALID": 19}

    told = Counter(row["type"] for row in await outbox_of(identity.db, ada.id))
    assert told == {"user.signed_up": 1, "user.email_verified": 1, "user.password_reset": 1}


async def test_a_token_is_good_for_its_own_purpose_alone(identity: Identity, mailbox: Mailbox) -> None:
    ada = await identity.user()
    token = await mailbox.token(ada.email, "verify-email")

    with pytest.raises(Unauthenticated, match="ONE_TIME_TOKEN_INVALID"):
        await identity.anybody.ResetPassword(ResetPasswordRequest(token=token, new_password=ANOTHER))
    assert (await identity.signed_in(ada.email, PASSWORD)).id == ada.id


@pytest.mark.parametrize("change", ["expires_at = now() - interval '1 second'", "used_at = now()"])
async def test_a_token_that_is_over_is_refused(identity: Identity, mailbox: Mailbox, change: str) -> None:
    ada = await identity.user()
    token = await reset_token(identity, mailbox, ada.email)
    await identity.db.pool.execute(f"update one_time_tokens set {change} where token_hash = $1", digest(token))

    with pytest.raises(Unauthenticated, match="ONE_TIME_TOKEN_INVALID"):
        await identity.anybody.ResetPassword(ResetPasswordRequest(token=token, new_password=ANOTHER))


async def test_a_later_link_ends_the_one_before(identity: Identity, mailbox: Mailbox) -> None:
    ada = await identity.user()
    first = await mailbox.token(ada.email, "verify-email")

    await ada.client.RequestEmailVerification(RequestEmailVerificationRequest())
    _, second = await mailbox.tokens(ada.email, "verify-email", least=2)

    with pytest.raises(Unauthenticated, match="ONE_TIME_TOKEN_INVALID"):
        await identity.anybody.VerifyEmail(VerifyEmailRequest(token=first))
    await identity.anybody.VerifyEmail(VerifyEmailRequest(token=second))
    assert await is_verified(identity, ada)


async def test_who_is_verified_is_mailed_no_further_link(identity: Identity, mailbox: Mailbox) -> None:
    ada = await identity.user()
    await identity.anybody.VerifyEmail(VerifyEmailRequest(token=await mailbox.token(ada.email, "verify-email")))

    await ada.client.RequestEmailVerification(RequestEmailVerificationRequest())
    await settled(identity, ada.id)

    assert len(mailbox.of(ada.email)) == 1


async def test_a_reset_sets_the_password_ends_every_session_and_proves_the_email(
    identity: Identity, mailbox: Mailbox
) -> None:
    ada = await identity.user()
    token = await reset_token(identity, mailbox, ada.email)

    await identity.anybody.ResetPassword(ResetPasswordRequest(token=token, new_password=ANOTHER))

    with pytest.raises(Unauthenticated, match="REFRESH_TOKEN_INVALID"):
        await identity.anybody.RefreshToken(RefreshTokenRequest(refresh_token=ada.tokens.refresh_token))
    with pytest.raises(Unauthenticated, match="CREDENTIALS_INVALID"):
        await identity.signed_in(ada.email, PASSWORD)
    again = await identity.signed_in(ada.email, ANOTHER)
    assert await is_verified(identity, again)
    await settled(identity, ada.id)
    assert [mail["Subject"] for mail in mailbox.of(ada.email)][-1] == "Your password for Lumi has changed"
    events = await security_events_of(identity.db, ada.id)
    assert {"password_reset_requested", "password_reset"} < set(events)


async def test_a_reset_lets_in_who_was_locked_out(identity: Identity, mailbox: Mailbox) -> None:
    ada = await identity.user()
    for _ in range(4):
        with pytest.raises(LumiError):
            await identity.signed_in(ada.email, "wrong one")
    with pytest.raises(ResourceExhausted, match="TOO_MANY_ATTEMPTS"):
        await identity.signed_in(ada.email, PASSWORD)

    token = await reset_token(identity, mailbox, ada.email)
    await identity.anybody.ResetPassword(ResetPasswordRequest(token=token, new_password=ANOTHER))

    assert (await identity.signed_in(ada.email, ANOTHER)).id == ada.id
    assert await identity.db.pool.fetchval("select failed_login_count from users where id = $1", ada.id) == 0


async def test_a_weak_new_password_leaves_the_token_good(identity: Identity, mailbox: Mailbox) -> None:
    ada = await identity.user()
    token = await reset_token(identity, mailbox, ada.email)

    with pytest.raises(InvalidArgument) as refusal:
        await identity.anybody.ResetPassword(ResetPasswordRequest(token=token, new_password="password123"))
    assert (refusal.value.reason, refusal.value.field) == ("PASSWORD_TOO_WEAK", "new_password")
    await identity.anybody.ResetPassword(ResetPasswordRequest(token=token, new_password=ANOTHER))


async def test_an_unknown_a_deleted_and_a_known_email_are_answered_alike_and_one_is_mailed(
    identity: Identity, mailbox: Mailbox
) -> None:
    ada, bob = await identity.user(), await identity.user()
    await bob.client.DeleteUser(DeleteUserRequest(id=bob.id))
    unknown = an_email()
    before = await identity.db.pool.fetchval("select count(*) from security_events")

    answers = [
        (await identity.anybody.RequestPasswordReset(RequestPasswordResetRequest(email=email))).SerializeToString()
        for email in (ada.email.upper(), bob.email, unknown)
    ]
    await mailbox.token(ada.email, "reset-password")
    await settled(identity, ada.id)

    assert set(answers) == {b""}
    assert not [mail for mail in (*mailbox.of(unknown), *mailbox.of(bob.email)) if "password" in mail["Subject"]]
    assert await identity.db.pool.fetchval("select count(*) from security_events") == before + 3
    kept = await identity.db.pool.fetchval("select count(*) from mails where recipient = any($1)", [unknown, bob.email])
    assert kept == 0


async def test_nobodys_mailbox_is_flooded(identity: Identity, mailbox: Mailbox) -> None:
    ada = await identity.user()

    asked = [identity.anybody.RequestPasswordReset(RequestPasswordResetRequest(email=ada.email)) for _ in range(20)]
    await asyncio.gather(*asked)
    await settled(identity, ada.id)
    tokens = await mailbox.tokens(ada.email, "reset-password", least=LIMIT)

    assert len(tokens) == LIMIT
    query = (
        "select token_hash from one_time_tokens where user_id = $1 and purpose = 'reset_password' and used_at is null"
    )
    live = [row["token_hash"] for row in await identity.db.pool.fetch(query, ada.id)]
    # Who is mailed no more has a good one.
    assert len(live) == 1 and live[0] in map(digest, tokens)


async def test_a_token_is_kept_as_a_digest_alone(identity: Identity, mailbox: Mailbox) -> None:
    ada = await identity.user()
    token = await reset_token(identity, mailbox, ada.email)
    await settled(identity, ada.id)

    assert len(token) == 43
    tables = await identity.db.pool.fetch("select tablename from pg_tables where schemaname = 'identity'")
    for table in (row["tablename"] for row in tables):
        query = f"select count(*) from {table} as row where row::text like $1"
        assert await identity.db.pool.fetchval(query, f"%{token}%") == 0, table


async def test_another_password_ends_the_other_sessions_and_not_this_one(identity: Identity, mailbox: Mailbox) -> None:
    ada = await identity.user()
    other = await identity.signed_in(ada.email, PASSWORD)

    await ada.client.ChangePassword(ChangePasswordRequest(current_password=PASSWORD, new_password=ANOTHER))

    with pytest.raises(Unauthenticated):
        await identity.anybody.RefreshToken(RefreshTokenRequest(refresh_token=other.tokens.refresh_token))
    answer = await identity.anybody.RefreshToken(RefreshTokenRequest(refresh_token=ada.tokens.refresh_token))
    assert answer.tokens.session_id == ada.tokens.session_id
    assert (await identity.signed_in(ada.email, ANOTHER)).id == ada.id
    assert [row["type"] for row in await outbox_of(identity.db, ada.id)] == ["user.signed_up", "user.password_changed"]
    await settled(identity, ada.id)
    assert mailbox.of(ada.email)[-1]["Subject"] == "Your password for Lumi has changed"


async def test_wrong_current_passwords_count_like_failed_sign_ins(identity: Identity) -> None:
    ada = await identity.user()
    wrong = ChangePasswordRequest(current_password="wrong one", new_password=ANOTHER)

    answers = await asyncio.gather(*(ada.client.ChangePassword(wrong) for _ in range(8)), return_exceptions=True)

    assert reasons(answers) == {"PASSWORD_WRONG": 3, "TOO_MANY_ATTEMPTS": 5}
    assert (await security_events_of(identity.db, ada.id)).count("sign_in_failed") == 3
    assert await identity.db.pool.fetchval("select failed_login_count from users where id = $1", ada.id) == 3
    with pytest.raises(ResourceExhausted, match="TOO_MANY_ATTEMPTS"):
        await identity.signed_in(ada.email, PASSWORD)


async def test_a_wrong_current_password_is_named(identity: Identity) -> None:
    ada = await identity.user()

    with pytest.raises(InvalidArgument) as refusal:
        await ada.client.ChangePassword(ChangePasswordRequest(current_password="wrong one", new_password=ANOTHER))

    assert (refusal.value.reason, refusal.value.field) == ("PASSWORD_WRONG", "current_password")


async def test_of_many_changes_at_once_the_password_is_that_of_the_one_that_took_place(identity: Identity) -> None:
    ada = await identity.user()
    passwords = [f"{number} grey geese over a lake" for number in range(6)]

    answers = await asyncio.gather(
        *(
            ada.client.ChangePassword(ChangePasswordRequest(current_password=PASSWORD, new_password=each))
            for each in passwords
        ),
        return_exceptions=True,
    )

    [won] = [password for password, answer in zip(passwords, answers, strict=True) if not isinstance(answer, LumiError)]
    await identity.db.pool.execute("update sign_in_attempts set failures = 0, blocked_until = null")
    assert (await identity.signed_in(ada.email, won)).id == ada.id


async def test_no_session_of_the_old_password_outlives_a_reset(identity: Identity, mailbox: Mailbox) -> None:
    ada = await identity.user()
    token = await reset_token(identity, mailbox, ada.email)

    async def sign_in(after: float) -> Any:
        await asyncio.sleep(after)
        return await identity.anybody.SignIn(SignInRequest(email=ada.email, password=PASSWORD))

    *signed_in, _ = await asyncio.gather(
        *(sign_in(number * 0.002) for number in range(20)),
        identity.anybody.ResetPassword(ResetPasswordRequest(token=token, new_password=ANOTHER)),
        return_exceptions=True,
    )

    for each in signed_in:
        if not isinstance(each, BaseException):
            with pytest.raises(Unauthenticated, match="REFRESH_TOKEN_INVALID"):
                await identity.anybody.RefreshToken(RefreshTokenRequest(refresh_token=each.tokens.refresh_token))
    query = "select count(*) from user_sessions where user_id = $1 and revoked_at is null"
    assert await identity.db.pool.fetchval(query, ada.id) == 0


async def test_one_of_20_that_sign_up_with_an_email_at_once_has_the_account(
    identity: Identity, mailbox: Mailbox
) -> None:
    email = an_email()

    answers = await asyncio.gather(
        *(identity.anybody.SignUp(SignUpRequest(email=email, password=PASSWORD)) for _ in range(20)),
        return_exceptions=True,
    )

    assert reasons(answers) == {"done": 1, "EMAIL_TAKEN": 19}
    await mailbox.token(email, "verify-email")
    [made] = [each for each in answers if not isinstance(each, BaseException)]
    await settled(identity, made.id)
    assert len(mailbox.of(email)) == 1


async def test_a_phone_is_kept_in_e164_however_it_was_typed(identity: Identity) -> None:
    made = await identity.anybody.SignUp(SignUpRequest(email=an_email(), password=PASSWORD, phone="(0532) 123 45 67"))
    assert made.phone == "+905321234567"

    with pytest.raises(InvalidArgument) as refusal:
        await identity.anybody.SignUp(SignUpRequest(email=an_email(), password=PASSWORD, phone="call me"))
    assert (refusal.value.reason, refusal.value.field) == ("PHONE_INVALID", "phone")


@pytest.mark.parametrize(
    "password",
    ["🚲🚗🛵🚜🚂🛶🚀🛸", "ĳ" * 128 + "ŀ" * 128, " spaces around ", "пароль-не-словарный", "مرور از دشت بزرگ"],
)
async def test_any_characters_are_a_password_and_all_of_them_count(identity: Identity, password: str) -> None:
    email = an_email()
    await identity.anybody.SignUp(SignUpRequest(email=email, password=password))

    assert await identity.signed_in(email, password)
    with pytest.raises(Unauthenticated, match="CREDENTIALS_INVALID"):
        await identity.signed_in(email, password[:-1])


async def test_a_full_pool_refuses_a_password_and_holds_nobody_else_up(server: PostgresServer) -> None:
    async with running(server, "", bcrypt_cost=12, password_threads=1, password_queue=1) as identity:
        began = perf_counter()
        await identity.user()
        alone = (perf_counter() - began) / 2  # hashed once to sign up, and once to sign in
        signing_up = [
            asyncio.ensure_future(identity.anybody.SignUp(SignUpRequest(email=an_email(), password=PASSWORD)))
            for _ in range(8)
        ]
        lags = []
        while not all(task.done() for task in signing_up):
            asked = perf_counter()
            await identity.anybody.GetJwks(GetJwksRequest())
            lags.append(perf_counter() - asked)

        answers = await asyncio.gather(*signing_up, return_exceptions=True)

    assert reasons(answers) == {"done": 2, "OVERLOADED": 6}
    assert isinstance(next(each for each in answers if isinstance(each, LumiError)), ResourceExhausted)
    assert len(lags) > 5 and median(lags) < alone / 4


async def test_a_shop_says_how_long_passwords_and_links_are_and_what_it_is_called(
    server: PostgresServer, mailbox: Mailbox
) -> None:
    told = {"password_profile": "strict", "shop_name": "Corner Store", "shop_url": "https://corner.example/account"}
    times = {"mail_folder": mailbox.folder, "mail_seconds": 0.05, "verification_seconds": 90}
    async with running(server, "", **told, **times) as identity:
        email = an_email()
        for password in ("14 characters!", "corner store 2026"):
            with pytest.raises(InvalidArgument, match="PASSWORD_TOO_WEAK"):
                await identity.anybody.SignUp(SignUpRequest(email=email, password=password))
        made = await identity.anybody.SignUp(SignUpRequest(email=email, password="15 characters!!"))
        await mailbox.token(email, "verify-email")
        query = "select extract(epoch from expires_at - created_at)::int from one_time_tokens where user_id = $1"
        life = await identity.db.pool.fetchval(query, made.id)

    [mail] = mailbox.of(email)
    assert mail["Subject"] == "Confirm your e-mail address for Corner Store"
    assert "https://corner.example/account/verify-email#token=" in mail.get_content()
    assert life == 90
