"""Two databases: one as the migrations make it, one as the description says it is to be."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest

from lumi_local import testing
from lumi_local.postgres import PostgresServer
from tests.kit.shop import migrate
from tests.schema.description import Described, ddl
from tests.schema.description import described as read


@pytest.fixture(scope="session")
def described() -> dict[str, Described]:
    return read()


@pytest.fixture(scope="session")
def migrated() -> Iterator[PostgresServer]:
    """A database of these tests' own, every schema at head."""
    with testing.postgres("schema") as server:
        migrate(server)
        yield server


@pytest.fixture
async def live(migrated: PostgresServer) -> AsyncIterator[Any]:
    """A superuser's connection to the migrated database; what it changes is undone."""
    connection = await asyncpg.connect(migrated.dsn_superuser)
    transaction = connection.transaction()
    await transaction.start()
    yield connection
    await transaction.rollback()
    await connection.close()


@pytest.fixture(scope="session")
async def wanted(described: dict[str, Described]) -> AsyncIterator[Any]:
    """A connection to a database made of the description."""
    with testing.postgres("described") as server:
        connection = await asyncpg.connect(server.dsn_superuser)
        for schema in described.values():
            await connection.execute(f"drop schema {schema.name} cascade; create schema {schema.name}")
            await connection.execute(";".join(ddl(schema)))
        yield connection
        await connection.close()
