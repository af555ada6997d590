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


async def accounts_of(db: Database, *, cost: int = 4, pepper: int = 1) -> Accounts:
    keyring = a_keyring(db)
    await keyring.refresh()
    return Accounts(
        db,
        passwords=Passwords({1: b"one", 2: b"two"}, current=pepper, cost=cost),
        refresh_tokens=RefreshTokens(b"a key for tokens"),
        keyring=keyring,
        password_threads=Threads("passwords", threads=2, waiting=32),
        token_threads=Threads("tokens", threads=1, waiting=256),
        session_life=timedelta(days=30),
    )


async def a_user(accounts: Accounts, context: Context, **facts: Any) -> User:
    given = {"email": an_email(), "password": PASSWORD, "first_name": None, "last_name": None, "phone": None}
    return await accounts.sign_up(context, **given | facts)


async def outbox_of(db: Database, aggregate_id: str) -> list[Any]:
    rows = await db.pool.fetch("select * from outbox_events where aggregate_id = $1 order by seq", aggregate_id)
    return list(rows)


async def security_events_of(db: Database, user_id: str) -> list[str]:
    rows = await db.pool.fetch("select type from security_events where user_id = $1 order by id", user_id)
    return [row["type"] for row in rows]
