from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db import migrate
from lumi_common.db.database import Database
from lumi_common.principal import Principal
from lumi_local import testing
from lumi_local.postgres import PostgresServer
from lumi_orders.storage.refusals import REFUSALS
from lumi_orders.storage.tables import metadata


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    # A database of its own: the shop that other tests share has a sweeper, which would take up what is left here.
    with testing.postgres("orders_storage") as server:
        migrate.upgrade(server.dsn_superuser, metadata, Path(__file__).parents[2] / "migrations")
        yield server


@pytest.fixture
async def db(server: PostgresServer) -> AsyncIterator[Database]:
    database = Database(server.dsn("lumi_orders"), schema="orders", refusals=REFUSALS)
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def user() -> str:
    return cuid()


@pytest.fixture
def context(user: str) -> Context:
    return Context(method="lumi.orders.v1.OrderService/PlaceOrder", principal=Principal.user(user))
