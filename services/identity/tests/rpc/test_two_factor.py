"""The second factor over the wire: enrolled, asked for, and each code good once."""

import asyncio
import logging
from base64 import b32decode
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest
from lumi.identity.v1.auth_pb2 import (
    SignInRequest,
    SignInResponse,
    SignOutRequest,
    StepUpRequest,
    VerifyTwoFactorRequest,
)
from lumi.identity.v1.two_factor_pb2 import (
    ConfirmTotpRequest,
    DisableTotpRequest,
    EnrollTotpRequest,
    RegenerateRecoveryCodesRequest,
)
from lumi.identity.v1.user_pb2 import DeleteUserRequest, GetMeRequest

from lumi_common.clock import utc_now
from lumi_common.db.database import Database
from lumi_common.errors import (
    FailedPrecondition,
    InvalidArgument,
    LumiError,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
)
from lumi_identity.domain import totp
from lumi_identity.storage import two_factor
from lumi_local.postgres import PostgresServer
from services.identity.tests.kit import PASSWORD, outbox_of, security_events_of
from services.identity.tests.rpc.clients import Client, Identity, SignedIn
from services.identity.tests.rpc.conftest import running

_SECONDS_TO_CONFIRM = 4


class Guarded(NamedTuple):
    """A user with a second factor, stepped up; `step` was the present one when it was confirmed."""

    user: SignedIn
    secret: bytes
    step: int
    recovery_codes: list[str]

    @property
    def id(self) -> str:
        return self.user.id

    @property
    def client(self) -> Client:
        return self.user.client

    def code(self, steps: int = 0) -> str:
        """Of that step, or one beside it; the one before was used to confirm."""
        return totp.code(self.secret, self.step + steps)


async def enrolled(user: SignedIn) -> bytes:
    """The secret; the step of now goes on for as long as it takes to confirm it."""
    left = totp.STEP_SECONDS - utc_now().timestamp() % totp.STEP_SECONDS
    if left < _SECONDS_TO_CONFIRM:
        await asyncio.sleep(left)
    answer = await user.client.EnrollTotp(EnrollTotpRequest())
    return b32decode(answer.secret)


@pytest.fixture
async def ada(identity: Identity) -> Guarded:
    return await guarded(identity)


async def guarded(identity: Identity) -> Guarded:
    user = await identity.stepped_up(await identity.user())
    secret = await enrolled(user)
    step = totp.step_at(utc_now())
    answer = await user.client.ConfirmTotp(ConfirmTotpRequest(code=totp.code(secret, step - 1)))
    return Guarded(user, secret, step, list(answer.recovery_codes))


async def challenge_of(identity: Identity, ada: Guarded) -> str:
    answer = await identity.anybody.SignIn(SignInRequest(email=ada.user.email, password=PASSWORD))
    assert not answer.HasField("tokens")
    assert not answer.HasField("user")
    token: str = answer.two_factor_challenge.token
    return token


async def reason_of(call: Any) -> str:
    """Why it was refused, or nothing."""
    try:
        await call
    except LumiError as refusal:
        return refusal.reason
    return ""


def a_wrong_code(ada: Guarded) -> str:
    right = {ada.code(steps) for steps in range(-3, 4)}
    return next(code for code in map(str, range(100000, 100010)) if code not in right)


async def test_enrolling_takes_a_fresh_proof(identity: Identity) -> None:
    ada = await identity.user()

    with pytest.raises(PermissionDenied) as refusal:
        await ada.client.EnrollTotp(EnrollTotpRequest())
    assert refusal.value.reason == "STEP_UP_REQUIRED"


