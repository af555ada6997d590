import asyncio
from time import monotonic

import grpc
import pytest

from libs.common.tests.rpc.echo import SayRequest, stubs
from libs.common.tests.rpc.refusals import refused
from lumi_common.rpc.deadlines import Deadlines
from lumi_common.rpc.stages import ANSWER_SECONDS


async def test_a_call_may_take_what_its_client_allows(ask):
    assert 1.5 < (await ask("Say", timeout=2))["seconds"] < 2 - ANSWER_SECONDS / 2  # gRPC rounds up what is left


async def test_a_client_that_allows_more_than_the_server_gets_what_the_server_allows(ask):
    assert 9 < (await ask("Say", timeout=100))["seconds"] <= 10
    assert 9 < (await ask("Say", timeout=None))["seconds"] <= 10


async def test_a_method_that_asks_for_more_than_the_server_gets_it(ask):
    assert 29 < (await ask("SayAtLength", timeout=100))["seconds"] <= 30


async def test_a_clients_own_deadline_ends_a_call(ask):
    async with refused("DEADLINE_EXCEEDED"):
        await ask("Say", "sleep", timeout=0.3)


async def test_running_out_of_time_names_the_method(start_server):
    server = await start_server(request_seconds=0.2)
    async with (
        grpc.aio.insecure_channel(f"127.0.0.1:{server.public_port}") as channel,
        refused("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED") as seen,
    ):
        await stubs.EchoServiceStub(channel).Say(SayRequest(text="sleep"))

    assert seen.error.facts == {"method": "lumi.echo.v1.EchoService/Say"}


async def test_a_block_in_time_is_left_alone_and_forgotten():
    deadlines = Deadlines()
    with deadlines.at(monotonic() + 0.05):
        pass

    await asyncio.sleep(0.1)
    assert not deadlines._slots


async def test_a_cancellation_from_outside_stays_a_cancellation():
    async def work() -> None:
        with Deadlines().at(monotonic() + 10):
            await asyncio.sleep(10)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_each_block_ends_at_its_own_time():
    deadlines = Deadlines()
    started = monotonic()

    async def work(seconds: float) -> float:
        with pytest.raises(TimeoutError), deadlines.at(started + seconds):
            await asyncio.sleep(10)
        return monotonic() - started

    took = await asyncio.gather(*(work(seconds) for seconds in (0.05, 0.1, 0.1, 0.2, -1)))

    for seconds, allowed in zip(took, (0.05, 0.1, 0.1, 0.2, 0), strict=True):
        assert allowed - 0.02 < seconds < allowed + 0.1
