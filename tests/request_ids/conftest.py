"""The world that all scenes are played in."""

from collections.abc import AsyncIterator

import pytest

from tests.kit.shop import Shop
from tests.request_ids import (
    of_catalogue,
    of_identity,
    of_marketing,
    of_operations,
    of_orders,
    of_payments,
)
from tests.request_ids.world import World, open_world

# Importing them fills the table.
OF_ALL = (of_catalogue, of_identity, of_marketing, of_operations, of_orders, of_payments)


@pytest.fixture(scope="session")
async def world(shop: Shop) -> AsyncIterator[World]:
    async with open_world(shop) as world:
        yield world
