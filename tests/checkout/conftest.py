import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

from lumi_local import testing
from services.orders.tests.rpc.floor import Floor, branch
from tests.checkout.broker import Broker
from tests.kit.shop import Shop, migrate, open_shop

# How long stock is held before orders is asked about it, in seconds.
HOLD = 0.5


class Town(NamedTuple):
    """A shop of its own whose broker can be stopped, and a branch of it where payments wait for staff."""

    shop: Shop
    floor: Floor
    by_hand: Floor
    broker: Broker


@pytest.fixture(scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    with testing.temporary_folder("broker") as folder, testing.postgres("checkout") as postgres:
        broker = Broker(folder)
        nats = await broker.start()
        try:
            await asyncio.to_thread(migrate, postgres)
            overrides = {"catalogue": {"reservation_seconds": HOLD, "sweep_seconds": 0.1}}
            async with (
                open_shop(postgres, nats, tmp_path_factory.mktemp("certificates"), **overrides) as shop,
                branch(shop, by_hand=True) as by_hand,
            ):
                yield Town(shop, await Floor.open(shop), by_hand, broker)
        finally:
            await broker.stop()


@pytest.fixture
async def cut_off(town: Town) -> AsyncIterator[Town]:
    """The town after its broker was killed; it runs again at the end."""
    await town.broker.stop()
    yield town
    await town.broker.stop()
    await town.broker.start()
