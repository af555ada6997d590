"""A cart becomes an order, paid and with its stock taken, once."""

import asyncio
from typing import Any

import pytest
from lumi.catalogue.v1 import inventory_pb2
from lumi.catalogue.v1.inventory_pb2_grpc import InventoryServiceStub
from lumi.orders.v1 import cart_pb2, order_pb2
from lumi.orders.v1.cart_pb2_grpc import CartServiceStub
from lumi.orders.v1.order_pb2_grpc import OrderServiceStub
from lumi.payments.v1 import payment_pb2

from lumi_common.cuid import cuid
from lumi_common.errors import Aborted, FailedPrecondition, InvalidArgument, LumiError, NotFound, Unauthenticated
from services.orders.tests.rpc.floor import Floor, eventually
from tests.kit.buying import HOME, request_id, usd
from tests.kit.shop import Shop


async def test_a_cart_with_a_coupon_is_bought(floor: Floor) -> None:
    soup, bread = await floor.shelf.put(10, 250), await floor.shelf.put(5, 199)
    coupon = await floor.coupon(100)
    ada = await floor.shopper()
    cart = await ada.fill((soup, 3), (bread, 1), coupon=coupon.lower())

    placed = await ada.place(cart, metadata={"basket": 26984851472, "store": "364", "gift": True})

    order = placed.order
    assert order.status == order_pb2.ORDER_STATUS_PAID
    assert placed.next_action.type == payment_pb2.NEXT_ACTION_TYPE_NONE
    assert (order.subtotal_amount, order.discount_amount, order.total_amount) == (usd(949), usd(100), usd(849))
    assert order.coupon_code == coupon
    assert [(item.product_variant_id, item.quantity) for item in order.items] == [(soup, 3), (bread, 1)]
    assert [item.discount_amount for item in order.items] == [usd(79), usd(21)]
    assert [item.total_amount for item in order.items] == [usd(671), usd(178)]
    assert order.items[0].title.startswith("Tomato soup")
    assert order.items[0].variant.title == "Tin"
    assert (order.shipping_address, order.billing_address) == (HOME, HOME)
    assert order.shipping_address_id == ada.address
    assert dict(order.metadata) == {"basket": 26984851472.0, "store": "364", "gift": True}
    assert order.etag == "2"

    orders = ada.stub(OrderServiceStub)
    assert await orders.GetOrder(order_pb2.GetOrderRequest(id=order.id)) == order
    by_reference = order_pb2.GetOrderByReferenceRequest(reference=order.reference)
    assert await orders.GetOrderByReference(by_reference) == order
    assert (await orders.ListOrders(order_pb2.ListOrdersRequest())).orders == [order]
    assert await floor.uses(coupon) == 1
    assert await floor.captured(order.id) == [("SETTLED", usd(849))]
    await eventually(lambda: floor.shelf.stock(soup), (7, 0))
    await eventually(lambda: floor.shelf.stock(bread), (4, 0))
    closed = await ada.stub(CartServiceStub).GetCart(cart_pb2.GetCartRequest(id=cart.id))
    assert closed.status == cart_pb2.CART_STATUS_CHECKED_OUT
    assert await floor.in_flight(cart.id) == 0


async def test_its_history_and_records_agree(floor: Floor) -> None:
    ada = await floor.shopper()
    order = (await ada.place(await ada.fill((await floor.shelf.put(), 1)))).order

    assert await floor.history(order.id) == [(None, "PENDING", 1), ("PENDING", "PAID", 2)]
    assert await floor.told(order.id) == ["order.placed", "order.paid"]
    assert (await floor.told(order.cart_id))[-1] == "cart.item_added"


async def test_an_order_whose_coupon_pays_for_all_of_it_is_paid(floor: Floor) -> None:
    ada, coupon = await floor.shopper(), await floor.coupon(500)
    placed = await ada.place(await ada.fill((await floor.shelf.put(4, 250), 2), coupon=coupon))

    assert placed.order.status == order_pb2.ORDER_STATUS_PAID
    assert placed.order.total_amount == usd(0)
    assert placed.order.items[0].total_amount == usd(0)
    assert await floor.captured(placed.order.id) == [("SETTLED", usd(0))]


