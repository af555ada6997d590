from collections.abc import AsyncIterator, Iterator

import pytest

from libs.common.tests.events.world import World, world
from lumi_local import testing
from lumi_local.nats import NatsServer
from lumi_local.postgres import PostgresServer


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with testing.postgres("events") as server:
        yield server


@pytest.fixture(scope="session")
def nats_server() -> Iterator[NatsServer]:
    with testing.nats() as server:
        yield server


@pytest.fixture
async def here(postgres: PostgresServer, nats_server: NatsServer) -> AsyncIterator[World]:
    async with world(postgres.dsn_superuser, nats_server.url_admin) as world_:
        yield world_
