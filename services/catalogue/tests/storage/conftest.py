from collections.abc import AsyncIterator

import pytest

from lumi_common.db.database import Database
from services.catalogue.tests.invariants import broken
from services.catalogue.tests.kit import Shelf


@pytest.fixture
async def shelf(db: Database) -> AsyncIterator[Shelf]:
    """Stock to test with; whatever became of it, the invariants hold."""
    yield Shelf(db)
    assert await broken(db.pool) == {}
