"""The command itself, on a stack that runs: right books, and a wrong cent in them."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal

import asyncpg
import pytest

from lumi_local import testing
from lumi_local.testing import LocalStack

_MOVE = """
update orders.orders set total_amount = total_amount + $1, shipping_amount = shipping_amount + $1
where id = (select max(id) from orders.orders where metadata ? 'basket_id')
"""


@pytest.fixture(scope="module")
def live() -> Iterator[LocalStack]:
    with testing.stack() as stack:
        yield stack


@pytest.fixture
async def books(live: LocalStack) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(live.description["postgres"])
    yield connection
    await connection.close()


def start(live: LocalStack) -> subprocess.Popen[str]:
    settings = {"LUMI_DEMO_BASKETS": "10", "LUMI_DEMO_HOUSEHOLDS": "2", "LUMI_DEMO_PATIENCE_SECONDS": "3"}
    return subprocess.Popen(
        [sys.executable, "-m", "lumi_demo"],
        env=os.environ | dict(live.environment) | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def demo(live: LocalStack) -> tuple[int, str]:
    """Exit status and output of a run to its end."""
    process = start(live)
    output, _ = process.communicate()
    return process.returncode, output


async def kill_when(live: LocalStack, books: asyncpg.Connection, condition: str) -> None:
    """Start the demo and kill it as soon as the books say so."""
    process = start(live)
    while not await books.fetchval(f"select {condition}"):
        assert process.poll() is None, process.communicate()
        await asyncio.sleep(0.02)
    process.kill()
    process.communicate()


@pytest.mark.timeout(300)
async def test_the_demo_goes_on_where_it_was_killed_buys_nothing_twice_and_finds_a_wrong_cent(
    live: LocalStack, books: asyncpg.Connection
) -> None:
    await kill_when(live, books, "count(*) > 20000 from catalogue.products")
    await kill_when(live, books, "count(*) > 3 from orders.orders")

    status, output = demo(live)
    assert status == 0, output
    assert "orders placed" in output

    await books.execute(_MOVE, Decimal("0.01"))
    status, output = demo(live)
    await books.execute(_MOVE, Decimal("-0.01"))

    rows = {row["figure"]: row for row in json.loads((live.home / "demo.json").read_text())}
    assert status == 1, output
    assert "nothing was placed" in output
    assert rows["total"] == {"figure": "total", "expected": 4_404, "found": 4_405}
    assert rows["orders"] == {"figure": "orders", "expected": 10, "found": 10}
