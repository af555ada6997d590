"""Fixtures that any test may ask for: a real PostgreSQL, a real NATS, and the shop on top of them."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from lumi_local import testing
from lumi_local.nats import NatsServer
from lumi_local.postgres import PostgresServer
from tests.kit.door import Door
from tests.kit.shop import SERVICES, Shop, migrate, open_shop
from tests.kit.told import refuse_telling_logs
from tests.kit.watch import refuse_stale_updates


@pytest.fixture(scope="session")
def shop_postgres() -> Iterator[PostgresServer]:
    with testing.postgres() as server:
        yield server


@pytest.fixture(scope="session")
def shop_nats() -> Iterator[NatsServer]:
    with testing.nats() as server:
        yield server


@pytest.fixture(scope="session")
async def shop(
    shop_postgres: PostgresServer, shop_nats: NatsServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Shop]:
    folder: Path = tmp_path_factory.mktemp("certificates")
    await asyncio.to_thread(migrate, shop_postgres)
    await refuse_stale_updates(shop_postgres, *SERVICES)
    async with open_shop(shop_postgres, shop_nats, folder) as shop:
        yield shop


@pytest.fixture(scope="session")
async def door() -> AsyncIterator[Door]:
    """The gateway of the stack that all tests of a session share."""
    with testing.stack() as stack:
        door = Door(stack.description)
        yield door
        await door.close()
        refuse_telling_logs(stack.home / "logs")
