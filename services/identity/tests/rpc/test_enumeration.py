"""Whether there is an account is told by nothing: not by the bytes of an answer, nor by the time that it takes."""

from time import perf_counter
from uuid import uuid4

import grpc
import pytest
from lumi.identity.v1.auth_pb2 import SignInRequest
from lumi.identity.v1.auth_pb2_grpc import AuthServiceStub

from lumi_local.postgres import PostgresServer
from services.identity.tests.kit import PASSWORD, an_email
from services.identity.tests.rpc.clients import Identity, SignedIn
from services.identity.tests.rpc.conftest import running

_ROUNDS = 15


class Stranger:
    """Who sees of an answer all that comes over the wire."""

    def __init__(self, identity: Identity) -> None:
        self._stub = AuthServiceStub(identity.public)

    async def tries(self, email: str) -> tuple[object, ...]:
        """What is refused, in all its bytes."""
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await self._stub.SignIn(SignInRequest(email=email, password="wrong"), timeout=20)
        error = refusal.value
        trailers = {key: value for key, value in error.trailing_metadata() or () if "trace" not in key}
        return error.code(), error.details(), tuple(sorted(trailers.items()))

    async def times(self, email: str) -> float:
        """Seconds until the refusal."""
        began = perf_counter()
        await self.tries(email)
        return perf_counter() - began


async def accounts(identity: Identity) -> dict[str, str]:
    """E-mails of accounts of each kind, by the kind."""
    live, suspended, deleted = [await identity.user() for _ in range(3)]
    await change(identity, suspended, "status = 'SUSPENDED'")
    await change(identity, deleted, "status = 'DELETED', deleted_at = now()")
    return {
        "live": live.email,
        "suspended": suspended.email,
        "deleted": deleted.email,
        "unknown": an_email(),
        "in other letters": live.email.upper(),
    }


async def change(identity: Identity, user: SignedIn, to: str) -> None:
    await identity.db.pool.execute(f"update users set {to} where id = $1", user.id)


async def test_every_wrong_password_is_refused_in_the_same_bytes(identity: Identity) -> None:
    emails, stranger = await accounts(identity), Stranger(identity)

    refused = {kind: await stranger.tries(email) for kind, email in emails.items()}

    assert len(set(refused.values())) == 1, refused


async def test_waiting_is_told_in_the_same_bytes(identity: Identity) -> None:
    emails, stranger = await accounts(identity), Stranger(identity)
    del emails["in other letters"]

    refused = {kind: [await stranger.tries(email) for _ in range(7)] for kind, email in emails.items()}

    assert len({str(answers) for answers in refused.values()}) == 1, refused
    code, _, trailers = refused["unknown"][-1]
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert b"google.rpc.RetryInfo" in dict(trailers)["grpc-status-details-bin"]  # type: ignore[call-overload]


async def test_suspension_is_told_after_the_right_password_only(identity: Identity) -> None:
    ada = await identity.user()
    await change(identity, ada, "status = 'SUSPENDED'")

    for password, code in ((uuid4().hex, "UNAUTHENTICATED"), (PASSWORD, "FAILED_PRECONDITION")):
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await AuthServiceStub(identity.public).SignIn(SignInRequest(email=ada.email, password=password), timeout=20)
        assert refusal.value.code().name == code


async def test_every_wrong_password_takes_as_long(server: PostgresServer) -> None:
    """The fastest of each, which whatever else the machine does cannot hasten; they may differ by half.

    A hash is the greater part of an answer here, and nearly all of it in earnest, where it costs sixteen times as much.
    """
    taken: dict[str, list[float]] = {}
    async with running(server, "", bcrypt_cost=8) as identity:
        stranger = Stranger(identity)
        for _ in range(_ROUNDS):
            for kind, email in (await accounts(identity)).items():
                taken.setdefault(kind, []).append(await stranger.times(email))

    fastest = {kind: min(seconds) for kind, seconds in taken.items()}
    assert max(fastest.values()) < 2 * min(fastest.values()), fastest
