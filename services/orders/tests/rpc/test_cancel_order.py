"""An order that is not paid is cancelled once, and all that was taken for it goes back."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from lumi.orders.v1 import order_pb2 as pb
from lumi.payments.v1 import payment_pb2

from lumi_common.errors import Aborted, NotFound
from services.orders.tests.rpc.books import GIVEN_UP, UNDONE, WAITING, Sale, sell, sold, staff
from services.orders.tests.rpc.floor import Floor, branch
from tests.kit.buying import request_id
from tests.kit.shop import Shop


@pytest.fixture(scope="module")
async def floor(shop: Shop) -> AsyncIterator[Floor]:
    """Where payments wait for staff to record them."""
    async with branch(shop, by_hand=True) as floor:
        yield floor


@pytest.fixture
async def sale(floor: Floor) -> Sale:
    return await sell(floor)


async def test_an_order_waits_for_its_money_and_is_paid_when_staff_record_it(sale: Sale) -> None:
    assert sale.placed.next_action.type == payment_pb2.NEXT_ACTION_TYPE_PAY_MANUALLY
    await sale.expect(WAITING)

    await sale.record()

    await sale.expect(sold("PAID"))
    assert await sale.floor.history(sale.id) == [(None, "PENDING", 1), ("PENDING", "PAID", 2)]


async def test_a_cancelled_order_gives_everything_back(sale: Sale) -> None:
    request = pb.CancelOrderRequest(id=sale.id, reason="changed my mind", etag="1", request_id=request_id())

    cancelled = await sale.orders.CancelOrder(request)

    assert cancelled.status == pb.ORDER_STATUS_CANCELLED
    assert cancelled.cancelled_time == cancelled.update_time
    assert await sale.books() == GIVEN_UP
    assert await sale.get() == cancelled
    assert await sale.orders.CancelOrder(request) == cancelled
    assert await sale.cancel(etag="1") == cancelled
    await sale.expect_sound()
    assert await sale.floor.told(sale.id) == ["order.placed", "order.cancelled"]


async def test_cancellations_at_once_are_recorded_once(sale: Sale) -> None:
    answers = await asyncio.gather(*(sale.cancel() for _ in range(25)))

    assert all(answer == answers[0] for answer in answers)
    assert await sale.floor.told(sale.id) == ["order.placed", "order.cancelled"]
    await sale.expect(GIVEN_UP)


async def test_an_order_that_is_paid_while_it_is_cancelled_is_cancelled_and_paid_back(floor: Floor) -> None:
    sales = await asyncio.gather(*(sell(floor) for _ in range(12)))

    outcomes = await asyncio.gather(
        *(way for sale in sales for way in (sale.cancel(), sale.record())), return_exceptions=True
    )

    for sale, cancelled, recorded in zip(sales, outcomes[::2], outcomes[1::2], strict=True):
        assert isinstance(cancelled, pb.Order)
        # Whoever recorded the money was told so, or that the payment is given up.
        assert recorded is None or "PAYMENT_NOT_RECORDABLE" in str(recorded)
        await sale.expect(GIVEN_UP if recorded else UNDONE)


async def test_a_cancellation_is_its_buyers_or_of_staff_who_may(sale: Sale) -> None:
    with pytest.raises(NotFound):
        await (await sell(sale.floor)).orders.CancelOrder(pb.CancelOrderRequest(id=sale.id))
    with pytest.raises(Aborted, match="ETAG_MISMATCH"):
        await sale.cancel(etag="9")
    with pytest.raises(NotFound):
        await sale.cancel(await staff(sale.floor, "orders.read"))

    answer = await sale.cancel(await staff(sale.floor, "orders.cancel"))

    assert answer.status == pb.ORDER_STATUS_CANCELLED


async def test_an_order_that_nobody_pays_is_cancelled_in_time(shop: Shop) -> None:
    async with branch(shop, by_hand=True, order_expiry_seconds=0.5, sweep_seconds=0.3) as floor:
        sale = await sell(floor)

        await sale.expect(GIVEN_UP)

        async with shop.database("orders") as database:
            why = await database.fetchrow(
                "select actor, reason from order_status_history where order_id = $1 and version = 2", sale.id
            )
        assert tuple(why) == ("service:orders.sweeper", "not paid in time")


async def test_an_order_is_not_cancelled_because_the_news_of_its_money_is_late(shop: Shop) -> None:
    async with branch(shop, by_hand=True, order_expiry_seconds=3, sweep_seconds=0.3) as floor:
        sale = await sell(floor)
        async with shop.database("orders") as database:
            # Whatever this payment tells is old news to its consumer.
            await database.execute(
                "insert into inbox_versions (consumer, aggregate, aggregate_id, version) values ($1, $2, $3, 99)",
                "orders-payments", "Payment", sale.placed.payment_id,
            )  # fmt: skip
        await sale.record()
        assert (await sale.books()).status == "PENDING"

        await sale.expect(sold("PAID"))
        assert await floor.told(sale.id) == ["order.placed", "order.paid"]


async def test_the_sweeper_cancels_what_is_not_paid_and_nothing_else(shop: Shop) -> None:
    async with branch(shop, order_expiry_seconds=0.1, sweep_seconds=0.1) as floor:
        sale = await sell(floor)

        await asyncio.sleep(1)

        await sale.expect(sold("PAID"))
