"""The harness itself, held against a server that knows who called and when."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
from lumi.identity.v1 import auth_pb2
from lumi.orders.v1 import cart_pb2
from lumi.orders.v1.cart_pb2_grpc import CartServiceServicer, add_CartServiceServicer_to_server
from lumi_client import Session
from lumi_client.calls import Connection

from tests.races.floor import Lines
from tests.races.race import CALLERS, Outcome, in_flight, race, told


class Meeting(CartServiceServicer):
    """Answers nobody before all have come, with the address that each came from."""

    def __init__(self) -> None:
        self.barrier = asyncio.Barrier(CALLERS)

    async def GetActiveCart(self, request: cart_pb2.GetActiveCartRequest, context: Any) -> cart_pb2.Cart:
        async with asyncio.timeout(10):
            await self.barrier.wait()
        return cart_pb2.Cart(id=context.peer())


@pytest.fixture
async def url() -> AsyncIterator[str]:
    server = grpc.aio.server()
    add_CartServiceServicer_to_server(Meeting(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"http://127.0.0.1:{port}"
    await server.stop(None)


async def test_thirty_callers_are_served_at_one_moment_on_thirty_connections(url: str) -> None:
    lines, someone = Lines(url), Session(Connection(url, timeout=10), auth_pb2.Tokens(access_token="token"))

    outcomes = await race(*(each.carts.get_active_cart for each in lines.of(someone)))

    assert told(outcomes) == {"": CALLERS}
    assert len({each.answer.id for each in outcomes}) == CALLERS
    await lines.close()


async def test_one_after_the_other_is_no_race() -> None:
    turn = asyncio.Lock()

    async def alone() -> None:
        async with turn:
            await asyncio.sleep(0)

    assert in_flight([Outcome(number, number + 0.5) for number in range(CALLERS)]) == 1
    assert in_flight([Outcome(0, 1), Outcome(1, 2)]) == 1
    assert in_flight([Outcome(0, 2), Outcome(1, 3), Outcome(1.5, 4)]) == 3
    with pytest.raises(AssertionError, match="only 29"):
        await race(*[alone] * (CALLERS - 1))