async def test_a_repeat_gets_the_first_answer_and_another_request_none(floor: Floor) -> None:
    ada = await floor.shopper()
    cart = await ada.fill((await floor.shelf.put(), 1))
    id = request_id()
    first = await ada.place(cart, request_id=id)

    assert await ada.place(cart, request_id=id) == first
    with pytest.raises(InvalidArgument, match="REQUEST_ID_REUSED"):
        await ada.place(cart, request_id=id, metadata={"another": "body"})
    with pytest.raises(FailedPrecondition, match="CART_NOT_ACTIVE") as refused:
        await ada.place(cart)
    assert refused.value.facts["order_id"] == first.order.id


async def test_an_id_of_another_order_is_refused_before_anything_is_taken(floor: Floor) -> None:
    ada, soup, id = await floor.shopper(), await floor.shelf.put(10), request_id()
    await ada.place(await ada.fill((soup, 1)), request_id=id)
    another = await ada.fill((soup, 2))

    with pytest.raises(InvalidArgument, match="REQUEST_ID_REUSED"):
        await ada.place(another, request_id=id)

    await eventually(lambda: floor.shelf.stock(soup), (9, 0))
    assert await floor.in_flight(another.id) == 0


async def test_many_placements_of_one_cart_at_once_make_one_order(floor: Floor) -> None:
    ada, soup = await floor.shopper(), await floor.shelf.put(100)
    cart = await ada.fill((soup, 1))

    tries = await asyncio.gather(*(ada.place(cart) for _ in range(8)), return_exceptions=True)

    placed = [each for each in tries if isinstance(each, order_pb2.PlaceOrderResponse)]
    assert len(placed) == 1
    reasons = {each.reason for each in tries if isinstance(each, LumiError)}
    assert reasons <= {"CART_BEING_PLACED", "CART_NOT_ACTIVE", "PLACING_UNDONE"}
    await eventually(lambda: floor.shelf.stock(soup), (99, 0))
    assert await floor.in_flight(cart.id) == 0


async def test_the_same_request_many_times_at_once_makes_one_order(floor: Floor) -> None:
    ada, soup, id = await floor.shopper(), await floor.shelf.put(100), request_id()
    cart = await ada.fill((soup, 1))

    await asyncio.gather(*(ada.place(cart, request_id=id) for _ in range(8)), return_exceptions=True)

    answers = await asyncio.gather(*(ada.place(cart, request_id=id) for _ in range(8)))
    assert len({answer.order.id for answer in answers}) == 1
    await eventually(lambda: floor.shelf.stock(soup), (99, 0))


async def test_the_last_unit_is_sold_once(floor: Floor) -> None:
    soup = await floor.shelf.put(1)
    shoppers = [await floor.shopper() for _ in range(4)]
    carts = [await shopper.fill((soup, 1)) for shopper in shoppers]

    tries = await asyncio.gather(
        *(shopper.place(cart) for shopper, cart in zip(shoppers, carts, strict=True)), return_exceptions=True
    )

    assert sum(isinstance(each, order_pb2.PlaceOrderResponse) for each in tries) == 1
    refused = [each for each in tries if isinstance(each, FailedPrecondition)]
    assert {each.reason for each in refused} == {"INSUFFICIENT_STOCK"}
    assert {each.facts["product_variant_id"] for each in refused} == {soup}
    await eventually(lambda: floor.shelf.stock(soup), (0, 0))


