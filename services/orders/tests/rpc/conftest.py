import pytest

from services.orders.tests.rpc.floor import Floor
from tests.kit.shop import Shop


@pytest.fixture
async def floor(shop: Shop) -> Floor:
    return await Floor.open(shop)
