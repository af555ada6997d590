"""Any part may be killed: it comes back, and the purchase goes on."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from lumi.orders.v1.order_pb2 import ORDER_STATUS_PAID
from lumi_client import Aborted, DeadlineExceeded, FailedPrecondition, Session

from lumi_local import testing
from lumi_local.testing import LocalStack
from tests.kit.door import Door
from tests.stack.processes import pids
from tests.stories.acts import fill, home, place, put_on_sale

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


async def buy(buyer: Session, variant: str) -> int:
    """The status of an order that is placed however often it has to be asked for."""
    cart = await fill(buyer, (variant, 1))
    address, request_id = await home(buyer), str(uuid4())
    for _ in range(60):
        try:
            placed = await place(buyer, cart, shipping_address_id=address, request_id=request_id)
            return int(placed.order.status)
        except DeadlineExceeded:
            await asyncio.sleep(0.5)
        except FailedPrecondition as refusal:
            if refusal.reason == "CART_NOT_ACTIVE":  # its order was written and undone: a new cart
                cart, request_id = await fill(buyer, (variant, 1)), str(uuid4())
            elif refusal.reason != "CART_BEING_PLACED":  # by the try whose answer was lost
                raise
            await asyncio.sleep(0.5)
        except Aborted:  # its placing was undone: a new try is a new request
            request_id = str(uuid4())
    raise AssertionError("the order was not placed within half a minute")


@pytest.mark.parametrize("part", PARTS)
async def test_a_killed_part_comes_back_and_the_purchase_goes_on(stack: LocalStack, own_door: Door, part: str) -> None:
    soup = await put_on_sale(await own_door.staff())
    ada = await own_door.customer()
    assert await buy(ada, soup) == ORDER_STATUS_PAID

    os.kill(pids(stack.environment)[part], signal.SIGKILL)

    assert await buy(ada, soup) == ORDER_STATUS_PAID
