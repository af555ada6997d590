"""An order that is not paid is cancelled once, and all that was taken for it goes back."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from lumi.orders.v1 import order_pb2 as pb
from lumi.orders.v1.order_pb2_grpc import OrderServiceStub
from lumi.payments.v1 import payment_pb2
from lumi.payments.v1.payment_pb2_grpc import PaymentServiceStub

from lumi_common.errors import Aborted, FailedPrecondition, NotFound
from services.orders.tests.rpc.floor import Floor, branch, eventually
from tests.kit.buying import Shopper, request_id, usd
from tests.kit.shop import Shop


@pytest.fixture(scope="module")
async def floor(shop: Shop) -> AsyncIterator[Floor]:
    """Where payments wait for staff to record them."""
    async with branch(shop, by_hand=True) as floor:
        yield floor


@pytest.fixture
async def ada(floor: Floor) -> Shopper:
    return await floor.shopper()


async def pending(floor: Floor, ada: Shopper, **facts: Any) -> tuple[pb.PlaceOrderResponse, str, str]:
    """An order that waits for its money, its variant (of which there were 5) and its coupon."""
    soup, coupon = await floor.shelf.put(5), await floor.coupon(50)
    placed = await ada.place(await ada.fill((soup, 2), coupon=coupon), **facts)
    assert placed.order.status == pb.ORDER_STATUS_PENDING
    return placed, soup, coupon


async def record(floor: Floor, placed: pb.PlaceOrderResponse) -> None:
    staff = await floor.shop.user("payments.record")
    await floor.shop.stub(PaymentServiceStub, staff.token).RecordManualPayment(
        payment_pb2.RecordManualPaymentRequest(id=placed.payment_id, amount=placed.order.total_amount)
    )


async def status(ada: Shopper, order_id: str) -> int:
    return int((await ada.stub(OrderServiceStub).GetOrder(pb.GetOrderRequest(id=order_id))).status)


async def test_an_order_waits_for_its_money_and_is_paid_when_staff_record_it(floor: Floor, ada: Shopper) -> None:
    id = request_id()
    placed, soup, coupon = await pending(floor, ada, request_id=id)

    assert placed.next_action.type == payment_pb2.NEXT_ACTION_TYPE_PAY_MANUALLY
    assert await floor.shelf.stock(soup) == (5, 2)
    assert await floor.in_flight(placed.order.cart_id) == 0
    await record(floor, placed)

    await eventually(lambda: status(ada, placed.order.id), pb.ORDER_STATUS_PAID)
    assert await floor.history(placed.order.id) == [(None, "PENDING", 1), ("PENDING", "PAID", 2)]
    await eventually(lambda: floor.shelf.stock(soup), (3, 0))
    assert await floor.uses(coupon) == 1
    cancel = pb.CancelOrderRequest(id=placed.order.id)
    with pytest.raises(FailedPrecondition, match="ORDER_NOT_CANCELLABLE") as refused:
        await ada.stub(OrderServiceStub).CancelOrder(cancel)
    assert refused.value.facts["status"] == "PAID"


async def test_a_cancelled_order_gives_everything_back(floor: Floor, ada: Shopper) -> None:
    placed, soup, coupon = await pending(floor, ada)
    order, orders = placed.order, ada.stub(OrderServiceStub)
    request = pb.CancelOrderRequest(id=order.id, reason="changed my mind", etag="1", request_id=request_id())

    cancelled = await orders.CancelOrder(request)

    assert cancelled.status == pb.ORDER_STATUS_CANCELLED
    assert cancelled.cancelled_time == cancelled.update_time
    assert await orders.GetOrder(pb.GetOrderRequest(id=order.id)) == cancelled
    assert await floor.shelf.stock(soup) == (5, 0)
    assert await floor.uses(coupon) == 0
    assert await floor.captured(order.id) == [("FAILED", usd(0))]
    assert await floor.in_flight(order.cart_id) == 0
    assert await orders.CancelOrder(request) == cancelled
    assert await orders.CancelOrder(pb.CancelOrderRequest(id=order.id, etag="1")) == cancelled
    assert await floor.told(order.id) == ["order.placed", "order.cancelled"]


async def test_two_cancellations_at_once_are_recorded_once(floor: Floor, ada: Shopper) -> None:
    placed, soup, coupon = await pending(floor, ada)
    cancel = pb.CancelOrderRequest(id=placed.order.id)
    orders = ada.stub(OrderServiceStub)

    answers = await asyncio.gather(*(orders.CancelOrder(cancel) for _ in range(5)))

    assert all(answer == answers[0] for answer in answers)
    assert await floor.told(placed.order.id) == ["order.placed", "order.cancelled"]
    assert (await floor.shelf.stock(soup), await floor.uses(coupon)) == ((5, 0), 0)


async def test_of_cancellation_and_payment_at_once_the_money_decides(floor: Floor) -> None:
    for _ in range(4):
        ada = await floor.shopper()
        placed, soup, coupon = await pending(floor, ada)
        cancel = ada.stub(OrderServiceStub).CancelOrder(pb.CancelOrderRequest(id=placed.order.id))

        await asyncio.gather(cancel, record(floor, placed), return_exceptions=True)

        [(paid, captured)] = await floor.captured(placed.order.id)
        assert paid in ("SETTLED", "FAILED")
        sold = paid == "SETTLED"
        wanted = pb.ORDER_STATUS_PAID if sold else pb.ORDER_STATUS_CANCELLED
        await eventually(lambda: status(ada, placed.order.id), wanted)  # noqa: B023
        assert captured == (placed.order.total_amount if sold else usd(0))
        await eventually(lambda: floor.shelf.stock(soup), (3, 0) if sold else (5, 0))  # noqa: B023
        await eventually(lambda: floor.uses(coupon), int(sold))  # noqa: B023


async def test_a_cancellation_is_its_buyers_or_of_staff_who_may(floor: Floor, ada: Shopper) -> None:
    placed, *_ = await pending(floor, ada)
    cancel = pb.CancelOrderRequest(id=placed.order.id)
    with pytest.raises(NotFound):
        await (await floor.shopper()).stub(OrderServiceStub).CancelOrder(cancel)
    with pytest.raises(Aborted, match="ETAG_MISMATCH"):
        await ada.stub(OrderServiceStub).CancelOrder(pb.CancelOrderRequest(id=placed.order.id, etag="9"))
    reader = await floor.shop.user("orders.read")
    with pytest.raises(NotFound):
        await floor.shop.stub(OrderServiceStub, reader.token).CancelOrder(cancel)

    staff = await floor.shop.user("orders.cancel")
    answer = await floor.shop.stub(OrderServiceStub, staff.token).CancelOrder(cancel)

    assert answer.status == pb.ORDER_STATUS_CANCELLED


async def test_an_order_that_nobody_pays_is_cancelled_in_time(shop: Shop) -> None:
    async with branch(shop, by_hand=True, order_expiry_seconds=0.5, sweep_seconds=0.3) as floor:
        ada = await floor.shopper()
        placed, soup, coupon = await pending(floor, ada)

        await eventually(lambda: status(ada, placed.order.id), pb.ORDER_STATUS_CANCELLED)
        await eventually(lambda: floor.shelf.stock(soup), (5, 0))
        await eventually(lambda: floor.in_flight(placed.order.cart_id), 0)
        assert await floor.uses(coupon) == 0
        assert await floor.captured(placed.order.id) == [("FAILED", usd(0))]
