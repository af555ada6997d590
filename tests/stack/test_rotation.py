"""Certificates and passwords are replaced while people buy: nobody notices, and the old ones are of no use."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import nats
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub
from lumi.orders.v1.order_pb2 import ORDER_STATUS_PAID
from nats.errors import Error as NatsError

from lumi_local import testing
from lumi_local.home import Home
from lumi_local.parts import STORES, Blueprint
from lumi_local.settings import Settings
from lumi_local.testing import LocalStack
from lumi_local.topology import SERVICES
from tests.kit.door import Door
from tests.kit.waiting import until
from tests.stack.processes import lumi, pids
from tests.stories.acts import fill, place, put_on_sale

BUYERS = 3
_UNPUBLISHED = " union all ".join(f"select from {name}.outbox_events where published_at is null" for name in SERVICES)


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    """A stack of this module's own, whose services connect to PostgreSQL anew all the time."""
    with testing.own_environment() as settings:
        settings["LUMI_POOL_SECONDS"] = "1"
        with testing.running_stack(settings) as stack:
            yield stack


class Traffic:
    """Customers who order again and again through the gateway; `orders` is how many they placed."""

    def __init__(self) -> None:
        self.orders = 0

    @classmethod
    @asynccontextmanager
    async def on(cls, stack: LocalStack) -> AsyncIterator["Traffic"]:
        """Goes on for the length of the block, which fails when one call did."""
        door, traffic, over = Door(stack.description), cls(), asyncio.Event()
        staff = await door.staff()
        soup = await put_on_sale(staff, units=100_000)

        async def buy() -> None:
            buyer = await door.customer()
            while not over.is_set():
                placed = await place(buyer, await fill(buyer, (soup, 1)))
                assert placed.order.status == ORDER_STATUS_PAID
                traffic.orders += 1

        async with asyncio.TaskGroup() as buyers:
            for _ in range(BUYERS):
                buyers.create_task(buy())
            try:
                yield traffic
            finally:
                over.set()
        await door.close()

    async def goes_on(self) -> None:
        """See some more orders placed."""
        goal = self.orders + 2 * BUYERS

        async def placed() -> bool:
            return self.orders >= goal

        await until(placed, "the next orders are placed", seconds=30)


async def rotate(stack: LocalStack, what: str) -> None:
    done = await asyncio.to_thread(lumi, stack.environment, "rotate", what)
    assert done.returncode == 0, done.stdout + done.stderr


def described(stack: LocalStack) -> dict[str, Any]:
    """What the stack says of itself now."""
    told: dict[str, Any] = json.loads((stack.home / "stack.json").read_text())
    return told


async def enters(address: str, folder: Path) -> bool:
    """Whether the internal port there lets in who shows orders' certificate from this folder, and is believed."""
    read = [(folder / name).read_bytes() for name in ("ca.pem", "orders.key", "orders.pem")]
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(*read), options=options) as channel:
        try:
            await HealthStub(channel).Check(HealthCheckRequest(), timeout=5)
        except grpc.aio.AioRpcError as error:
            return error.code() is not grpc.StatusCode.UNAVAILABLE
        return True


async def test_certificates_are_replaced_and_no_call_is_lost(stack: LocalStack, tmp_path: Path) -> None:
    stolen = shutil.copytree(stack.home / "certificates", tmp_path / "stolen")
    internal = [each["internal"] for each in stack.description["services"].values()]
    assert await enters(internal[0], stolen)
    before = await asyncio.to_thread(pids, stack.environment)

    async with Traffic.on(stack) as traffic:
        await traffic.goes_on()
        await rotate(stack, "certificates")
        await traffic.goes_on()

    # It believes the new ones and shows an old one.
    shutil.copy(stack.home / "certificates" / "ca.pem", stolen)
    for address in internal:
        assert await enters(address, stack.home / "certificates")
        assert not await enters(address, stolen)
    assert await asyncio.to_thread(pids, stack.environment) == before


async def test_passwords_are_replaced_and_no_call_is_lost(stack: LocalStack) -> None:
    old = described(stack)
    before = await asyncio.to_thread(pids, stack.environment)

    async with Traffic.on(stack) as traffic:
        await traffic.goes_on()
        await rotate(stack, "passwords")
        await traffic.goes_on()

    new = described(stack)
    for was, now in _addresses(old, new):
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(was)
        await (await asyncpg.connect(now)).close()
    with pytest.raises(NatsError):
        await nats.connect(old["nats"], allow_reconnect=False)
    await (await nats.connect(new["nats"], allow_reconnect=False)).close()
    await _all_is_published(new["postgres"])
    assert await asyncio.to_thread(pids, stack.environment) == before
    # Nor has the next `up` a reason to start them anew.
    assert (await asyncio.to_thread(lumi, stack.environment, "up")).returncode == 0
    after = await asyncio.to_thread(pids, stack.environment)
    assert {name: after[name] for name in STORES} == {name: before[name] for name in STORES}


@pytest.mark.parametrize("told", [False, True], ids=["before PostgreSQL knew", "after PostgreSQL knew"])
async def test_a_change_of_passwords_that_was_cut_off_is_ended_by_the_next_up(stack: LocalStack, told: bool) -> None:
    settings = Settings(home=stack.home, port_base=int(stack.environment["LUMI_PORT_BASE"]))
    old = Blueprint.of(settings, Home(stack.home), build="")
    new = replace(old, secrets=old.home.next_secrets())
    new.tell_secrets(before=old)
    if told:
        new.cluster.change_passwords(old.postgres, new.secrets.postgres)

    done = await asyncio.to_thread(lumi, stack.environment, "up")

    assert done.returncode == 0, done.stdout
    assert described(stack)["postgres"] == new.postgres.dsn_superuser
    await (await asyncpg.connect(new.postgres.dsn_superuser)).close()
    assert not old.home.is_between_secrets
    await _all_is_published(new.postgres.dsn_superuser)


async def test_what_does_not_run_is_not_rotated(environment: dict[str, str]) -> None:
    done = await asyncio.to_thread(lumi, environment, "rotate", "passwords")

    assert done.returncode == 1
    assert "the stack is not running" in done.stdout


def _addresses(old: dict[str, Any], new: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (old["postgres"], new["postgres"]),
        *((old["services"][name]["postgres"], new["services"][name]["postgres"]) for name in SERVICES),
    ]


async def _all_is_published(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)

    async def published() -> bool:
        return not await connection.fetch(_UNPUBLISHED)

    await until(published, "every event is published", seconds=30)
    await connection.close()
