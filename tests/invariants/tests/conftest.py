"""Sound books: what a day in the shop leaves in a database of these tests' own, at rest."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from lumi_common.db.invariants import Finding
from lumi_invariants.checker import books, check
from lumi_local import testing
from tests.invariants.tests.day import spend_a_day
from tests.kit.shop import migrate, open_shop


@pytest.fixture(scope="session")
async def day() -> AsyncIterator[tuple[str, list[Finding]]]:
    """The address of the books after a day, with the shop closed; and what the checker found of them before it was."""
    with testing.postgres("invariants") as server, testing.nats() as nats, testing.temporary_folder("shop") as folder:
        await asyncio.to_thread(migrate, server)
        async with open_shop(server, nats, folder) as shop:
            await spend_a_day(shop)
            async with books(server.dsn("lumi_auditor")) as connection:
                findings = await check(connection, patience=60)
        yield server.dsn_superuser, findings


@pytest.fixture
async def sound(day: tuple[str, list[Finding]]) -> AsyncIterator[Any]:
    """A superuser's connection to those books, past foreign keys; whatever a test does to them is undone."""
    connection = await asyncpg.connect(day[0], server_settings={"search_path": "extensions"})
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("set local session_replication_role = replica")
    yield connection
    await transaction.rollback()
    await connection.close()
