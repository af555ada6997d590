"""Signing in with a second factor by JSON over HTTP, and what a guesser is told."""

from base64 import b32decode
from typing import Any
from uuid import uuid4

from lumi_common.clock import utc_now
from lumi_identity.domain import totp
from tests.kit.door import PASSWORD, Door


async def asked(door: Door, path: str, body: dict[str, Any], token: str = "") -> tuple[int, dict[str, Any]]:
    """Status and body of the answer to a POST."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    answer = await door.http.post(path, json=body, headers=headers)
    return answer.status_code, answer.json()


async def got(door: Door, path: str, body: dict[str, Any], token: str = "") -> dict[str, Any]:
    """The body of an answer that has to be good."""
    status, found = await asked(door, path, body, token)
    assert status == 200, found
    return found


async def test_an_authenticator_is_set_up_and_asked_for(door: Door) -> None:
    account = {"email": f"{uuid4().hex}@example.com", "password": PASSWORD}
    await got(door, "/v1/auth:signUp", account)
    token = (await got(door, "/v1/auth:signIn", account))["tokens"]["accessToken"]

    status, refused = await asked(door, "/v1/users/me/totp:enroll", {}, token)
    assert (status, refused["details"][0]["reason"]) == (403, "STEP_UP_REQUIRED")
    token = (await got(door, "/v1/auth:stepUp", {"password": PASSWORD}, token))["accessToken"]
    secret = b32decode((await got(door, "/v1/users/me/totp:enroll", {}, token))["secret"])
    step = totp.step_at(utc_now())
    confirmed = await got(door, "/v1/users/me/totp:confirm", {"code": totp.code(secret, step)}, token)
    assert len(confirmed["recoveryCodes"]) == 10

    challenge = (await got(door, "/v1/auth:signIn", account))["twoFactorChallenge"]["token"]
    proof = {"challenge": challenge, "code": totp.code(secret, step + 1)}
    assert (await got(door, "/v1/auth:verifyTwoFactor", proof))["user"]["twoFactorEnabled"] is True
    status, refused = await asked(door, "/v1/auth:verifyTwoFactor", proof)
    assert (status, refused["details"][0]["reason"]) == (401, "TWO_FACTOR_CHALLENGE_INVALID")

    proof = {"recoveryCode": confirmed["recoveryCodes"][0]}
    await got(door, "/v1/users/me/totp:disable", proof, token)
    assert "tokens" in await got(door, "/v1/auth:signIn", account)


async def test_a_guesser_is_told_how_long_to_wait(door: Door) -> None:
    guess = {"email": f"{uuid4().hex}@example.com", "password": "wrong"}

    answers = [await asked(door, "/v1/auth:signIn", guess) for _ in range(6)]

    assert [status for status, _ in answers] == [401] * 5 + [429]
    told = {each["@type"].rpartition(".")[2]: each for each in answers[-1][1]["details"]}
    assert told["ErrorInfo"]["reason"] == "TOO_MANY_ATTEMPTS"
    assert told["RetryInfo"]["retryDelay"] == f"{told['ErrorInfo']['metadata']['seconds']}s"
