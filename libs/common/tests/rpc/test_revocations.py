"""What was taken from somebody is refused in a process that only hears of it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from lumi.identity.v1 import auth_pb2, auth_pb2_grpc

from libs.common.tests.rpc.echo import id_of
from lumi_common.errors import Unauthenticated, Unavailable
from lumi_common.principal import Principal
from lumi_common.rpc.auth import Jwks, TokenSigner, TokenVerifier, public_jwk
from lumi_common.rpc.channel import PeerChannel
from lumi_common.rpc.claims import USER_SECONDS
from lumi_common.rpc.convert import time_to_proto
from lumi_common.rpc.jwks import revocations_of
from lumi_common.rpc.revocations import Revocation, Revocations, Told
from lumi_common.rpc.shared import AGAIN_SECONDS

ADA = Principal.user(id_of("ada"), ["orders.read"], id_of("session"))


class World:
    """A clock, what identity tells after each cursor, and whoever asks it."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.told: list[Told] = []
        self.asked: list[str] = []
        self.away = False
        self.signer = TokenSigner(Ed25519PrivateKey.generate(), "key-1", ttl=600)
        self.revocations = Revocations(self.source, clock=lambda: self.now)
        self.verifier = TokenVerifier(self.keys, revocations=self.revocations, clock=lambda: self.now)

    async def source(self, cursor: str) -> Told:
        self.asked.append(cursor)
        if self.away:
            raise Unavailable("UNAVAILABLE")
        return self.told.pop(0) if self.told else Told([], cursor, more=False)

    async def keys(self) -> Jwks:
        return {"keys": [public_jwk(self.signer.key.public_key(), self.signer.kid)]}

    def token(self, *, before: float = 0) -> str:
        return self.signer.sign(ADA, now=self.now - before)[0]

    async def revoke(self, id: str, *, ago: float = 0) -> None:
        self.told.append(Told([Revocation(id, datetime.fromtimestamp(self.now - ago, UTC))], "1", more=False))
        await self.revocations.look()

    async def is_taken(self, token: str) -> bool:
        with suppress(Unauthenticated):
            return await self.verifier.verify(token) == ADA
        with pytest.raises(Unauthenticated, match="TOKEN_INVALID"):
            await self.verifier.verify(token)
        return False


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("id", [ADA.id, ADA.session_id])
async def test_what_was_issued_before_is_refused_though_it_was_taken_and_remembered(world: World, id: str) -> None:
    old = world.token(before=1)
    assert await world.is_taken(old)
    assert world.verifier.remembered(old) == ADA

    await world.revoke(id, ago=0.5)

    assert world.verifier.remembered(old) is None
    assert not await world.is_taken(old)
    assert not await world.is_taken(world.token(before=0.501))
    assert await world.is_taken(world.token())


async def test_another_user_is_not_concerned(world: World) -> None:
    await world.revoke(id_of("bob"))
    await world.revoke(id_of("another"))

    assert await world.is_taken(world.token(before=1))


async def test_of_two_moments_the_later_counts_whichever_is_heard_last(world: World) -> None:
    await world.revoke(ADA.id, ago=1)
    await world.revoke(ADA.id, ago=5)

    assert not await world.is_taken(world.token(before=3))


async def test_the_moment_is_exact_to_the_millisecond_and_in_doubt_refuses(world: World) -> None:
    await world.verifier.verify(world.token())
    world.revocations.note([Revocation(ADA.id, datetime(2027, 1, 15, 8, 0, 0, 500_300, UTC))])
    world.now = datetime(2027, 1, 15, 8, 0, 0, 500_900, UTC).timestamp()

    assert world.revocations.not_before[ADA.id] % 1000 == 501
    assert not await world.is_taken(world.token())
    world.now += 0.001
    assert await world.is_taken(world.token())


