"""The first start: permissions, the admin role, the admin; the second changes nothing."""

from typing import Any

import pytest

from lumi_common.clock import utc_now
from lumi_common.context import Context
from lumi_common.db.database import Database
from lumi_common.errors import InvalidArgument, Unauthenticated
from lumi_identity.domain.passwords import Passwords
from lumi_identity.domain.permissions import PERMISSIONS
from lumi_identity.storage.access import get_holdings
from lumi_identity.workflows.bootstrap import Bootstrap
from services.identity.tests.kit import PASSWORD, accounts_of, an_email, outbox_of, security_events_of

TABLES = ("users", "roles", "permissions", "role_permissions", "user_roles", "outbox_events")


def bootstrap_of(db: Database) -> Bootstrap:
    return Bootstrap(db, Passwords({1: b"one", 2: b"two"}, current=1, cost=4), utc_now)


async def everything(db: Database) -> list[Any]:
    return [await db.pool.fetch(f"select * from {table} order by 1, 2") for table in TABLES]


async def test_the_admin_signs_in_and_holds_every_permission(db: Database, context: Context) -> None:
    email = an_email()
    await bootstrap_of(db).run(email, PASSWORD)

    _, user = await (await accounts_of(db)).sign_in(context, email=email, password=PASSWORD, fingerprint=None)
    holdings = await get_holdings(db, user.id)

    assert holdings.roles == ["admin"]
    assert set(PERMISSIONS) <= set(holdings.permissions)
    created, assigned = await outbox_of(db, user.id)
    assert (created["type"], assigned["type"]) == ("user.created", "user.role_assigned")
    assert created["headers"]["actor_type"] == "service"


async def test_a_second_run_changes_nothing(db: Database) -> None:
    email = an_email()
    await bootstrap_of(db).run(email, PASSWORD)
    before = await everything(db)

    await bootstrap_of(db).run(email, PASSWORD)

    assert await everything(db) == before


async def test_another_password_replaces_the_old_one_and_ends_the_sessions(db: Database, context: Context) -> None:
    email, accounts = an_email(), await accounts_of(db)
    await bootstrap_of(db).run(email, PASSWORD)
    tokens, user = await accounts.sign_in(context, email=email, password=PASSWORD, fingerprint=None)

    await bootstrap_of(db).run(email, "quite another password")

    await accounts.sign_in(context, email=email, password="quite another password", fingerprint=None)
    with pytest.raises(Unauthenticated):
        await accounts.refresh(context, tokens.refresh_token)
    assert "password_changed" in await security_events_of(db, user.id)
    assert [row["type"] for row in await outbox_of(db, user.id)][2:] == ["user.password_changed"]


async def test_a_weak_password_makes_no_admin(db: Database) -> None:
    email = an_email()

    with pytest.raises(InvalidArgument):
        await bootstrap_of(db).run(email, "password")
    assert await db.pool.fetchval("select count(*) from users where email = $1", email) == 0
