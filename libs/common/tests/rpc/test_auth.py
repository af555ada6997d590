import asyncio

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from lumi.identity.v1 import auth_pb2, auth_pb2_grpc

from libs.common.tests.rpc.echo import id_of
from libs.common.tests.rpc.refusals import refused
from lumi_common.errors import Unauthenticated, Unavailable
from lumi_common.principal import Principal
from lumi_common.rpc.auth import TokenSigner, TokenVerifier, public_jwk
from lumi_common.rpc.channel import PeerChannel
from lumi_common.rpc.jwks import keys_of
from lumi_common.rpc.shared import AGAIN_SECONDS

USER = Principal(
    "user", id_of("user"), id_of("session"), frozenset({"orders.read", "orders.cancel"}), stepped_up_until=1_100
)


class World:
    """A clock, the keys that identity publishes, and how often they were asked for."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.signers = [self.signer("key-1")]
        self.asked = 0
        self.away = False
        self.verifier = TokenVerifier(self.keys, clock=lambda: self.now)

    def signer(self, kid: str) -> TokenSigner:
        return TokenSigner(Ed25519PrivateKey.generate(), kid, ttl=600)

    async def keys(self) -> dict[str, object]:
        self.asked += 1
        if self.away:
            raise Unavailable("UNAVAILABLE")
        return {"keys": [public_jwk(each.key.public_key(), each.kid) for each in self.signers]}

    def token(self, signer: TokenSigner | None = None) -> str:
        return (signer or self.signers[0]).sign(USER, now=self.now)[0]

    def forged(self, headers: dict[str, str] | None = None, *, key: object = None, algorithm="EdDSA", **claims) -> str:
        claims = {
            "iss": "lumi",
            "aud": "lumi",
            "sub": USER.id,
            "sid": USER.session_id,
            "kind": "user",
            "jti": "c1",
            "iat": int(self.now),
            "exp": int(self.now) + 60,
            **claims,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        headers = {"typ": "at+jwt", "kid": "key-1", **(headers or {})}
        return jwt.encode(claims, key or self.signers[0].key, algorithm=algorithm, headers=headers)


@pytest.fixture
def world() -> World:
    return World()


async def refusal(world: World, token: str) -> str:
    with pytest.raises(Unauthenticated) as refused:
        await world.verifier.verify(token)
    return refused.value.reason


async def test_a_token_tells_who_signed_in(world):
    assert await world.verifier.verify(world.token()) == USER


async def test_a_token_verified_once_is_remembered_until_it_expires(world):
    token = world.token()
    assert world.verifier.remembered(token) is None
    principal = await world.verifier.verify(token)

    world.now += 599
    assert world.verifier.remembered(token) is principal
    world.now += 1
    assert world.verifier.remembered(token) is None
    assert await refusal(world, token) == "TOKEN_EXPIRED"


@pytest.mark.parametrize(
    "claims",
    [
        *({name: None} for name in ("iss", "aud", "sub", "sid", "iat", "exp", "jti", "kind")),
        *({"iss": "other"}, {"aud": "other"}, {"kind": "service"}, {"sub": ""}, {"iat": 2_000}),
        {"permissions": "orders.read"},
    ],
    ids=str,
)
async def test_a_claim_that_is_missing_or_not_ours_is_refused(world, claims):
    assert await refusal(world, world.forged(**claims)) == "TOKEN_INVALID"


async def test_another_kind_of_token_or_algorithm_is_refused(world):
    public = public_jwk(world.signers[0].key.public_key(), "key-1")["x"]

    assert await refusal(world, world.forged({"typ": "JWT"})) == "TOKEN_INVALID"
    assert await refusal(world, world.forged(key=public.ljust(64, "A"), algorithm="HS256")) == "TOKEN_INVALID"
    assert await refusal(world, jwt.encode({"sub": USER.id}, None, algorithm="none")) == "TOKEN_INVALID"
    assert await refusal(world, "garbage") == "TOKEN_INVALID"
    assert await refusal(world, "x" * 10_000) == "TOKEN_INVALID"


async def test_a_token_signed_by_a_stranger_is_refused(world):
    assert await refusal(world, world.token(world.signer("key-1"))) == "TOKEN_INVALID"


async def test_keys_are_asked_for_once_a_minute(world):
    for _ in range(3):
        await world.verifier.verify(world.token())
        world.now += 15
    assert world.asked == 1

    world.now += 30
    await world.verifier.verify(world.token())
    assert world.asked == 2


async def test_a_new_key_is_fetched_when_a_token_names_it_and_unknown_ones_do_not_storm_identity(world):
    await world.verifier.verify(world.token())
    world.now += 10
    world.signers.insert(0, world.signer("key-2"))
    assert await world.verifier.verify(world.token()) == USER
    assert world.asked == 2

    for _ in range(20):
        assert await refusal(world, world.token(world.signer("key-of-a-stranger"))) == "TOKEN_INVALID"
    assert world.asked == 2


async def test_a_withdrawn_key_takes_its_remembered_tokens_along(world):
    old = world.token()
    await world.verifier.verify(old)
    world.signers = [world.signer("key-2")]
    world.now += 61
    await world.verifier.verify(world.token())

    assert await refusal(world, old) == "TOKEN_INVALID"


async def test_known_keys_stay_good_while_identity_is_away(world):
    await world.verifier.verify(world.token())
    world.away, world.now = True, world.now + 300

    assert await world.verifier.verify(world.token()) == USER


async def test_without_any_key_the_service_is_unavailable_and_soon_tries_again(world):
    world.away = True
    for _ in range(3):
        with pytest.raises(Unavailable):
            await world.verifier.verify(world.token())
    assert world.asked == 1

    world.away, world.now = False, world.now + AGAIN_SECONDS
    assert await world.verifier.verify(world.token()) == USER


@pytest.mark.parametrize("gone", [0, 1], ids=["all stay", "who began is gone"])
async def test_many_who_wait_for_keys_wait_for_one_attempt(world, gone):
    answer = asyncio.Event()

    async def late():
        world.asked += 1
        await answer.wait()
        raise Unavailable("UNAVAILABLE")

    verifier = TokenVerifier(late, clock=lambda: world.now)
    waiting = [asyncio.create_task(verifier.verify(world.token())) for _ in range(300)]
    await asyncio.sleep(0.01)
    for task in waiting[:gone]:
        task.cancel()
    await asyncio.sleep(0)
    answer.set()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)

    assert world.asked == 1
    assert [type(each) for each in outcomes[gone:]] == [Unavailable] * (300 - gone)
    assert len(set(map(id, outcomes[gone:]))) == 300 - gone


async def test_no_more_tokens_are_remembered_than_there_is_room_for(world):
    verifier = TokenVerifier(world.keys, cache_size=2, clock=lambda: world.now)
    tokens = [world.token() for _ in range(3)]
    for token in tokens:
        await verifier.verify(token)

    assert [verifier.remembered(token) is not None for token in tokens] == [False, True, True]


async def test_a_bad_token_is_refused_even_where_none_is_needed(ask, bearer):

    for header in ("Bearer garbage", "Basic dXNlcjpwYXNz", "Bearer"):
        async with refused("UNAUTHENTICATED", "TOKEN_INVALID"):
            await ask("Say", metadata=(("authorization", header),))


async def test_keys_are_asked_of_identity(world):
    class Identity(auth_pb2_grpc.AuthServiceServicer):
        async def GetJwks(self, request, context):
            return auth_pb2.Jwks(keys=[auth_pb2.Jwk(**key) for key in (await world.keys())["keys"]])

    server = grpc.aio.server()
    auth_pb2_grpc.add_AuthServiceServicer_to_server(Identity(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    identity = PeerChannel("identity", f"127.0.0.1:{port}", caller="orders", tls=None)

    verifier = TokenVerifier(keys_of(identity), clock=lambda: world.now)
    assert await verifier.verify(world.token()) == USER

    await identity.close()
    await server.stop(0)
