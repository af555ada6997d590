"""What identity's tests share."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from lumi_common.clock import utc_now
from lumi_common.context import Context
from lumi_common.db.database import Database
from lumi_identity.domain.passwords import Passwords
from lumi_identity.domain.session import RefreshTokens
from lumi_identity.domain.signing_key import KeyCipher
from lumi_identity.domain.user import User
from lumi_identity.threads import Threads
from lumi_identity.workflows.accounts import Accounts
from lumi_identity.workflows.keyring import Keyring
from lumi_identity.workflows.sessions import Sessions
from lumi_identity.workflows.sign_in import SignIn

KEY_FOR_KEYS = "a key for tests that is long enough"
PASSWORD = "correct horse battery staple"


def an_email() -> str:
    return f"{uuid4().hex}@example.com"


def a_keyring(db: Database, **facts: Any) -> Keyring:
    given = {
        "cipher": KeyCipher(KEY_FOR_KEYS.encode()), "clock": utc_now, "ttl": 600, "guest_ttl": 30 * 24 * 3600,
        "life": timedelta(days=90), "issuer": "lumi", "audience": "lumi",
    }  # fmt: skip
    return Keyring(db, **given | facts)


class Doors:
    """The ways into an account: to make one, to sign in to it, and its sessions."""

    def __init__(self, db: Database, keyring: Keyring, *, cost: int, pepper: int) -> None:
        passwords = Passwords({1: b"one", 2: b"two"}, current=pepper, cost=cost)
        threads = Threads("passwords", threads=2, waiting=32)
        self.sessions = Sessions(
            db,
            tokens=RefreshTokens(b"a key for tokens"),
            keyring=keyring,
            threads=Threads("tokens", threads=1, waiting=256),
            life=timedelta(days=30),
        )
        self.accounts = Accounts(db, passwords=passwords, threads=threads)
        self.sign_in = SignIn(db, passwords=passwords, threads=threads, sessions=self.sessions).sign_in
        self.sign_up = self.accounts.sign_up
        self.refresh, self.sign_out = self.sessions.refresh, self.sessions.sign_out


async def doors_of(db: Database, *, cost: int = 4, pepper: int = 1) -> Doors:
    keyring = a_keyring(db)
    await keyring.refresh()
    return Doors(db, keyring, cost=cost, pepper=pepper)


async def a_user(doors: Doors, context: Context, **facts: Any) -> User:
    given = {"email": an_email(), "password": PASSWORD, "first_name": None, "last_name": None, "phone": None}
    return await doors.sign_up(context, **given | facts)


async def outbox_of(db: Database, aggregate_id: str) -> list[Any]:
    rows = await db.pool.fetch("select * from outbox_events where aggregate_id = $1 order by seq", aggregate_id)
    return list(rows)


async def security_events_of(db: Database, user_id: str) -> list[str]:
    rows = await db.pool.fetch("select type from security_events where user_id = $1 order by id", user_id)
    return [row["type"] for row in rows]
