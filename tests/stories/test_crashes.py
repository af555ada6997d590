"""Any part may be killed: it comes back, and the purchase goes on."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest
from lumi.orders.v1.order_pb2 import ORDER_STATUS_PAID

from lumi_common.errors import Aborted, DeadlineExceeded, FailedPrecondition
from lumi_local import testing
from lumi_local.testing import LocalStack
from tests.kit.buying import Shopper
from tests.kit.door import Door
from tests.stack.processes import pids

PARTS = ("postgres", "nats", "envoy", "identity", "catalogue", "orders", "payments", "marketing")


@pytest.fixture(scope="module")
async def stack() -> AsyncIterator[LocalStack]:
    """A stack of this module's own, to be broken."""
    with testing.own_environment() as settings, testing.running_stack(settings) as stack:
        yield stack


@pytest.fixture
async def own_door(stack: LocalStack) -> AsyncIterator[Door]:
    door = Door(stack.description)
    yield door
    await door.close()


async def buy(shopper: Shopper, variant: str) -> int:
    """The status of an order that is placed however often it has to be asked for, with one request id."""
    cart = await shopper.fill((variant, 1))
    request = shopper.order_for(cart)
    for _ in range(60):
        try:
            return int((await shopper.place_as(request)).order.status)
        except DeadlineExceeded:
            await asyncio.sleep(0.5)
        except FailedPrecondition as refusal:
            if refusal.reason != "CART_BEING_PLACED":  # by the try whose answer was lost
                raise
            await asyncio.sleep(0.5)
        except Aborted:  # its placing was undone: a new try is a new request
            request = shopper.order_for(cart)
    raise AssertionError("the order was not placed within half a minute")


@pytest.mark.parametrize("part", PARTS)
async def test_a_killed_part_comes_back_and_the_purchase_goes_on(stack: LocalStack, own_door: Door, part: str) -> None:
    soup = await (await own_door.staff()).put(10, 250)
    shopper = await own_door.shopper()
    assert await buy(shopper, soup) == ORDER_STATUS_PAID

    os.kill(pids(stack.environment)[part], signal.SIGKILL)

    assert await buy(shopper, soup) == ORDER_STATUS_PAID
