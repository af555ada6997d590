"""Signing keys: made once for all processes, followed by others, readable with the right secret alone."""

import asyncio
from datetime import UTC, datetime, timedelta

import jwt
import pytest

from lumi_common.clock import utc_now
from lumi_common.db.database import Database
from lumi_common.errors import Unauthenticated
from lumi_common.principal import Principal
from lumi_common.rpc.auth import TokenVerifier
from lumi_identity.domain.signing_key import LEAD, KeyCipher
from services.identity.tests.kit import a_keyring

ADA = Principal.user("ada", ["orders.read"], "a session")
GUEST = Principal("guest", "somebody", "somebody")


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
    assert len(row["private_key"]) == 12 + 32 + 16


async def test_another_encryption_key_is_told_of_at_the_start(db: Database) -> None:
    await a_keyring(db).refresh()
    stranger = a_keyring(db, cipher=KeyCipher(b"other"))

    with pytest.raises(ValueError, match="another key"):
        await stranger.refresh()


def token_kid(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])
