"""The command, on a real stack in which somebody has bought something."""

import asyncio
import json
import os
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
from google.type.decimal_pb2 import Decimal as Percent
from lumi.marketing.v1.coupon_pb2 import Coupon

from lumi_common.cuid import cuid
from lumi_common.events.streams import CONTEXTS
from lumi_invariants.checker import books
from lumi_invariants.law import LAW, NOTES
from lumi_local import testing
from lumi_local.testing import LocalStack
from tests.kit.door import Door
from tests.stories.acts import fill, place, put_on_sale


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    """A stack of this module's own: other tests put rows into the shared one that no service would write."""
    with testing.own_environment() as environment, testing.running_stack(environment) as stack:
        yield stack


@pytest.fixture
async def door(stack: LocalStack) -> AsyncIterator[Door]:
    door = Door(stack.description)
    yield door
    await door.close()


async def check(stack: LocalStack, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What the command says of this stack's books."""
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "lumi_invariants", *arguments],
        env={**os.environ, **stack.environment, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=100,
    )


def written(stack: LocalStack) -> dict[str, tuple[int, object]]:
    """Rows and sample by invariant, as the command left them."""
    rows = json.loads((stack.home / "invariants.json").read_text())
    assert all(row.keys() == {"id", "rows", "sample"} for row in rows)
    return {row["id"]: (row["rows"], row["sample"]) for row in rows}


async def test_after_purchases_and_a_cancellation_every_invariant_holds(stack: LocalStack, door: Door) -> None:
    staff, ada, ben = await door.staff(), await door.customer(), await door.customer()
    soup, bread, code = await put_on_sale(staff), await put_on_sale(staff, price="1.99"), f"HALF-{cuid()}"
    await staff.coupons.create_coupon(
        coupon=Coupon(code=code, type="COUPON_TYPE_PERCENTAGE", percent=Percent(value="50"), usage_limit=2)
    )
    await place(ada, await fill(ada, (soup, 2), (bread, 1), coupon=code))
    unwanted = await place(ben, await fill(ben, (soup, 1), coupon=code))
    await ben.orders.cancel_order(id=unwanted.order.id)

    done = await check(stack)

    assert done.returncode == 0, done.stdout + done.stderr
    assert written(stack) == dict.fromkeys(LAW, (0, None))
    assert f"All {len(LAW)} invariants hold." in done.stdout
    assert all(f"{id}: {note}" in done.stdout for id, note in NOTES.items())


async def test_what_broke_is_named_with_one_of_its_rows(stack: LocalStack, door: Door) -> None:
    await put_on_sale(await door.staff())
    connection = await asyncpg.connect(stack.description["postgres"])
    broken = "update catalogue.inventories set quantity_on_hand = quantity_on_hand {0} 1, "
    broken += "quantity_available = quantity_available {0} 1 where id = $1"
    id, variant = await connection.fetchrow("select id, product_variant_id from catalogue.inventories limit 1")
    try:
        await connection.execute(broken.format("+"), id)
        done = await check(stack, "--now")
    finally:
        await connection.execute(broken.format("-"), id)
        await connection.close()

    assert done.returncode == 1, done.stdout + done.stderr
    assert "Broken: S3" in done.stdout and variant in done.stdout
    rows, sample = written(stack)["S3"]
    assert rows == 1 and isinstance(sample, dict) and sample["product_variant_id"] == variant


async def test_each_service_answers_for_its_own_through_the_gateway(stack: LocalStack, door: Door) -> None:
    staff = await door.staff()
    for context in CONTEXTS:
        answer = await getattr(staff, f"{context}_operations").check_invariants()
        own = [part.id for parts in LAW.values() for part in parts if part.schema == context]
        assert sorted(each.id for each in answer.findings) == sorted(own)
        assert [each for each in answer.findings if each.row_count or each.timed_out] == []


async def test_the_checker_can_write_nothing(stack: LocalStack) -> None:
    async with books(stack.description["postgres"]) as connection:
        assert await connection.fetchval("select current_user") == "lumi_auditor"
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await connection.execute("delete from orders.orders")
        await connection.execute("set default_transaction_read_only = off")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("delete from orders.orders")


async def test_without_a_stack_it_says_so(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> None:
    nowhere = tmp_path_factory.mktemp("nowhere")

    done = await check(LocalStack({**stack.environment, "LUMI_HOME": str(nowhere)}, {}))

    assert done.returncode == 1 and "make up" in done.stdout and not list(nowhere.iterdir())
    assert stat.S_IMODE((stack.home / "invariants.json").stat().st_mode) & 0o022 == 0
