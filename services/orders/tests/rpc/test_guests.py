"""Somebody without an account buys, with nothing but the token of their session."""

import asyncio
from typing import Any

import pytest
from lumi.common.v1.address_pb2 import PostalAddress
from lumi.orders.v1 import cart_pb2 as pb
from lumi.orders.v1 import order_pb2
from lumi.orders.v1.cart_pb2_grpc import CartServiceStub
from lumi.orders.v1.order_pb2_grpc import OrderServiceStub

from lumi_common.cuid import cuid
from lumi_common.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, Unauthenticated
from services.orders.tests.rpc.floor import Floor, branch, eventually
from tests.kit.buying import HOME, Guest, Shopper, request_id, usd
from tests.kit.shop import Shop

OFFICE = PostalAddress(full_name="Ada Lovelace", line1="1 Mill Lane", city="London", postal_code="N1", country="GB")


@pytest.fixture
async def guest(floor: Floor) -> Guest:
    return await floor.guest()


@pytest.fixture
def carts(guest: Guest) -> Any:
    return guest.stub(CartServiceStub)


async def test_a_guest_has_one_active_cart(floor: Floor, guest: Guest, carts: Any) -> None:
    create = pb.CreateCartRequest(currency_code="USD", request_id=request_id())
    made = await asyncio.gather(*(carts.CreateCart(create) for _ in range(5)))

    assert len({cart.id for cart in made}) == 1
    assert (made[0].user_id, made[0].status) == ("", pb.CART_STATUS_ACTIVE)
    assert await carts.GetActiveCart(pb.GetActiveCartRequest()) == made[0]
    with pytest.raises(AlreadyExists, match="ACTIVE_CART_EXISTS") as refused:
        await carts.CreateCart(pb.CreateCartRequest())
    assert refused.value.facts == {"cart_id": made[0].id}
    assert await floor.rows("select user_id, session_id from carts where id = $1", made[0].id) == [(None, guest.id)]


async def test_a_guest_fills_and_changes_their_cart(floor: Floor, guest: Guest, carts: Any) -> None:
    soup, coupon = await floor.shelf.put(), await floor.coupon(100)
    cart = await guest.fill((soup, 2), coupon=coupon)
    assert (cart.coupon_code, cart.shipping_address, cart.billing_address) == (coupon, HOME, HOME)

    cart = await carts.UpdateCartItem(
        pb.UpdateCartItemRequest(cart_id=cart.id, product_variant_id=soup, quantity=3, etag=cart.etag)
    )
    quote = await carts.QuoteCart(pb.QuoteCartRequest(id=cart.id))
    assert (quote.is_orderable, quote.total_amount) == (True, usd(650))
    await carts.RemoveCoupon(pb.RemoveCouponRequest(id=cart.id))
    await carts.RemoveCartItem(pb.RemoveCartItemRequest(cart_id=cart.id, product_variant_id=soup))
    cart = await carts.ClearCart(pb.ClearCartRequest(id=cart.id))
    assert (list(cart.items), cart.coupon_code, cart.shipping_address) == ([], "", HOME)


