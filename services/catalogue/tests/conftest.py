from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from lumi_catalogue.server import REFUSALS
from lumi_catalogue.storage.tables import metadata
from lumi_common.context import Context
from lumi_common.db import migrate
from lumi_common.db.database import Database
from lumi_common.principal import Principal
from lumi_local import testing
from lumi_local.postgres import PostgresServer


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    with testing.postgres("catalogue") as server:
        migrate.upgrade(server.dsn_superuser, metadata, Path(__file__).parents[1] / "migrations")
        yield server


@pytest.fixture
async def db(server: PostgresServer) -> AsyncIterator[Database]:
    database = Database(server.dsn("lumi_catalogue"), schema="catalogue", refusals=REFUSALS)
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def context() -> Context:
    return Context(
        method="lumi.catalogue.v1.InventoryService/ReserveStock",
        principal=Principal.service("orders"),
        ip="192.0.2.7",
        user_agent="a browser",
    )
