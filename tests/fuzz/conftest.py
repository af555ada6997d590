"""A shop of the fuzzer's own: what comes of random messages is nobody else's business."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lumi_local import testing
from tests.fuzz.fuzzer import Fuzzer
from tests.kit.shop import SERVICES, Shop, migrate, open_shop
from tests.kit.watch import refuse_stale_updates


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
async def fuzzed(certificates: Path) -> AsyncIterator[Shop]:
    """Five services of this module's own, on a database of its own."""
    with testing.postgres("fuzz") as postgres, testing.nats() as nats:
        await asyncio.to_thread(migrate, postgres)
        await refuse_stale_updates(postgres, *SERVICES)
        async with open_shop(postgres, nats, certificates) as shop:
            yield shop


@pytest.fixture(scope="module")
async def fuzzer(fuzzed: Shop, certificates: Path) -> AsyncIterator[Fuzzer]:
    async with Fuzzer.open(fuzzed, certificates) as fuzzer:
        yield fuzzer
