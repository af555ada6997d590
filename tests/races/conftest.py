from collections.abc import AsyncIterator

import pytest

from lumi_local import testing
from tests.races.floor import Floor


@pytest.fixture(scope="session")
async def floor() -> AsyncIterator[Floor]:
    """The stack that all tests of a session share, where manual payments settle at once."""
    with testing.stack() as stack:
        async with Floor.opened(stack) as floor:
            yield floor
