"""The secret of a second factor at rest, and its key's change."""

import asyncio
import threading
from base64 import b32decode
from typing import Any

import pytest

from lumi_common.clock import utc_now
from lumi_common.context import Context
from lumi_common.db.database import Database
from lumi_common.errors import ResourceExhausted
from lumi_common.principal import Principal
from lumi_identity.domain import totp
from lumi_identity.domain.cipher import Cipher
from lumi_identity.threads import Threads
from lumi_identity.workflows.sign_in import Challenge
from lumi_identity.workflows.two_factor import Proof, TwoFactor
from services.identity.tests.kit import PASSWORD, Doors, a_user, doors_of, outbox_of

OLD, NEW = b"the key of last year, to be retired", b"the key of this year, which is present"


class Authenticator:
    """Of a user who has one, and the server that asks for its codes."""

    def __init__(self, db: Database, doors: Doors, user_id: str) -> None:
        self._db, self.doors, self.user_id = db, doors, user_id
        self.context = Context("TwoFactorService/EnrollTotp", Principal.user(user_id))
        self._secret, self._step = b"", totp.step_at(utc_now()) - 1

    def server(self, keys: dict[int, bytes], current: int) -> TwoFactor:
        return TwoFactor(
            self._db,
            cipher=Cipher(keys, current=current, use="second factors"),
            attempts=self.doors.attempts,
            clock=utc_now,
            issuer="Lumi",
        )

    async def set_up(self, server: TwoFactor) -> None:
        enrolment = await server.enrol(self.context)
        self._secret = b32decode(enrolment.secret)
        await server.confirm(self.context, self.next_code())

    async def accepted(self, server: TwoFactor) -> bool:
        async with self._db.transaction(self.context) as tx:
            return await server.accept(tx, self.context, self.user_id, Proof(self.next_code(), ""))

    def next_code(self) -> str:
        code = totp.code(self._secret, self._step)
        self._step += 1
        return code

    async def sealed(self) -> Any:
        return await self._db.pool.fetchval("select two_factor_secret from users where id = $1", self.user_id)


@pytest.fixture
async def ada(db: Database, context: Context) -> Authenticator:
    doors = await doors_of(db)
    left = totp.STEP_SECONDS - utc_now().timestamp() % totp.STEP_SECONDS
    if left < 3:
        await asyncio.sleep(left)
    return Authenticator(db, doors, (await a_user(doors, context)).id)


async def test_the_key_is_changed_and_the_old_one_can_be_thrown_away(db: Database, ada: Authenticator) -> None:
    await ada.set_up(ada.server({1: OLD}, 1))
    before = await ada.sealed()
    assert before.startswith("k1.")

    assert await ada.accepted(ada.server({1: OLD, 2: NEW}, 2))

    assert (await ada.sealed()).startswith("k2.")
    assert await ada.accepted(ada.server({2: NEW}, 2))
    records = [row["records"][0] for row in await outbox_of(db, ada.user_id)]
    resealed = next(each for each in records if each["action"] == "user.two_factor_resealed")
    assert resealed["before"] == resealed["after"] == {"two_factor_secret": "[redacted]"}


async def test_without_its_key_a_secret_is_a_fault_and_no_wrong_code(ada: Authenticator) -> None:
    await ada.set_up(ada.server({1: OLD}, 1))

    with pytest.raises(ValueError, match="no key opens"):
        await ada.accepted(ada.server({2: NEW}, 2))


async def test_a_secret_in_anothers_row_opens_nothing(db: Database, ada: Authenticator, context: Context) -> None:
    server = ada.server({1: OLD}, 1)
    await ada.set_up(server)
    bob = await a_user(await doors_of(db), context)
    await db.pool.execute(
        "update users set two_factor_enabled = true, two_factor_secret = $2 where id = $1", bob.id, await ada.sealed()
    )

    async with db.transaction(context) as tx:
        with pytest.raises(ValueError, match="another key"):
            await server.accept(tx, context, bob.id, Proof("123456", ""))


async def test_whoever_finds_no_room_keeps_the_code_and_the_challenge(
    db: Database, ada: Authenticator, context: Context
) -> None:
    await ada.set_up(ada.doors.two_factor)
    email = await db.pool.fetchval("select email from users where id = $1", ada.user_id)
    signing_in = ada.doors.signing_in
    challenge = await signing_in.sign_in(context, email=email, password=PASSWORD, fingerprint=None)
    assert isinstance(challenge, Challenge)
    given: dict[str, Any] = {"challenge": challenge.token, "proof": Proof(ada.next_code(), ""), "fingerprint": None}
    hashed, ada.doors.sessions._token_threads = threading.Event(), Threads("tokens", threads=1, waiting=0)
    hashing = asyncio.create_task(ada.doors.sessions._token_threads.run(hashed.wait))
    await asyncio.sleep(0)

    with pytest.raises(ResourceExhausted, match="OVERLOADED"):
        await signing_in.verify(context, **given)
    hashed.set()
    await hashing

    assert (await signing_in.verify(context, **given)).user.id == ada.user_id


async def test_no_recovery_code_is_kept_as_it_is(db: Database, ada: Authenticator) -> None:
    server = ada.server({1: OLD}, 1)
    await ada.set_up(server)
    codes = await server.regenerate(ada.context)

    kept = await db.pool.fetch("select code_hash from recovery_codes where user_id = $1", ada.user_id)
    assert len({row["code_hash"] for row in kept}) == 10
    assert all(len(row["code_hash"]) == 64 for row in kept)
    assert not {code.replace("-", "") for code in codes} & {row["code_hash"] for row in kept}