async def test_what_is_enrolled_counts_once_it_is_confirmed(identity: Identity) -> None:
    ada = await identity.stepped_up(await identity.user())

    assert await reason_of(ada.client.ConfirmTotp(ConfirmTotpRequest(code="000000"))) == "TWO_FACTOR_NOT_ENROLLED"
    first, second = await enrolled(ada), await enrolled(ada)
    assert first != second
    assert (await identity.signed_in(ada.email, PASSWORD)).tokens.access_token
    step = totp.step_at(utc_now())
    with pytest.raises(InvalidArgument) as refusal:
        await ada.client.ConfirmTotp(ConfirmTotpRequest(code=totp.code(first, step)))
    assert (refusal.value.reason, refusal.value.field) == ("TWO_FACTOR_CODE_INVALID", "code")
    codes = await ada.client.ConfirmTotp(ConfirmTotpRequest(code=totp.code(second, step)))

    assert len(set(codes.recovery_codes)) == 10
    assert (await ada.client.GetMe(GetMeRequest())).two_factor_enabled
    assert (await identity.anybody.SignIn(SignInRequest(email=ada.email, password=PASSWORD))).two_factor_challenge.token
    for again in (
        ada.client.EnrollTotp(EnrollTotpRequest()),
        ada.client.ConfirmTotp(ConfirmTotpRequest(code=totp.code(second, step))),
    ):
        assert await reason_of(again) == "TWO_FACTOR_ENABLED"


async def test_a_session_begins_with_the_code_only(identity: Identity, ada: Guarded) -> None:
    challenge = await challenge_of(identity, ada)
    live = "select count(*) from user_sessions where user_id = $1 and revoked_at is null"
    assert await identity.db.pool.fetchval(live, ada.id) == 1

    answer: SignInResponse = await identity.anybody.VerifyTwoFactor(
        VerifyTwoFactorRequest(challenge=challenge, code=ada.code(), fingerprint="a phone")
    )

    assert answer.user.id == ada.id
    assert (await identity.holder_of(answer.tokens.access_token).GetMe(GetMeRequest())).id == ada.id
    fingerprint = "select fingerprint from user_sessions where id = $1"
    assert await identity.db.pool.fetchval(fingerprint, answer.tokens.session_id) == "a phone"
    assert (await security_events_of(identity.db, ada.id))[-1] == "signed_in"


async def test_a_code_is_good_once_and_so_is_what_came_before_it(identity: Identity, ada: Guarded) -> None:
    answers = []
    for steps in (1, 1, 0, -1):
        challenge = await challenge_of(identity, ada)
        request = VerifyTwoFactorRequest(challenge=challenge, code=ada.code(steps))
        answers.append(await reason_of(identity.anybody.VerifyTwoFactor(request)))

    assert answers == ["", *["TWO_FACTOR_CODE_INVALID"] * 3]


async def test_a_challenge_is_good_once(identity: Identity, ada: Guarded) -> None:
    challenge = await challenge_of(identity, ada)
    await identity.anybody.VerifyTwoFactor(VerifyTwoFactorRequest(challenge=challenge, code=ada.code()))

    for proof in ({"code": ada.code(1)}, {"recovery_code": ada.recovery_codes[0]}):
        with pytest.raises(Unauthenticated) as refusal:
            await identity.anybody.VerifyTwoFactor(VerifyTwoFactorRequest(challenge=challenge, **proof))
        assert refusal.value.reason == "TWO_FACTOR_CHALLENGE_INVALID"
    # And what was not taken with it is still good.
    challenge = await challenge_of(identity, ada)
    await identity.anybody.VerifyTwoFactor(
        VerifyTwoFactorRequest(challenge=challenge, recovery_code=ada.recovery_codes[0])
    )


@pytest.mark.parametrize(
    "spoiled",
    [
        "update one_time_tokens set expires_at = now() where user_id = $1 and purpose = 'two_factor'",
        "update one_time_tokens set purpose = 'reset_password' where user_id = $1 and purpose = 'two_factor'",
        "update one_time_tokens set used_at = now() where user_id = $1 and purpose = 'two_factor'",
        "update users set not_before = clock_timestamp() where id = $1",
        "update users set deleted_at = now(), status = 'DELETED' where id = $1",
    ],
)
async def test_a_challenge_that_is_over_takes_no_code(identity: Identity, ada: Guarded, spoiled: str) -> None:
    challenge = await challenge_of(identity, ada)
    await identity.db.pool.execute(spoiled, ada.id)

    request = VerifyTwoFactorRequest(challenge=challenge, code=ada.code())
    assert await reason_of(identity.anybody.VerifyTwoFactor(request)) == "TWO_FACTOR_CHALLENGE_INVALID"