async def test_the_last_use_of_a_coupon_is_had_once(floor: Floor) -> None:
    soup, coupon = await floor.shelf.put(10), await floor.coupon(50, usage_limit=1)
    shoppers = [await floor.shopper() for _ in range(3)]
    carts = [await shopper.fill((soup, 1), coupon=coupon) for shopper in shoppers]

    tries = await asyncio.gather(
        *(shopper.place(cart) for shopper, cart in zip(shoppers, carts, strict=True)), return_exceptions=True
    )

    assert sum(isinstance(each, order_pb2.PlaceOrderResponse) for each in tries) == 1
    refused = [each for each in tries if isinstance(each, FailedPrecondition)]
    assert [(each.reason, each.facts["reason"]) for each in refused] == [("COUPON_REFUSED", "COUPON_USED_UP")] * 2
    assert await floor.uses(coupon) == 1
    await eventually(lambda: floor.shelf.stock(soup), (9, 0))


async def test_what_is_refused_at_the_start_begins_nothing(floor: Floor) -> None:
    ada, bob = await floor.shopper(), await floor.shopper()
    soup = await floor.shelf.put()
    empty = await ada.fill()
    with pytest.raises(FailedPrecondition, match="CART_EMPTY"):
        await ada.place(empty)
    with pytest.raises(NotFound):
        await bob.place(empty)
    cart = await floor.add(ada, empty, soup, 1)
    with pytest.raises(FailedPrecondition, match="ADDRESS_REQUIRED"):
        await ada.place(cart, shipping_address_id="")
    with pytest.raises(FailedPrecondition, match="ADDRESS_NOT_FOUND") as refused:
        await ada.place(cart, shipping_address_id=cuid())
    assert refused.value.field == "shipping_address_id"
    for etag in ("1", "nonsense"):
        with pytest.raises(Aborted, match="ETAG_MISMATCH"):
            await ada.place(cart, cart_etag=etag)
    with pytest.raises(Unauthenticated):
        await floor.shop.stub(OrderServiceStub).PlaceOrder(ada.order_for(cart))
    for unpayable in (payment_pb2.PAYMENT_PROVIDER_UNSPECIFIED, 99):
        with pytest.raises(InvalidArgument, match="payment_provider"):
            await ada.place(cart, payment_provider=unpayable)

    assert await floor.in_flight(cart.id) == 0
    assert await floor.shelf.stock(soup) == (100, 0)
    assert (await ada.place(cart, cart_etag=cart.etag)).order.status == order_pb2.ORDER_STATUS_PAID


async def test_an_order_goes_where_its_cart_says(floor: Floor) -> None:
    ada = await floor.shopper()
    cart = await ada.fill((await floor.shelf.put(), 1))
    await ada.stub(CartServiceStub).SetCartAddresses(
        cart_pb2.SetCartAddressesRequest(id=cart.id, shipping_address_id=ada.address)
    )

    order = (await ada.place(cart, shipping_address_id="")).order

    assert (order.shipping_address, order.billing_address) == (HOME, HOME)
    assert (order.shipping_address_id, order.billing_address_id) == (ada.address, ada.address)


async def test_a_payment_that_is_not_to_be_had_undoes_the_order(floor: Floor) -> None:
    ada, soup, coupon = await floor.shopper(), await floor.shelf.put(3), await floor.coupon(50)
    cart = await ada.fill((soup, 1), coupon=coupon)

    with pytest.raises(FailedPrecondition, match="PAYMENT_REFUSED") as refused:
        await ada.place(cart, payment_provider=payment_pb2.PAYMENT_PROVIDER_STRIPE)

    assert refused.value.facts["reason"] == "PROVIDER_UNAVAILABLE"
    assert await floor.shelf.stock(soup) == (3, 0)
    assert await floor.uses(coupon) == 0
    [order] = (await ada.stub(OrderServiceStub).ListOrders(order_pb2.ListOrdersRequest())).orders
    assert order.status == order_pb2.ORDER_STATUS_CANCELLED
    assert await floor.history(order.id) == [(None, "PENDING", 1), ("PENDING", "CANCELLED", 2)]
    assert await floor.in_flight(cart.id) == 0


