from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from libs.common.tests.db.crossing import Crossing, make
from libs.common.tests.db.widgets import metadata
from lumi_common.context import Context
from lumi_common.db.database import Database
from lumi_common.errors import AlreadyExists
from lumi_common.principal import Principal
from lumi_local import testing
from lumi_local.postgres import PostgresServer


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    with testing.postgres("widgets") as server:
        yield server


@pytest.fixture
async def database(server: PostgresServer) -> AsyncIterator[Database]:
    engine = create_async_engine(server.dsn_superuser.replace("postgresql://", "postgresql+asyncpg://"))
    async with engine.begin() as connection:
        await connection.run_sync(metadata.drop_all)
        await connection.run_sync(metadata.create_all)
        await connection.exec_driver_sql("grant all on all tables in schema orders to lumi_orders")
        await connection.exec_driver_sql("grant usage on all sequences in schema orders to lumi_orders")
    await engine.dispose()
    database = Database(
        server.dsn("lumi_orders"),
        schema="orders",
        refusals={"widgets_name_key": lambda: AlreadyExists("NAME_TAKEN", field="name")},
    )
    await database.open()
    yield database
    await database.close()


@pytest.fixture(scope="session")
async def crossing_server() -> AsyncIterator[PostgresServer]:
    with testing.postgres("crossing") as server:
        await make(server)
        yield server


@pytest.fixture
async def crossing(crossing_server: PostgresServer) -> AsyncIterator[Crossing]:
    """Two schemas, one of which refers to the other, as new."""
    async with Crossing.opened(crossing_server) as crossing:
        yield crossing


@pytest.fixture
def context() -> Context:
    return Context(
        method="grpc.health.v1.Health/Check",
        principal=Principal.user("ada"),
        ip="192.0.2.7",
        user_agent="a browser",
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )
