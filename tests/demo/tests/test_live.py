"""The command itself, on a stack that runs: right books, and a wrong cent in them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal

import asyncpg
import pytest

from lumi_local import testing
from lumi_local.testing import LocalStack

_MOVE = """
update orders.orders set total_amount = total_amount + $1
where id = (select max(id) from orders.orders where metadata ? 'basket_id')
"""


@pytest.fixture(scope="module")
def live() -> Iterator[LocalStack]:
    with testing.stack() as stack:
        yield stack


def demo(live: LocalStack) -> subprocess.CompletedProcess[str]:
    settings = {"LUMI_DEMO_BASKETS": "10", "LUMI_DEMO_PATIENCE_SECONDS": "3"}
    return subprocess.run(
        [sys.executable, "-m", "lumi_demo"],
        env=os.environ | dict(live.environment) | settings,
        capture_output=True,
        text=True,
    )


async def move_a_total(live: LocalStack, amount: Decimal) -> None:
    connection = await asyncpg.connect(live.description["postgres"])
    await connection.execute(_MOVE, amount)
    await connection.close()


@pytest.mark.timeout(300)
async def test_the_demo_is_right_buys_nothing_twice_and_finds_a_wrong_cent(live: LocalStack) -> None:
    first = demo(live)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "10 orders placed" in first.stdout

    await move_a_total(live, Decimal("0.01"))
    again = demo(live)
    await move_a_total(live, Decimal("-0.01"))

    rows = {row["figure"]: row for row in json.loads((live.home / "demo.json").read_text())}
    assert again.returncode == 1, again.stdout + again.stderr
    assert "nothing was placed" in again.stdout
    assert rows["total"] == {"figure": "total", "expected": 4_404, "found": 4_405}
    assert rows["orders"] == {"figure": "orders", "expected": 10, "found": 10}