async def test_someone_elses_order_is_not_found_and_staff_see_all(floor: Floor) -> None:
    ada, bob = await floor.shopper(), await floor.shopper()
    order = (await ada.place(await ada.fill((await floor.shelf.put(), 1)))).order
    get = order_pb2.GetOrderRequest(id=order.id)
    theirs = bob.stub(OrderServiceStub)
    with pytest.raises(NotFound):
        await theirs.GetOrder(get)
    with pytest.raises(NotFound):
        await theirs.GetOrderByReference(order_pb2.GetOrderByReferenceRequest(reference=order.reference))
    assert not (await theirs.ListOrders(order_pb2.ListOrdersRequest(user_id=order.user_id))).orders

    staff = floor.shop.stub(OrderServiceStub, (await floor.shop.user("orders.read")).token)

    assert await staff.GetOrder(get) == order
    assert (await staff.ListOrders(order_pb2.ListOrdersRequest(user_id=order.user_id))).orders == [order]


async def test_pages_of_orders_come_newest_first(floor: Floor) -> None:
    ada, soup = await floor.shopper(), await floor.shelf.put()
    placed = [(await ada.place(await ada.fill((soup, 1)))).order for _ in range(3)]
    orders = ada.stub(OrderServiceStub)

    first = await orders.ListOrders(order_pb2.ListOrdersRequest(page_size=2))
    second = await orders.ListOrders(order_pb2.ListOrdersRequest(page_size=2, page_token=first.next_page_token))

    assert [*first.orders, *second.orders] == placed[::-1]
    assert second.next_page_token == ""
    with pytest.raises(InvalidArgument, match="PAGE_TOKEN_INVALID"):
        await orders.ListOrders(
            order_pb2.ListOrdersRequest(page_token=first.next_page_token, status=order_pb2.ORDER_STATUS_PAID)
        )


async def test_catalogue_is_told_which_orders_still_need_what_is_held(shop: Shop, floor: Floor) -> None:
    ada = await floor.shopper()
    order = (await ada.place(await ada.fill((await floor.shelf.put(), 1)))).order
    unknown = cuid()

    answer = await shop.internal(OrderServiceStub, service="catalogue").BatchGetOrderStates(
        order_pb2.BatchGetOrderStatesRequest(ids=[unknown, order.id])
    )

    assert [(state.order_id, state.standing) for state in answer.states] == [
        (unknown, order_pb2.ORDER_STANDING_GONE),
        (order.id, order_pb2.ORDER_STANDING_LIVE),
    ]


async def test_a_reservation_asked_for_after_its_order_was_undone_is_refused(shop: Shop, floor: Floor) -> None:
    soup, order_id = await floor.shelf.put(3), cuid()
    catalogue: Any = shop.internal(InventoryServiceStub, service="orders")
    await catalogue.ReleaseReservation(
        inventory_pb2.ReleaseReservationRequest(order_id=order_id, request_id=request_id())
    )
    late = inventory_pb2.ReserveStockRequest(
        order_id=order_id,
        lines=[inventory_pb2.StockLine(product_variant_id=soup, quantity=1)],
        request_id=request_id(),
    )
    with pytest.raises(FailedPrecondition, match="RESERVATION_CLOSED"):
        await catalogue.ReserveStock(late)


async def test_an_order_that_comes_to_more_than_an_amount_can_be_is_refused_and_undone(floor: Floor) -> None:
    ada, yacht = await floor.shopper(), await floor.shelf.put(200)
    cart = await ada.fill((yacht, 101))
    async with floor.shop.database("catalogue") as database:
        await database.execute("update product_variants set price = 9999999999.99 where id = $1", yacht)

    with pytest.raises(FailedPrecondition, match="TOTAL_TOO_HIGH"):
        await ada.stub(CartServiceStub).QuoteCart(cart_pb2.QuoteCartRequest(id=cart.id))
    with pytest.raises(FailedPrecondition, match="TOTAL_TOO_HIGH"):
        await ada.place(cart)

    assert await floor.in_flight(cart.id) == 0
    assert await floor.shelf.stock(yacht) == (200, 0)