async def test_a_challenge_of_the_old_password_begins_no_session_with_the_new_one(
    identity: Identity, ada: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    challenge = await challenge_of(identity, ada)
    try_challenge = two_factor.try_challenge

    async def then_another_password(on: Any, token: str) -> Any:
        found = await try_challenge(on, token)
        await identity.db.pool.execute(
            "update users set password_hash = 'another', not_before = clock_timestamp() where id = $1", ada.id
        )
        return found

    monkeypatch.setattr(two_factor, "try_challenge", then_another_password)

    request = VerifyTwoFactorRequest(challenge=challenge, code=ada.code())
    assert await reason_of(identity.anybody.VerifyTwoFactor(request)) == "TWO_FACTOR_CHALLENGE_INVALID"


async def test_a_challenge_is_tried_five_times(identity: Identity, ada: Guarded) -> None:
    challenge, wrong = await challenge_of(identity, ada), a_wrong_code(ada)
    reasons = []
    for _ in range(5):
        await identity.db.pool.execute("delete from sign_in_attempts where user_id = $1", ada.id)
        request = VerifyTwoFactorRequest(challenge=challenge, code=wrong)
        reasons.append(await reason_of(identity.anybody.VerifyTwoFactor(request)))

    request = VerifyTwoFactorRequest(challenge=challenge, code=ada.code())
    reasons.append(await reason_of(identity.anybody.VerifyTwoFactor(request)))
    assert reasons == [*["TWO_FACTOR_CODE_INVALID"] * 5, "TWO_FACTOR_CHALLENGE_INVALID"]


async def test_wrong_codes_count_where_an_authenticator_is_confirmed_too(identity: Identity) -> None:
    ada = await identity.stepped_up(await identity.user())
    secret = await enrolled(ada)
    step = totp.step_at(utc_now())
    wrong = a_wrong_code(Guarded(ada, secret, step, []))

    reasons = [await reason_of(ada.client.ConfirmTotp(ConfirmTotpRequest(code=wrong))) for _ in range(5)]
    reasons.append(await reason_of(ada.client.ConfirmTotp(ConfirmTotpRequest(code=totp.code(secret, step)))))

    assert reasons == [*["TWO_FACTOR_CODE_INVALID"] * 5, "TOO_MANY_ATTEMPTS"]
    assert (await security_events_of(identity.db, ada.id)).count("two_factor_failed") == 5


async def test_what_cannot_be_confirmed_is_no_guess(identity: Identity, ada: Guarded) -> None:
    bob = await identity.user()
    for user, reason in ((bob, "TWO_FACTOR_NOT_ENROLLED"), (ada.user, "TWO_FACTOR_ENABLED")):
        reasons = {await reason_of(user.client.ConfirmTotp(ConfirmTotpRequest(code="000000"))) for _ in range(7)}
        assert reasons == {reason}


async def test_wrong_codes_and_wrong_passwords_are_counted_together(identity: Identity, ada: Guarded) -> None:
    wrong = a_wrong_code(ada)
    for _ in range(2):
        sign_in = SignInRequest(email=ada.user.email, password="wrong")
        assert await reason_of(identity.anybody.SignIn(sign_in)) == "CREDENTIALS_INVALID"
    challenge = await challenge_of(identity, ada)  # the right password alone forgets nothing
    verify = VerifyTwoFactorRequest(challenge=challenge, code=wrong)
    assert await reason_of(identity.anybody.VerifyTwoFactor(verify)) == "TWO_FACTOR_CODE_INVALID"
    assert await reason_of(ada.client.StepUp(StepUpRequest(code=wrong))) == "TWO_FACTOR_CODE_INVALID"
    assert await reason_of(ada.client.DisableTotp(DisableTotpRequest(code=wrong))) == "TWO_FACTOR_CODE_INVALID"

    with pytest.raises(ResourceExhausted) as refusal:
        await identity.anybody.VerifyTwoFactor(VerifyTwoFactorRequest(challenge=challenge, code=ada.code()))
    assert (refusal.value.reason, refusal.value.facts) == ("TOO_MANY_ATTEMPTS", {"seconds": "30"})
    counted = "select failed_login_count from users where id = $1"
    assert await identity.db.pool.fetchval(counted, ada.id) == 5
    events = await security_events_of(identity.db, ada.id)
    told = [events.count(each) for each in ("sign_in_failed", "two_factor_failed", "locked_out")]
    assert told == [2, 3, 1]


async def test_a_recovery_code_stands_in_once(identity: Identity, ada: Guarded) -> None:
    code = ada.recovery_codes[3]
    answers = []
    for typed in (code.upper().replace("-", " "), code, ada.recovery_codes[4]):
        challenge = await challenge_of(identity, ada)
        request = VerifyTwoFactorRequest(challenge=challenge, recovery_code=typed)
        answers.append(await reason_of(identity.anybody.VerifyTwoFactor(request)))

    assert answers == ["", "TWO_FACTOR_CODE_INVALID", ""]
    left = await identity.db.pool.fetch(
        "select payload from security_events where user_id = $1 and type = 'recovery_code_used' order by id", ada.id
    )
    assert [row["payload"]["left"] for row in left] == [9, 8]


async def test_anothers_recovery_code_and_authenticator_are_wrong(identity: Identity, ada: Guarded) -> None:
    bob = await guarded(identity)
    for proof in ({"code": bob.code()}, {"recovery_code": bob.recovery_codes[0]}):
        challenge = await challenge_of(identity, ada)
        request = VerifyTwoFactorRequest(challenge=challenge, **proof)
        assert await reason_of(identity.anybody.VerifyTwoFactor(request)) == "TWO_FACTOR_CODE_INVALID"


async def test_new_recovery_codes_end_the_old_ones(identity: Identity, ada: Guarded) -> None:
    answer = await ada.client.RegenerateRecoveryCodes(RegenerateRecoveryCodesRequest())

    assert not set(answer.recovery_codes) & set(ada.recovery_codes)
    challenge = await challenge_of(identity, ada)
    answers = [
        await reason_of(
            identity.anybody.VerifyTwoFactor(VerifyTwoFactorRequest(challenge=challenge, recovery_code=code))
        )
        for code in (ada.recovery_codes[0], answer.recovery_codes[0])
    ]
    assert answers == ["TWO_FACTOR_CODE_INVALID", ""]


@pytest.mark.parametrize("by", ["code", "recovery_code"])
async def test_a_second_factor_is_taken_away_by_a_code_of_it(identity: Identity, ada: Guarded, by: str) -> None:
    proof = {"code": ada.code()} if by == "code" else {"recovery_code": ada.recovery_codes[0]}
    wrong = DisableTotpRequest(code=a_wrong_code(ada))
    assert await reason_of(ada.client.DisableTotp(wrong)) == "TWO_FACTOR_CODE_INVALID"

    await ada.client.DisableTotp(DisableTotpRequest(**proof))

    assert not (await ada.client.GetMe(GetMeRequest())).two_factor_enabled
    assert (await identity.signed_in(ada.user.email, PASSWORD)).id == ada.id
    row = await identity.db.pool.fetchrow(
        "select two_factor_secret, (select count(*) from recovery_codes where user_id = u.id) as codes "
        "from users u where id = $1",
        ada.id,
    )
    assert tuple(row) == (None, 0)
    for again in (
        ada.client.DisableTotp(DisableTotpRequest(**proof)),
        ada.client.RegenerateRecoveryCodes(RegenerateRecoveryCodesRequest()),
    ):
        with pytest.raises(FailedPrecondition) as refusal:
            await again
        assert refusal.value.reason == "TWO_FACTOR_NOT_ENABLED"
    actions = [row["type"] for row in await outbox_of(identity.db, ada.id)]
    assert actions == [
        "user.signed_up",
        "user.two_factor_enrolled",
        "user.two_factor_enabled",
        "user.two_factor_disabled",
    ]


async def test_a_code_that_was_taken_stays_taken_for_the_next_authenticator(identity: Identity, ada: Guarded) -> None:
    """What was accepted last only grows, whatever becomes of the second factor."""
    await ada.client.DisableTotp(DisableTotpRequest(code=ada.code(1)))
    secret = await enrolled(ada.user)

    code = totp.code(secret, ada.step)
    assert await reason_of(ada.client.ConfirmTotp(ConfirmTotpRequest(code=code))) == "TWO_FACTOR_CODE_INVALID"


async def test_stepping_up_takes_what_the_account_has(identity: Identity, ada: Guarded) -> None:
    bob = await identity.user()

    with pytest.raises(InvalidArgument) as refusal:
        await bob.client.StepUp(StepUpRequest(password="wrong"))
    assert (refusal.value.reason, refusal.value.field) == ("PASSWORD_WRONG", "password")
    assert await reason_of(bob.client.StepUp(StepUpRequest(code="123456"))) == "TWO_FACTOR_NOT_ENABLED"
    assert await reason_of(ada.client.StepUp(StepUpRequest(password=PASSWORD))) == "TWO_FACTOR_REQUIRED"
    token = (await ada.client.StepUp(StepUpRequest(code=ada.code()))).access_token
    again = await reason_of(ada.client.StepUp(StepUpRequest(code=ada.code())))
    assert again == "TWO_FACTOR_CODE_INVALID"
    await identity.holder_of(token).RegenerateRecoveryCodes(RegenerateRecoveryCodesRequest())
    assert "stepped_up" in await security_events_of(identity.db, ada.id)


async def test_nobody_steps_up_in_a_session_that_is_over(identity: Identity) -> None:
    ada = await identity.user()
    await ada.client.SignOut(SignOutRequest())

    assert await reason_of(ada.client.StepUp(StepUpRequest(password=PASSWORD))) == "TOKEN_INVALID"


@pytest.mark.parametrize(
    "proofs",
    [{}, {"password": PASSWORD, "code": "123456"}, {"code": "123456", "recovery_code": "abc"}, {"code": "12345"}],
)
async def test_a_proof_is_one_thing(identity: Identity, proofs: dict[str, str]) -> None:
    ada = await identity.user()

    assert await reason_of(ada.client.StepUp(StepUpRequest(**proofs))) == "INVALID_REQUEST"


@pytest.fixture
async def two_servers(server: PostgresServer) -> AsyncIterator[tuple[Identity, Identity]]:
    async with running(server, "", sign_in_tries=100) as one, running(server, "", sign_in_tries=100) as two:
        yield one, two


@pytest.mark.parametrize("by", ["code", "recovery_code"])
async def test_of_twenty_at_once_on_two_servers_one_gets_in(two_servers: tuple[Identity, Identity], by: str) -> None:
    one, two = two_servers
    ada = await guarded(one)
    challenges = [await challenge_of(one, ada) for _ in range(20)]
    proof = {"code": ada.code()} if by == "code" else {"recovery_code": ada.recovery_codes[0]}

    reasons = await asyncio.gather(
        *(
            reason_of(door.anybody.VerifyTwoFactor(VerifyTwoFactorRequest(challenge=challenge, **proof)))
            for door, challenge in zip([one, two] * 10, challenges, strict=True)
        )
    )

    assert sorted(reasons) == ["", *["TWO_FACTOR_CODE_INVALID"] * 19]
    live = "select count(*) from user_sessions where user_id = $1"
    assert await one.db.pool.fetchval(live, ada.id) == 2
    failed = await one.db.pool.fetchval("select failed_login_count from users where id = $1", ada.id)
    assert failed in range(20)


async def test_of_twenty_codes_for_one_challenge_at_once_one_session_comes(
    two_servers: tuple[Identity, Identity],
) -> None:
    one, two = two_servers
    ada = await guarded(one)
    challenge = await challenge_of(one, ada)
    proofs = [{"recovery_code": code} for code in ada.recovery_codes[:3]] + [{"code": ada.code(n)} for n in (0, 1)]

    reasons = await asyncio.gather(
        *(
            reason_of(door.anybody.VerifyTwoFactor(VerifyTwoFactorRequest(challenge=challenge, **proof)))
            for door, proof in zip([one, two] * 3, proofs, strict=False)
        )
    )

    assert reasons.count("") == 1
    assert set(reasons) == {"", "TWO_FACTOR_CHALLENGE_INVALID"}
    used = await one.db.pool.fetchval(
        "select count(*) from recovery_codes where user_id = $1 and used_at is not null", ada.id
    )
    assert used <= 1


async def test_of_many_who_confirm_at_once_one_is_told_recovery_codes(two_servers: tuple[Identity, Identity]) -> None:
    one, two = two_servers
    user = await one.stepped_up(await one.user())
    secret = await enrolled(user)
    token = dict(user.client._metadata)["authorization"].removeprefix("Bearer ")
    step = totp.step_at(utc_now())

    reasons = await asyncio.gather(
        *(
            reason_of(door.holder_of(token).ConfirmTotp(ConfirmTotpRequest(code=totp.code(secret, step + n))))
            for door in (one, two)
            for n in (-1, 0, 1)
        )
    )

    assert sorted(reasons) == ["", *["TWO_FACTOR_ENABLED"] * 5]
    kept = await one.db.pool.fetchval("select count(*) from recovery_codes where user_id = $1", user.id)
    assert kept == 10


async def test_the_secret_is_nowhere_but_sealed_in_its_column(
    identity: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    ada = await guarded(identity)
    challenge = await challenge_of(identity, ada)
    await reason_of(
        identity.anybody.VerifyTwoFactor(VerifyTwoFactorRequest(challenge=challenge, code=a_wrong_code(ada)))
    )
    await identity.anybody.VerifyTwoFactor(VerifyTwoFactorRequest(challenge=challenge, code=ada.code()))
    challenge = await challenge_of(identity, ada)
    await identity.anybody.VerifyTwoFactor(
        VerifyTwoFactorRequest(challenge=challenge, recovery_code=ada.recovery_codes[0])
    )
    await ada.client.DeleteUser(DeleteUserRequest(id=ada.id))

    sealed = await identity.db.pool.fetchval("select two_factor_secret from users where id = $1", ada.id)
    told = "\n".join([caplog.text, *await everything_in(identity.db)])
    bare = [code.replace("-", "") for code in ada.recovery_codes]
    for secret in (totp.text(ada.secret), ada.secret.hex(), challenge, *ada.recovery_codes, *bare):
        assert secret not in told
    assert told.count(sealed) == 1
    assert totp.text(ada.secret) not in sealed


async def test_whoever_gets_or_loses_a_second_factor_is_mailed(identity: Identity, ada: Guarded) -> None:
    await ada.client.DisableTotp(DisableTotpRequest(code=ada.code()))

    mails = await identity.db.pool.fetch(
        "select template, payload from mails where recipient = $1 and template like 'two_factor%' order by id",
        ada.user.email,
    )
    assert [tuple(row) for row in mails] == [
        ("two_factor_enabled", {"user_id": ada.id}),
        ("two_factor_disabled", {"user_id": ada.id}),
    ]


async def everything_in(db: Database) -> list[str]:
    """Every row of the schema, as text."""
    tables = await db.pool.fetch("select tablename from pg_tables where schemaname = 'identity'")
    return [
        row[0]
        for table in tables
        for row in await db.pool.fetch(f"select t::text from identity.{table['tablename']} t")
    ]
