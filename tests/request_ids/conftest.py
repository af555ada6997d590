"""The world that all scenes are played in."""

import json
from collections.abc import AsyncIterator

import pytest

from tests.kit.shop import Shop
from tests.request_ids import (
    callers,
    of_catalogue,
    of_identity,
    of_marketing,
    of_operations,
    of_orders,
    of_payments,
)
from tests.request_ids.world import PERMISSIONS, World

# Importing them fills the table.
OF_ALL = (of_catalogue, of_identity, of_marketing, of_operations, of_orders, of_payments)


@pytest.fixture(scope="session")
async def world(shop: Shop) -> AsyncIterator[World]:
    async with shop.database("identity") as books:
        await books.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)
        staff, rival = [await callers.staff(shop, *PERMISSIONS) for _ in range(2)]
        world = World(shop, staff, rival, books)
        await world.open()
        yield world
