"""An order goes only without payments, and once it goes none comes any more, whichever is asked for first."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from lumi.common.v1 import references_pb2 as pb
from lumi.payments.v1.operations_pb2_grpc import OperationsServiceStub
from lumi.payments.v1.payment_pb2 import VoidPaymentRequest

from lumi_common.cuid import cuid
from lumi_common.errors import FailedPrecondition, LumiError, PermissionDenied
from lumi_common.rpc.convert import time_to_proto
from services.payments.tests.rpc.till import Till, asked_for
from tests.kit.buying import request_id
from tests.kit.client import Client
from tests.kit.shop import Shop

KIND = "orders.orders"


@pytest.fixture
async def operations(shop: Shop) -> Client:
    """What payments answers the orders service about references."""
    return shop.internal(OperationsServiceStub, service="orders")


class Going:
    """The deletion of an order, as the orders service asks about it."""

    def __init__(self, operations: Client, order: str) -> None:
        self._operations, self.order, self._time = operations, order, datetime.now(UTC)

    async def fence(self) -> Any:
        return await self._operations.FenceReference(
            pb.FenceReferenceRequest(
                targets=[pb.ReferenceTarget(kind=KIND, id=self.order)],
                gone_time=time_to_proto(self._time),
                expire_time=time_to_proto(self._time + timedelta(minutes=1)),
                request_id=request_id(),
            )
        )

    async def unfence(self) -> None:
        await self._operations.UnfenceReference(
            pb.UnfenceReferenceRequest(
                targets=[pb.ReferenceTarget(kind=KIND, id=self.order)],
                gone_time=time_to_proto(self._time),
                request_id=request_id(),
            )
        )


@pytest.fixture
def going(operations: Client) -> Going:
    return Going(operations, cuid())


async def test_an_order_that_goes_has_no_payment_until_it_stays_after_all(
    till: Till, orders: Client, going: Going
) -> None:
    request = asked_for(order_id=going.order)
    await going.fence()

    with pytest.raises(FailedPrecondition) as refused:
        await orders.CreatePayment(request)

    assert refused.value.reason == "REFERENCE_GONE"
    assert (refused.value.facts["target"], refused.value.facts["id"]) == (KIND, going.order)
    await going.unfence()
    # The refusal was no answer of its request id.
    assert (await orders.CreatePayment(request)).order_id == going.order


async def test_an_order_with_a_payment_does_not_go_whatever_became_of_the_payment(
    till: Till, staff: Client, operations: Client
) -> None:
    paid, given_up = await till.paid(), await till.waiting()
    await staff.VoidPayment(VoidPaymentRequest(id=given_up.id))

    for payment in (paid, given_up):
        with pytest.raises(FailedPrecondition) as refused:
            await Going(operations, payment.order_id).fence()
        assert refused.value.reason == "REFERENCED"
        assert refused.value.facts["reference"] == "payments.payments.order_id"

    # The order is told of as it was: nothing is marked by a refusal.
    assert (await till.paid(order_id=given_up.order_id)).order_id == given_up.order_id


@pytest.mark.parametrize("service", ["catalogue", "identity"])
async def test_only_orders_says_that_an_order_goes(shop: Shop, going: Going, service: str) -> None:
    with pytest.raises(PermissionDenied):
        await Going(shop.internal(OperationsServiceStub, service=service), going.order).fence()


async def test_of_a_payment_and_the_orders_end_at_once_one_comes_first(
    shop: Shop, orders: Client, operations: Client
) -> None:
    for turn in range(12):
        going = Going(operations, cuid())
        calls = [orders.CreatePayment(asked_for(order_id=going.order)) for _ in range(4)]
        calls.insert(turn % 5, going.fence())

        outcomes = await asyncio.gather(*calls, return_exceptions=True)

        fenced = not isinstance(outcomes.pop(turn % 5), LumiError)
        refused = [each.reason for each in outcomes if isinstance(each, LumiError)]
        async with shop.database("payments") as database:
            count = await database.fetchval("select count(*) from payments where order_id = $1", going.order)
        assert (count, refused) == ((0, ["REFERENCE_GONE"] * 4) if fenced else (1, []))