async def test_nobody_elses_token_finds_a_guests_cart(floor: Floor, guest: Guest) -> None:
    soup = await floor.shelf.put()
    cart = await guest.fill((soup, 1))
    for other in (await floor.guest(), await floor.shopper()):
        theirs = other.stub(CartServiceStub)
        for call in (
            theirs.GetCart(pb.GetCartRequest(id=cart.id)),
            theirs.GetActiveCart(pb.GetActiveCartRequest()),
            theirs.QuoteCart(pb.QuoteCartRequest(id=cart.id)),
            theirs.AddCartItem(pb.AddCartItemRequest(cart_id=cart.id, product_variant_id=soup, quantity=1)),
            theirs.UpdateCartItem(pb.UpdateCartItemRequest(cart_id=cart.id, product_variant_id=soup, quantity=1)),
            theirs.RemoveCartItem(pb.RemoveCartItemRequest(cart_id=cart.id, product_variant_id=soup)),
            theirs.ClearCart(pb.ClearCartRequest(id=cart.id)),
            theirs.ApplyCoupon(pb.ApplyCouponRequest(id=cart.id, code="X")),
            theirs.RemoveCoupon(pb.RemoveCouponRequest(id=cart.id)),
            theirs.SetCartAddresses(pb.SetCartAddressesRequest(id=cart.id, shipping_address=OFFICE)),
            other.place(cart, shipping_address_id=""),
        ):
            with pytest.raises(NotFound):
                await call
    for nobody in (floor.shop.stub(CartServiceStub), floor.shop.stub(CartServiceStub, "no.such.token")):
        with pytest.raises(Unauthenticated):
            await nobody.GetCart(pb.GetCartRequest(id=cart.id))
    assert await guest.stub(CartServiceStub).GetCart(pb.GetCartRequest(id=cart.id)) == cart


async def test_a_guest_buys_and_finds_the_order_with_their_token_alone(floor: Floor, guest: Guest) -> None:
    soup, coupon = await floor.shelf.put(10), await floor.coupon(100)
    cart = await guest.fill((soup, 2), coupon=coupon)

    order = (await guest.place(cart)).order

    assert (order.status, order.total_amount, order.user_id) == (order_pb2.ORDER_STATUS_PAID, usd(400), "")
    assert (order.shipping_address, order.billing_address, order.shipping_address_id) == (HOME, HOME, "")
    kept = await floor.rows("select user_id, guest_session_id from orders where id = $1", order.id)
    assert kept == [(None, guest.id)]
    async with floor.shop.database("payments") as database:
        assert await database.fetchval("select user_id from payments where order_id = $1", order.id) is None
    assert await floor.uses(coupon) == 1
    await eventually(lambda: floor.shelf.stock(soup), (8, 0))
    await expect_seen(guest, order)
    for other in (await floor.guest(), await floor.shopper()):
        await expect_unseen(other, order)
    staff = floor.shop.stub(OrderServiceStub, (await floor.shop.user("orders.read")).token)
    assert await staff.GetOrder(order_pb2.GetOrderRequest(id=order.id)) == order


async def expect_seen(by: Shopper, order: order_pb2.Order) -> None:
    orders = by.stub(OrderServiceStub)
    assert await orders.GetOrder(order_pb2.GetOrderRequest(id=order.id)) == order
    by_reference = order_pb2.GetOrderByReferenceRequest(reference=order.reference)
    assert await orders.GetOrderByReference(by_reference) == order
    assert list((await orders.ListOrders(order_pb2.ListOrdersRequest())).orders) == [order]


async def expect_unseen(by: Shopper, order: order_pb2.Order) -> None:
    orders = by.stub(OrderServiceStub)
    for call in (
        orders.GetOrder(order_pb2.GetOrderRequest(id=order.id)),
        orders.GetOrderByReference(order_pb2.GetOrderByReferenceRequest(reference=order.reference)),
        orders.CancelOrder(order_pb2.CancelOrderRequest(id=order.id)),
    ):
        with pytest.raises(NotFound):
            await call
    assert not (await orders.ListOrders(order_pb2.ListOrdersRequest())).orders


async def test_many_placements_of_a_guests_cart_at_once_make_one_order(floor: Floor, guest: Guest) -> None:
    soup, id = await floor.shelf.put(10), request_id()
    cart = await guest.fill((soup, 1))

    tries = await asyncio.gather(*(guest.place(cart, request_id=id) for _ in range(6)), return_exceptions=True)

    first = await guest.place(cart, request_id=id)
    assert all(each == first for each in tries if not isinstance(each, BaseException))
    assert len(await floor.orders_of(cart.id)) == 1
    await eventually(lambda: floor.shelf.stock(soup), (9, 0))


