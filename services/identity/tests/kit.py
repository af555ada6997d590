"""What identity's tests share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg

from lumi_common.clock import utc_now
from lumi_common.context import Context
from lumi_common.db.database import Database
from lumi_identity.domain.cipher import Cipher
from lumi_identity.domain.lockout import Keys, Lockout
from lumi_identity.domain.password_policy import PasswordPolicy
from lumi_identity.domain.passwords import Passwords
from lumi_identity.domain.session import RefreshTokens
from lumi_identity.domain.user import User
from lumi_identity.threads import Threads
from lumi_identity.workflows.accounts import Accounts
from lumi_identity.workflows.attempts import Attempts
from lumi_identity.workflows.keyring import Keyring
from lumi_identity.workflows.sessions import Sessions
from lumi_identity.workflows.sign_in import SignedIn, SignIn
from lumi_identity.workflows.two_factor import TwoFactor
from lumi_local.postgres import PostgresServer
from tests.kit.waiting import until

KEY_FOR_KEYS = "a key for tests that is long enough"
PASSWORD = "correct horse battery staple"
LOCKOUT = Lockout(
    tries=5,
    account_tries=100,
    wait=timedelta(seconds=30),
    longest=timedelta(hours=1),
    window=timedelta(minutes=15),
)


def an_email() -> str:
    return f"{uuid4().hex}@example.com"


def a_cipher(secrets: dict[int, str]) -> Cipher:
    """The last of these keys is the one that seals."""
    return Cipher({n: secret.encode() for n, secret in secrets.items()}, current=max(secrets), use="signing keys")


def a_keyring(db: Database, **facts: Any) -> Keyring:
    given: dict[str, Any] = {
        "cipher": a_cipher({1: KEY_FOR_KEYS}), "clock": utc_now, "ttl": 600, "guest_ttl": 30 * 24 * 3600,
        "life": timedelta(days=90), "issuer": "lumi", "audience": "lumi",
    }  # fmt: skip
    return Keyring(db, **given | facts)


class Doors:
    """The ways into an account: to make one, to sign in to it, and its sessions."""

    def __init__(self, db: Database, keyring: Keyring, *, cost: int, pepper: int, tries: int = 5) -> None:
        passwords = Passwords({1: b"one", 2: b"two"}, current=pepper, cost=cost)
        threads = Threads("passwords", threads=2, waiting=32)
        self.keyring = keyring
        self.sessions = Sessions(
            db,
            tokens=RefreshTokens(b"a key for tokens"),
            keyring=keyring,
            threads=Threads("tokens", threads=1, waiting=256),
            life=timedelta(days=30),
        )
        self.attempts = Attempts(db, keys=Keys(b"a key for tries"), lockout=replace(LOCKOUT, tries=tries))
        self.accounts = Accounts(
            db, utc_now, passwords=passwords, policy=PasswordPolicy(), threads=threads, attempts=self.attempts
        )
        self.two_factor = TwoFactor(
            db,
            cipher=Cipher({1: KEY_FOR_KEYS.encode()}, current=1, use="second factors"),
            attempts=self.attempts,
            clock=utc_now,
            issuer="Lumi",
        )
        self.signing_in = SignIn(
            db,
            passwords=passwords,
            threads=threads,
            sessions=self.sessions,
            attempts=self.attempts,
            two_factor=self.two_factor,
            challenge_life=timedelta(minutes=5),
        )
        self.sign_up = self.accounts.sign_up
        self.refresh, self.sign_out = self.sessions.refresh, self.sessions.sign_out

    async def sign_in(self, context: Context, **facts: Any) -> SignedIn:
        """Of a user without a second factor."""
        outcome = await self.signing_in.sign_in(context, **facts)
        assert isinstance(outcome, SignedIn)
        return outcome


async def doors_of(db: Database, *, cost: int = 4, pepper: int = 1, tries: int = 5) -> Doors:
    keyring = a_keyring(db)
    await keyring.refresh()
    return Doors(db, keyring, cost=cost, pepper=pepper, tries=tries)


async def a_user(doors: Doors, context: Context, **facts: Any) -> User:
    given = {"email": an_email(), "password": PASSWORD, "first_name": None, "last_name": None, "phone": None}
    return await doors.sign_up(context, **given | facts)


async def outbox_of(db: Database, aggregate_id: str) -> list[Any]:
    rows = await db.pool.fetch("select * from outbox_events where aggregate_id = $1 order by seq", aggregate_id)
    return list(rows)


async def security_events_of(db: Database, user_id: str) -> list[str]:
    rows = await db.pool.fetch("select type from security_events where user_id = $1 order by id", user_id)
    return [row["type"] for row in rows]


@asynccontextmanager
async def another(server: PostgresServer) -> AsyncIterator[Any]:
    """A transaction of the service beside those under test, to hold something in."""
    connection = await asyncpg.connect(
        server.dsn("lumi_identity"), server_settings={"search_path": "identity, extensions"}
    )
    try:
        async with connection.transaction():
            yield connection
    finally:
        await connection.close()


async def until_waiting(db: Database, what: str, *, callers: int = 1, unless: Any = None) -> None:
    """Until so many callers wait for a lock in this database, or the task `unless` is done."""
    query = (
        "select count(*) from pg_stat_activity "
        "where datname = current_database() and cardinality(pg_blocking_pids(pid)) > 0"
    )

    async def waiting() -> bool:
        return (unless is not None and unless.done()) or await db.pool.fetchval(query) == callers

    await until(waiting, what)
