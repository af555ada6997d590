import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from lumi_local import testing
from lumi_local.nats import NatsServer
from tests.kit.shop import migrate
from tests.telemetry.traced import TracedShop, open_traced_shop


@pytest.fixture(scope="session")
def own_nats() -> Iterator[NatsServer]:
    with testing.nats() as server:
        yield server


@pytest.fixture(scope="session")
async def traced(own_nats: NatsServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TracedShop]:
    """On a database of its own: relays and consumers of another shop on the same would do the work instead."""
    with testing.postgres("telemetry") as postgres:
        await asyncio.to_thread(migrate, postgres)
        async with open_traced_shop(postgres, own_nats, tmp_path_factory.mktemp("certificates")) as shop:
            yield shop
