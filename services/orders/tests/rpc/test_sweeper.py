"""What a crash left between two steps is finished or undone, and the caller gets the answer it would have had."""

import pytest
from lumi.orders.v1 import order_pb2
from lumi.orders.v1.order_pb2_grpc import OrderServiceStub

from lumi_common.errors import FailedPrecondition, Internal, InvalidArgument
from lumi_orders.server import Peers
from services.orders.tests.rpc.failing import Crash, failing
from services.orders.tests.rpc.floor import branch, eventually
from services.orders.tests.rpc.test_compensation import NO, a_full_cart, expect_as_before
from tests.kit.buying import request_id, usd
from tests.kit.shop import Shop

# The call's own time, after which the sweeper may take up what it left, in seconds.
CALL = 1.0


@pytest.mark.parametrize("after", [False, True], ids=["before it took effect", "after it took effect"])
@pytest.mark.parametrize(("peer", "method"), [("catalogue", "reserve"), ("marketing", "redeem")])
async def test_a_crash_before_the_order_is_written_is_undone(shop: Shop, peer: str, method: str, after: bool) -> None:
    async with branch(shop, failing(peer, method, Crash(), after=after)) as floor:
        ada, cart, soup, coupon = await a_full_cart(floor)
        id = request_id()

        with pytest.raises(Internal):
            await ada.stub(OrderServiceStub).PlaceOrder(ada.order_for(cart, request_id=id), timeout=CALL)

        with pytest.raises(FailedPrecondition, match="CART_BEING_PLACED"):
            await ada.place(cart, request_id=id)
        with pytest.raises(FailedPrecondition, match="CART_BEING_PLACED"):
            await floor.add(ada, cart, soup, 1)
        await expect_as_before(floor, cart.id, soup, coupon)
        assert await floor.orders_of(cart.id) == []
        assert (await ada.place(cart, request_id=id)).order.status == order_pb2.ORDER_STATUS_PAID


@pytest.mark.parametrize("after", [False, True], ids=["before it took effect", "after it took effect"])
async def test_a_crash_at_the_payment_is_finished_with_the_answer_kept(shop: Shop, after: bool) -> None:
    async with branch(shop, failing("payments", "create", Crash(), after=after)) as floor:
        ada, cart, soup, coupon = await a_full_cart(floor)
        id = request_id()

        with pytest.raises(Internal):
            await ada.stub(OrderServiceStub).PlaceOrder(ada.order_for(cart, request_id=id), timeout=CALL)
        await eventually(lambda: floor.in_flight(cart.id), 0)

        placed = await ada.place(cart, request_id=id)
        assert placed.order.status == order_pb2.ORDER_STATUS_PAID
        assert await floor.orders_of(cart.id) == [(placed.order.id, "PAID")]
        assert await floor.told(placed.order.id) == ["order.placed", "order.paid"]
        assert await floor.captured(placed.order.id) == [("SETTLED", usd(450))]
        assert await floor.uses(coupon) == 1
        await eventually(lambda: floor.shelf.stock(soup), (3, 0))
        with pytest.raises(InvalidArgument, match="REQUEST_ID_REUSED"):
            await ada.place(cart, request_id=id, metadata={"another": "body"})


async def test_a_crash_while_undoing_is_undone(shop: Shop) -> None:
    async with branch(shop, _refused_then_crashed) as floor:
        ada, cart, soup, coupon = await a_full_cart(floor)

        with pytest.raises(Internal):
            await ada.stub(OrderServiceStub).PlaceOrder(ada.order_for(cart), timeout=CALL)

        await expect_as_before(floor, cart.id, soup, coupon)
        assert [status for _, status in await floor.orders_of(cart.id)] == ["CANCELLED"]


def _refused_then_crashed(peers: Peers) -> Peers:
    return failing("payments", "create", NO)(failing("marketing", "release", Crash())(peers))
