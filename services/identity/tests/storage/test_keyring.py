"""Signing keys: made once for all processes, followed by others, readable with the right secret alone."""

import asyncio
import re
from datetime import UTC, datetime, timedelta

import jwt
import pytest

from lumi_common.clock import utc_now
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_common.errors import Unauthenticated
from lumi_common.principal import Principal
from lumi_common.rpc.auth import Jwks, TokenVerifier
from lumi_identity.domain.signing_key import CACHE_LIFE, LEAD
from services.identity.tests.kit import KEY_FOR_KEYS, a_cipher, a_keyring

ADA = Principal.user(cuid(), ["orders.read"], cuid())
GUEST = Principal("guest", ADA.id, ADA.id)


@pytest.fixture(autouse=True)
async def no_keys(db: Database) -> None:
    await db.pool.execute("delete from signing_keys")


async def test_several_processes_that_start_at_once_agree_on_one_key(db: Database) -> None:
    keyrings = [a_keyring(db) for _ in range(5)]

    await asyncio.gather(*(keyring.refresh() for keyring in keyrings))

    assert await db.pool.fetchval("select count(*) from signing_keys") == 1
    token, _ = keyrings[0].sign(ADA)
    assert await TokenVerifier(keyrings[4].jwks).verify(token) == ADA


async def test_a_key_is_published_before_it_signs_and_after_it_has_signed(db: Database) -> None:
    now = utc_now()
    keyring = a_keyring(db, clock=lambda: now, life=timedelta(days=1))
    await keyring.refresh()
    old, _ = keyring.sign(ADA)

    now += timedelta(days=1)
    await keyring.refresh()
    during, _ = keyring.sign(ADA)
    assert len((await keyring.jwks())["keys"]) == 2

    now += LEAD
    await keyring.refresh()
    new, _ = keyring.sign(ADA)

    verifier = TokenVerifier(keyring.jwks, clock=lambda: utc_now().timestamp())
    kids = [token_kid(token) for token in (old, during, new)]
    assert kids[0] == kids[1] != kids[2]
    assert await verifier.verify(old) == ADA


async def test_a_guests_token_is_verified_as_long_as_it_lives_however_many_keys_came_since(db: Database) -> None:
    now = utc_now()
    keyring = a_keyring(db, clock=lambda: now, life=timedelta(days=1))
    await keyring.refresh()
    now += timedelta(days=1)  # the last day of the key
    token, expires = keyring.sign(GUEST)
    assert expires == int(now.timestamp()) + 30 * 24 * 3600

    async def verified() -> Principal:
        return await TokenVerifier(keyring.jwks, clock=lambda: now.timestamp()).verify(token)

    for _ in range(30):
        await keyring.refresh()
        assert await verified() == GUEST
        now += timedelta(days=1)
    with pytest.raises(Unauthenticated, match="TOKEN_EXPIRED"):
        await verified()


async def test_no_token_outlives_the_key_that_signed_it(db: Database) -> None:
    now = utc_now()
    await a_keyring(db, clock=lambda: now, life=timedelta(days=1), guest_ttl=600).refresh()
    now += timedelta(days=1)

    keyring = a_keyring(db, clock=lambda: now, life=timedelta(days=1))
    await keyring.refresh()
    _, expires = keyring.sign(GUEST)

    [first, _] = [row["retire_at"] for row in await db.pool.fetch("select retire_at from signing_keys order by kid")]
    assert timedelta(0) <= first - datetime.fromtimestamp(expires, UTC) < timedelta(seconds=2)


async def test_the_private_half_is_not_in_the_table_and_not_in_the_key_set(db: Database) -> None:
    keyring = a_keyring(db)
    await keyring.refresh()

    row = await db.pool.fetchrow("select * from signing_keys")
    [jwk] = (await keyring.jwks())["keys"]

    assert "d" not in jwk
    assert "d" not in row["public_jwk"]
    assert re.fullmatch(rb"k1\.[A-Za-z0-9_-]{80}", row["private_key"])  # nonce, key and tag