async def test_a_guest_cancels_what_they_have_not_paid(shop: Shop) -> None:
    async with branch(shop, by_hand=True) as floor:
        guest, soup = await floor.guest(), await floor.shelf.put(5)
        order = (await guest.place(await guest.fill((soup, 2)))).order
        assert order.status == order_pb2.ORDER_STATUS_PENDING
        await expect_unseen(await floor.guest(), order)

        cancelled = await guest.stub(OrderServiceStub).CancelOrder(order_pb2.CancelOrderRequest(id=order.id))

        assert cancelled.status == order_pb2.ORDER_STATUS_CANCELLED
        await eventually(lambda: floor.shelf.stock(soup), (5, 0))


async def test_a_guest_has_no_address_book(floor: Floor, guest: Guest, carts: Any) -> None:
    ada = await floor.shopper()
    await ada.move_in()
    cart = await guest.fill((await floor.shelf.put(), 1), to=None)
    for call in (
        carts.SetCartAddresses(pb.SetCartAddressesRequest(id=cart.id, shipping_address_id=ada.address)),
        carts.QuoteCart(pb.QuoteCartRequest(id=cart.id, shipping_address_id=ada.address)),
        guest.place(cart, shipping_address_id=ada.address),
    ):
        with pytest.raises(FailedPrecondition, match="ADDRESS_NOT_FOUND"):
            await call
    with pytest.raises(FailedPrecondition, match="ADDRESS_REQUIRED"):
        await guest.place(cart)


async def test_an_address_is_named_or_given_and_not_both(floor: Floor) -> None:
    ada = await floor.shopper()
    cart = await ada.fill()
    carts = ada.stub(CartServiceStub)

    async def set_to(**addresses: Any) -> pb.Cart:
        return await carts.SetCartAddresses(pb.SetCartAddressesRequest(id=cart.id, **addresses))  # type: ignore[no-any-return]

    both = await set_to(shipping_address_id=ada.address, billing_address=OFFICE)
    assert (both.shipping_address, both.billing_address) == (HOME, OFFICE)
    given = await set_to(shipping_address=OFFICE)
    assert (given.shipping_address, given.billing_address) == (OFFICE, OFFICE)
    turned = await set_to(shipping_address=OFFICE, billing_address_id=ada.address)
    assert (turned.shipping_address, turned.billing_address) == (OFFICE, HOME)
    for wrong in (
        {},
        {"billing_address": OFFICE},
        {"shipping_address_id": ada.address, "shipping_address": OFFICE},
        {"shipping_address": OFFICE, "billing_address_id": cuid(), "billing_address": OFFICE},
        {"shipping_address": PostalAddress(full_name="Ada")},
    ):
        with pytest.raises(InvalidArgument):
            await set_to(**wrong)
    assert await carts.GetCart(pb.GetCartRequest(id=cart.id)) == turned


async def test_a_coupon_with_a_limit_per_user_is_not_for_guests(floor: Floor, guest: Guest, carts: Any) -> None:
    coupon = await floor.coupon(100, per_user_limit=1)
    cart = await guest.fill((await floor.shelf.put(), 1))
    with pytest.raises(FailedPrecondition, match="COUPON_REFUSED") as refused:
        await carts.ApplyCoupon(pb.ApplyCouponRequest(id=cart.id, code=coupon))
    assert refused.value.facts == {"reason": "COUPON_NEEDS_USER"}


async def test_a_guests_cart_that_was_left_alone_is_given_up(floor: Floor, guest: Guest, carts: Any) -> None:
    cart = await guest.fill((await floor.shelf.put(), 1))
    async with floor.shop.database("orders") as database:
        await database.execute("update carts set updated_at = now() - interval '31 days' where id = $1", cart.id)

    async def status() -> Any:
        return (await carts.GetCart(pb.GetCartRequest(id=cart.id))).status

    await eventually(status, pb.CART_STATUS_ABANDONED)
    assert not (await carts.GetCart(pb.GetCartRequest(id=cart.id))).HasField("shipping_address")
    assert (await guest.fill()).id != cart.id