async def test_it_goes_on_from_the_last_cursor_and_reads_what_comes_in_parts_to_its_end(world: World) -> None:
    parts = [Revocation(id_of(name), datetime.now(UTC)) for name in ("a", "b", "c")]
    world.told = [Told([part], str(n), more=n < 2) for n, part in enumerate(parts)]

    await world.revocations.look()
    await world.revocations.look()

    assert world.asked == ["", "0", "1", "2"]
    assert world.revocations.not_before.keys() == {part.id for part in parts}


async def test_what_broke_off_in_the_middle_is_asked_for_again_from_its_beginning(world: World) -> None:
    world.told = [Told([], "1", more=False), Told([], "2", more=True)]
    await world.revocations.look()

    async def broken(cursor: str) -> Told:
        if cursor == "2":
            raise Unavailable("UNAVAILABLE")
        return await world.source(cursor)

    world.revocations._source = broken
    await world.revocations.look()
    world.asked.clear()
    await world.revocations.look()

    assert world.asked == ["1"]


async def test_while_identity_is_away_what_is_known_stays_and_one_line_says_so(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await world.revoke(ADA.id)
    world.away = True
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            await world.revocations.look()

    assert [record.message for record in caplog.records] == ["revocations cannot be had"]
    assert not await world.is_taken(world.token(before=1))


async def test_nobody_is_let_in_before_it_is_known_what_was_revoked(world: World) -> None:
    world.away = True
    for _ in range(3):
        with pytest.raises(Unavailable):
            await world.verifier.verify(world.token())
    assert len(world.asked) == 1

    world.away, world.now = False, world.now + AGAIN_SECONDS
    world.told = [Told([Revocation(ADA.id, datetime.fromtimestamp(world.now, UTC))], "1", more=False)]
    assert not await world.is_taken(world.token(before=1))


async def test_many_who_wait_wait_for_one_attempt_though_who_began_it_is_gone(world: World) -> None:
    answer = asyncio.Event()

    async def late(cursor: str) -> Told:
        await answer.wait()
        return await world.source(cursor)

    world.away, world.revocations._source = True, late
    first, *waiting = [asyncio.create_task(world.verifier.verify(world.token())) for _ in range(300)]
    await asyncio.sleep(0.01)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    answer.set()
    outcomes = await asyncio.gather(*waiting, world.verifier.verify(world.token()), return_exceptions=True)

    assert {type(each) for each in outcomes} == {Unavailable}
    assert world.asked == [""]


async def test_what_is_known_after_a_failure_lets_in_at_once(world: World) -> None:
    world.away = True
    with pytest.raises(Unavailable):
        await world.verifier.verify(world.token())

    world.away = False
    await world.revocations.look()
    assert await world.is_taken(world.token())


async def test_it_is_forgotten_when_no_token_can_be_that_old(world: World) -> None:
    await world.revoke(ADA.id)
    world.now += USER_SECONDS
    await world.revocations.look()
    assert ADA.id in world.revocations.not_before

    world.now += 122
    await world.revocations.look()
    assert world.revocations.not_before == {}


async def test_a_peer_asks_identity_over_the_wire() -> None:
    when = datetime(2026, 11, 26, 12, 0, 0, 123_456, UTC)

    class Identity(auth_pb2_grpc.AuthServiceServicer):
        async def ListRevocations(
            self, request: auth_pb2.ListRevocationsRequest, context: object
        ) -> auth_pb2.ListRevocationsResponse:
            told = auth_pb2.Revocation(id=request.cursor, not_before=time_to_proto(when))
            return auth_pb2.ListRevocationsResponse(revocations=[told], next_cursor="next", more=True)

    server = grpc.aio.server()
    auth_pb2_grpc.add_AuthServiceServicer_to_server(Identity(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    identity = PeerChannel("identity", f"127.0.0.1:{port}", caller="orders", tls=None)
    ask: Callable[[str], Awaitable[Told]] = revocations_of(identity)

    assert await ask("1") == Told([Revocation("1", when)], "next", more=True)

    await identity.close()
    await server.stop(0)
