"""Each step of placing an order fails once, and stock, coupon and money are as before."""

from dataclasses import replace
from typing import Any, cast

import pytest
from lumi.orders.v1 import cart_pb2, order_pb2
from lumi.orders.v1.cart_pb2_grpc import CartServiceStub

from lumi_common.errors import Aborted, FailedPrecondition, LumiError, Unavailable
from lumi_orders.clients.catalogue import Catalogue
from lumi_orders.server import Peers
from services.orders.tests.rpc.failing import failing
from services.orders.tests.rpc.floor import Floor, branch, eventually
from tests.kit.buying import Shopper, request_id, usd
from tests.kit.shop import Shop

AWAY = Unavailable("UNAVAILABLE", "gone for the moment")
NO = FailedPrecondition("SOME_REASON", "no")


async def a_full_cart(floor: Floor) -> tuple[Shopper, cart_pb2.Cart, str, str]:
    """A shopper with two units of a variant (of which there are 5) and a coupon in the cart."""
    soup, coupon = await floor.shelf.put(5), await floor.coupon(50)
    ada = await floor.shopper()
    return ada, await ada.fill((soup, 2), coupon=coupon), soup, coupon


async def expect_as_before(floor: Floor, cart_id: str, soup: str, coupon: str) -> None:
    """Nothing is held, used, paid or on its way."""
    await eventually(lambda: floor.in_flight(cart_id), 0)
    assert await floor.shelf.stock(soup) == (5, 0)
    assert await floor.uses(coupon) == 0
    for id, status in await floor.orders_of(cart_id):
        assert status == "CANCELLED"
        assert [captured for _, captured in await floor.captured(id)] in ([], [usd(0)])
        assert all(kind == "FAILED" for kind, _ in await floor.captured(id))


@pytest.mark.parametrize("after", [False, True], ids=["before it took effect", "after it took effect"])
@pytest.mark.parametrize(
    ("peer", "method", "error", "reason"),
    [
        ("catalogue", "reserve", AWAY, "PLACING_UNDONE"),
        ("catalogue", "reserve", NO, "PLACING_UNDONE"),
        ("marketing", "redeem", AWAY, "PLACING_UNDONE"),
        ("marketing", "redeem", NO, "COUPON_REFUSED"),
    ],
)
async def test_a_step_before_the_order_fails_and_the_cart_can_be_placed_again(
    shop: Shop, peer: str, method: str, error: LumiError, reason: str, after: bool
) -> None:
    async with branch(shop, failing(peer, method, error, after=after)) as floor:
        ada, cart, soup, coupon = await a_full_cart(floor)
        id = request_id()

        with pytest.raises(LumiError, match=reason):
            await ada.place(cart, request_id=id)

        await expect_as_before(floor, cart.id, soup, coupon)
        assert await floor.orders_of(cart.id) == []
        assert await ada.stub(CartServiceStub).GetCart(cart_pb2.GetCartRequest(id=cart.id)) == cart
        assert (await ada.place(cart, request_id=id)).order.status == order_pb2.ORDER_STATUS_PAID
        await eventually(lambda: floor.shelf.stock(soup), (3, 0))
        assert await floor.uses(coupon) == 1


@pytest.mark.parametrize("after", [False, True], ids=["before it took effect", "after it took effect"])
@pytest.mark.parametrize(("error", "reason"), [(AWAY, "PLACING_UNDONE"), (NO, "PAYMENT_REFUSED")])
async def test_the_payment_fails_and_the_order_is_cancelled(
    shop: Shop, error: LumiError, reason: str, after: bool
) -> None:
    async with branch(shop, failing("payments", "create", error, after=after), by_hand=True) as floor:
        ada, cart, soup, coupon = await a_full_cart(floor)

        with pytest.raises(LumiError, match=reason):
            await ada.place(cart)

        await expect_as_before(floor, cart.id, soup, coupon)
        [(order_id, status)] = await floor.orders_of(cart.id)
        assert status == "CANCELLED"
        assert await floor.told(order_id) == ["order.placed", "order.cancelled"]
        with pytest.raises(FailedPrecondition, match="CART_NOT_ACTIVE"):
            await ada.place(cart)


async def test_money_that_was_taken_makes_the_order_good_although_the_answer_was_lost(shop: Shop) -> None:
    async with branch(shop, failing("payments", "create", AWAY, after=True)) as floor:
        ada, cart, soup, coupon = await a_full_cart(floor)

        placed = await ada.place(cart)

        assert placed.order.status == order_pb2.ORDER_STATUS_PAID
        await eventually(lambda: floor.shelf.stock(soup), (3, 0))
        assert await floor.uses(coupon) == 1
        assert await floor.captured(placed.order.id) == [("SETTLED", usd(450))]
        assert await floor.in_flight(cart.id) == 0


async def test_a_cart_that_changed_under_way_is_not_placed(shop: Shop) -> None:
    """Nothing of ours changes a cart that is being placed; what writes to the table by hand may."""

    class Meddling:
        def __init__(self, catalogue: Any) -> None:
            self._catalogue = catalogue

        def __getattr__(self, name: str) -> Any:
            return getattr(self._catalogue, name)

        async def reserve(self, order_id: str, *given: Any) -> Any:
            async with shop.database("orders") as database:
                await database.execute(
                    "update carts set version = version + 1 "
                    "where id = (select cart_id from checkouts where order_id = $1)",
                    order_id,
                )
            return await self._catalogue.reserve(order_id, *given)

    def change(peers: Peers) -> Peers:
        return replace(peers, catalogue=cast(Catalogue, Meddling(peers.catalogue)))

    async with branch(shop, change) as floor:
        ada, cart, soup, coupon = await a_full_cart(floor)

        with pytest.raises(Aborted, match="PLACING_UNDONE"):
            await ada.place(cart)

        await expect_as_before(floor, cart.id, soup, coupon)
        assert await floor.orders_of(cart.id) == []


@pytest.mark.parametrize(("peer", "method"), [("marketing", "release"), ("catalogue", "release")])
async def test_what_cannot_be_given_back_at_once_is_given_back_later(shop: Shop, peer: str, method: str) -> None:
    def change(peers: Peers) -> Peers:
        return failing("payments", "create", NO)(failing(peer, method, AWAY)(peers))

    async with branch(shop, change) as floor:
        ada, cart, soup, coupon = await a_full_cart(floor)

        with pytest.raises(FailedPrecondition, match="PAYMENT_REFUSED"):
            await ada.place(cart)

        await expect_as_before(floor, cart.id, soup, coupon)


async def test_an_outcome_that_is_not_known_is_found_out(shop: Shop) -> None:
    def change(peers: Peers) -> Peers:
        return failing("payments", "create", AWAY, after=True)(failing("payments", "find", AWAY)(peers))

    async with branch(shop, change) as floor:
        ada, cart, soup, _ = await a_full_cart(floor)
        id = request_id()

        with pytest.raises(Unavailable):
            await ada.place(cart, request_id=id)

        await eventually(lambda: floor.in_flight(cart.id), 0)
        placed = await ada.place(cart, request_id=id)
        assert placed.order.status == order_pb2.ORDER_STATUS_PAID
        await eventually(lambda: floor.shelf.stock(soup), (3, 0))
