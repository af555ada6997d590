"""Each step of cancelling an order fails once; the order is cancelled all the same, and all of it is given back."""

import pytest
from lumi.orders.v1 import order_pb2 as pb

from lumi_common.errors import Aborted, DeadlineExceeded, FailedPrecondition, Internal, LumiError, Unavailable
from services.orders.tests.rpc.books import GIVEN_UP, UNDONE, Books, sell, sell_for_good, staff
from services.orders.tests.rpc.failing import Crash, failing
from services.orders.tests.rpc.floor import branch
from services.orders.tests.rpc.test_cancel_paid_order import bring_to, refunds_of
from tests.kit.buying import request_id
from tests.kit.shop import Shop

AWAY = Unavailable("UNAVAILABLE", "gone for the moment")
LATE = DeadlineExceeded("DEADLINE_EXCEEDED", "no answer in time")
# The call's own time, after which the sweeper may take up what it left, in seconds.
CALL = 1.0
SOON = {"sweep_seconds": 0.2, "retry_seconds": 0.2}
# The sweeper stays away, and the one of the shop leaves a call's checkout to the call.
NEVER = {"sweep_seconds": 60.0, "retry_seconds": 60.0}

WHEN = pytest.mark.parametrize("after", [False, True], ids=["before it took effect", "after it took effect"])
STEPS = [("payments", "find"), ("payments", "refund"), ("marketing", "release"), ("catalogue", "release")]


@WHEN
@pytest.mark.parametrize(("peer", "method"), STEPS)
async def test_a_step_of_cancelling_a_paid_order_fails_and_is_done_later(
    shop: Shop, peer: str, method: str, after: bool
) -> None:
    async with branch(shop, failing(peer, method, LATE if after else AWAY, after=after), **SOON) as floor:
        sale = await sell_for_good(floor)
        request = pb.CancelOrderRequest(id=sale.id, request_id=request_id())

        cancelled = await sale.orders.CancelOrder(request)

        assert cancelled.status == pb.ORDER_STATUS_CANCELLED
        assert await sale.orders.CancelOrder(request) == cancelled
        await sale.expect(UNDONE)
        assert [amount for amount, *_ in await refunds_of(sale)] == [450]
        assert await floor.told(sale.id) == ["order.placed", "order.paid", "order.cancelled"]


@pytest.mark.parametrize(("peer", "method"), STEPS)
async def test_a_crash_while_a_paid_order_is_cancelled_is_finished(shop: Shop, peer: str, method: str) -> None:
    async with branch(shop, failing(peer, method, Crash(), after=True), **SOON) as floor:
        sale = await sell_for_good(floor)
        request = pb.CancelOrderRequest(id=sale.id, request_id=request_id())

        with pytest.raises(Internal):
            await sale.orders.CancelOrder(request, timeout=CALL)

        assert (await sale.orders.CancelOrder(request)).status == pb.ORDER_STATUS_CANCELLED
        await sale.expect(UNDONE)
        assert [amount for amount, *_ in await refunds_of(sale)] == [450]


@WHEN
async def test_the_payment_of_a_waiting_order_is_voided_later(shop: Shop, after: bool) -> None:
    async with branch(shop, failing("payments", "void", AWAY, after=after), by_hand=True, **SOON) as floor:
        sale = await sell(floor)

        await sale.cancel()

        await sale.expect(GIVEN_UP)


async def test_a_packed_order_is_given_back_later_too(shop: Shop) -> None:
    async with branch(shop, failing("catalogue", "release", AWAY, after=True), **SOON) as floor:
        sale = await sell_for_good(floor)
        await bring_to("FULFILLED", sale)

        await sale.cancel(await staff(floor, "orders.cancel"))

        await sale.expect(UNDONE)


async def test_while_one_service_is_away_the_others_have_theirs_back(shop: Shop) -> None:
    async with branch(shop, failing("payments", "find", AWAY), **NEVER) as floor:
        sale = await sell_for_good(floor)

        await sale.cancel()

        assert await sale.books() == Books("CANCELLED", [("SETTLED", 450, 0)], (5, 0), 0, 1)
        async with shop.database("orders") as database:
            error = await database.fetchval("select error from checkouts where order_id = $1", sale.id)
            await database.execute("update checkouts set next_attempt_at = now() where order_id = $1", sale.id)
        assert error == "UNAVAILABLE gone for the moment"
        await sale.expect(UNDONE)


@pytest.mark.parametrize("error", [Aborted("ETAG_MISMATCH"), FailedPrecondition("PAYMENT_NOT_VOIDABLE")])
async def test_a_payment_that_moved_in_between_is_looked_at_again(shop: Shop, error: LumiError) -> None:
    """Whoever gives back is told so by its refusal, and is done before the call is answered."""
    async with branch(shop, failing("payments", "refund", error), **NEVER) as floor:
        sale = await sell_for_good(floor)

        await sale.cancel()

        assert await sale.books() == UNDONE


async def test_money_recorded_while_an_order_is_given_back_is_given_back(shop: Shop) -> None:
    """Voiding fails, the money comes, and the sweeper finds it captured."""
    async with branch(shop, failing("payments", "void", AWAY), by_hand=True, retry_seconds=3.0) as floor:
        sale = await sell(floor)
        await sale.cancel()

        await sale.record()

        await sale.expect(UNDONE)