async def test_another_encryption_key_is_told_of_at_the_start(db: Database) -> None:
    await a_keyring(db).refresh()
    stranger = a_keyring(db, cipher=a_cipher({1: "other"}))

    with pytest.raises(ValueError, match="another key"):
        await stranger.refresh()


async def test_keys_are_sealed_anew_with_the_next_encryption_key_and_the_old_one_can_go(db: Database) -> None:
    await a_keyring(db).refresh()
    both = a_keyring(db, cipher=a_cipher({1: KEY_FOR_KEYS, 2: "the next one"}))
    await asyncio.gather(both.refresh(), a_keyring(db, cipher=a_cipher({1: KEY_FOR_KEYS, 2: "the next one"})).refresh())

    alone = a_keyring(db, cipher=a_cipher({2: "the next one"}))
    await alone.refresh()

    assert await TokenVerifier(both.jwks).verify(alone.sign(ADA)[0]) == ADA
    with pytest.raises(ValueError, match="no key opens"):
        await a_keyring(db).refresh()


class Process:
    """One of several that share the table: it reads the keys every half cache life, at a time of its own."""

    def __init__(self, db: Database, clock: list[datetime], begins: int) -> None:
        self.keyring = a_keyring(db, clock=lambda: clock[0], life=timedelta(days=1))
        self._begins = begins

    async def tick(self, second: int) -> None:
        if (second - self._begins) % (CACHE_LIFE.total_seconds() // 2) == 0:
            await self.keyring.refresh()


@pytest.mark.parametrize("way", ["at the end of its life", "by hand"])
async def test_not_one_good_token_is_refused_while_keys_rotate(db: Database, way: str) -> None:
    now = [utc_now()]
    start = now[0]
    processes = [Process(db, now, begins) for begins in (0, 10)]
    for process in processes:
        await process.keyring.refresh()
    # Another service's verifier, which asks whichever process answers.
    asked = 0

    async def keys() -> Jwks:
        nonlocal asked
        asked += 1
        return await processes[asked % 2].keyring.jwks()

    verifier = TokenVerifier(keys, clock=lambda: now[0].timestamp())
    tokens: list[str] = []
    if way == "by hand":
        await a_keyring(db, clock=lambda: now[0], life=timedelta(days=1)).rotate()
    else:
        now[0] = start = start + timedelta(days=1)

    for second in range(0, 600, 5):
        now[0] = start + timedelta(seconds=second)
        for process in processes:
            await process.tick(second)
            tokens.append(process.keyring.sign(ADA)[0])
        for token in tokens[-20:]:
            assert await verifier.verify(token) == ADA
        await verifier.renew()

    assert len({token_kid(token) for token in tokens}) == 2
    assert await db.pool.fetchval("select count(*) from signing_keys") == 2
    # Once everybody knows that it has begun, both sign with the new one.
    assert len({token_kid(token) for token in tokens[-20:]}) == 1


async def test_rotating_twice_makes_one_key(db: Database) -> None:
    keyring = a_keyring(db)
    await keyring.refresh()

    await asyncio.gather(keyring.rotate(), a_keyring(db).rotate())

    assert await db.pool.fetchval("select count(*) from signing_keys") == 2


async def test_a_withdrawn_key_is_good_for_nothing_once_the_caches_have_run_out(db: Database) -> None:
    now = utc_now()
    keyring, command = a_keyring(db, clock=lambda: now), a_keyring(db, clock=lambda: now)
    await keyring.refresh()
    verifier = TokenVerifier(keyring.jwks, clock=lambda: now.timestamp())
    leaked, _ = keyring.sign(ADA)
    assert await verifier.verify(leaked) == ADA

    await command.withdraw(token_kid(leaked))
    now += CACHE_LIFE
    await keyring.refresh()
    await verifier.renew()

    assert verifier.remembered(leaked) is None
    with pytest.raises(Unauthenticated, match="TOKEN_INVALID"):
        await verifier.verify(leaked)
    fresh, _ = keyring.sign(ADA)
    assert token_kid(fresh) != token_kid(leaked)
    assert await verifier.verify(fresh) == ADA
    for kid in (token_kid(leaked), "unknown"):
        with pytest.raises(LookupError, match=kid):
            await command.withdraw(kid)


def token_kid(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])
