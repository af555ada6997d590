"""A cart is filled, changed and priced by its owner alone."""

import asyncio
from typing import Any

import pytest
from google.type.money_pb2 import Money
from lumi.catalogue.v1 import product_pb2
from lumi.orders.v1 import cart_pb2 as pb
from lumi.orders.v1.cart_pb2_grpc import CartServiceStub

from lumi_common.cuid import cuid
from lumi_common.errors import Aborted, AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from services.orders.tests.rpc.floor import Floor
from tests.kit.buying import HOME, Shopper, request_id, usd


@pytest.fixture
async def ada(floor: Floor) -> Shopper:
    return await floor.shopper()


@pytest.fixture
def carts(ada: Shopper) -> Any:
    return ada.stub(CartServiceStub)


def lines(cart: pb.Cart) -> list[tuple[str, int, Money]]:
    return [(item.product_variant_id, item.quantity, item.unit_price) for item in cart.items]


def adding(cart: pb.Cart, variant: str, quantity: int, **facts: Any) -> pb.AddCartItemRequest:
    return pb.AddCartItemRequest(cart_id=cart.id, product_variant_id=variant, quantity=quantity, **facts)


async def test_a_user_has_one_active_cart(carts: Any) -> None:
    with pytest.raises(NotFound):
        await carts.GetActiveCart(pb.GetActiveCartRequest())
    cart = await carts.CreateCart(pb.CreateCartRequest())

    assert (cart.status, cart.currency_code, cart.etag) == (pb.CART_STATUS_ACTIVE, "TRY", "1")
    assert await carts.GetActiveCart(pb.GetActiveCartRequest()) == cart
    assert await carts.GetCart(pb.GetCartRequest(id=cart.id)) == cart
    with pytest.raises(AlreadyExists, match="ACTIVE_CART_EXISTS") as refused:
        await carts.CreateCart(pb.CreateCartRequest())
    assert refused.value.facts == {"cart_id": cart.id}


async def test_a_cart_is_made_once_however_often_it_is_asked_for(carts: Any) -> None:
    request = pb.CreateCartRequest(currency_code="USD", request_id=request_id())

    made = await asyncio.gather(*(carts.CreateCart(request) for _ in range(5)))

    assert len({cart.id for cart in made}) == 1
    with pytest.raises(InvalidArgument, match="CURRENCY_UNSUPPORTED"):
        await carts.CreateCart(pb.CreateCartRequest(currency_code="JPY"))


async def test_items_are_added_changed_and_taken_out(floor: Floor, ada: Shopper, carts: Any) -> None:
    soup, bread = await floor.shelf.put(cents=250), await floor.shelf.put(cents=199)
    cart = await ada.fill((soup, 1), (bread, 2), (soup, 1))
    assert lines(cart) == [(soup, 2, usd(250)), (bread, 2, usd(199))]
    assert cart.currency_code == "USD"

    cart = await carts.UpdateCartItem(
        pb.UpdateCartItemRequest(cart_id=cart.id, product_variant_id=bread, quantity=7, etag=cart.etag)
    )
    assert lines(cart)[1] == (bread, 7, usd(199))

    remove = pb.RemoveCartItemRequest(cart_id=cart.id, product_variant_id=soup, request_id=request_id())
    removed = await carts.RemoveCartItem(remove)
    assert lines(removed) == [(bread, 7, usd(199))]
    assert await carts.RemoveCartItem(remove) == removed
    remove.request_id = request_id()
    assert await carts.RemoveCartItem(remove) == removed

    cleared = await carts.ClearCart(pb.ClearCartRequest(id=cart.id))
    assert lines(cleared) == []
    assert await carts.ClearCart(pb.ClearCartRequest(id=cart.id)) == cleared
    assert await carts.GetCart(pb.GetCartRequest(id=cart.id)) == cleared
    assert await floor.told(cart.id) == [
        "cart.created", "cart.item_added", "cart.item_added", "cart.item_added", "cart.item_updated",
        "cart.item_removed", "cart.cleared",
    ]  # fmt: skip


async def test_a_repeat_adds_nothing_and_has_the_first_answer(floor: Floor, ada: Shopper, carts: Any) -> None:
    soup = await floor.shelf.put()
    cart = await ada.fill()
    request = adding(cart, soup, 2, request_id=request_id())

    answers = await asyncio.gather(*(carts.AddCartItem(request) for _ in range(6)))
    await carts.AddCartItem(adding(cart, soup, 1))

    assert [lines(each) for each in answers] == [[(soup, 2, usd(250))]] * 6
    assert await carts.AddCartItem(request) == answers[0]
    assert lines(await carts.GetCart(pb.GetCartRequest(id=cart.id))) == [(soup, 3, usd(250))]


async def test_additions_at_once_all_count(floor: Floor, ada: Shopper, carts: Any) -> None:
    soup = await floor.shelf.put()
    cart = await ada.fill()

    await asyncio.gather(*(carts.AddCartItem(adding(cart, soup, 1)) for _ in range(4)))

    assert lines(await carts.GetCart(pb.GetCartRequest(id=cart.id))) == [(soup, 4, usd(250))]


async def test_a_stale_etag_is_refused(floor: Floor, ada: Shopper, carts: Any) -> None:
    soup = await floor.shelf.put()
    cart = await ada.fill((soup, 1))
    for etag in ("1", "x"):
        with pytest.raises(Aborted, match="ETAG_MISMATCH"):
            await carts.AddCartItem(adding(cart, soup, 1, etag=etag))
        with pytest.raises(Aborted, match="ETAG_MISMATCH"):
            await carts.RemoveCoupon(pb.RemoveCouponRequest(id=cart.id, etag=etag))
    assert await carts.GetCart(pb.GetCartRequest(id=cart.id)) == cart


async def test_what_cannot_be_had_is_refused_or_told(floor: Floor, ada: Shopper, carts: Any) -> None:
    scarce = await floor.shelf.put(2)
    denied = await floor.shelf.put(2, inventory_policy=product_pb2.INVENTORY_POLICY_DENY)
    cart = await ada.fill((scarce, 3), (denied, 2))

    with pytest.raises(FailedPrecondition, match="INSUFFICIENT_STOCK") as refused:
        await carts.AddCartItem(adding(cart, denied, 1))
    assert refused.value.facts == {"product_variant_id": denied, "requested": "3", "available": "2"}
    with pytest.raises(FailedPrecondition, match="VARIANT_NOT_SELLABLE"):
        await carts.AddCartItem(adding(cart, cuid(), 1))
    with pytest.raises(InvalidArgument):
        await carts.AddCartItem(adding(cart, scarce, 0))
    with pytest.raises(InvalidArgument, match="QUANTITY_OUT_OF_RANGE"):
        await carts.AddCartItem(adding(cart, scarce, 1_000_000))
    with pytest.raises(NotFound, match="CART_ITEM_NOT_FOUND"):
        await carts.UpdateCartItem(pb.UpdateCartItemRequest(cart_id=cart.id, product_variant_id=cuid(), quantity=1))

    assert await carts.GetCart(pb.GetCartRequest(id=cart.id)) == cart
    quote = await carts.QuoteCart(pb.QuoteCartRequest(id=cart.id))
    assert [list(line.issues) for line in quote.lines] == [[pb.QUOTE_ISSUE_INSUFFICIENT_STOCK], []]
    assert [line.quantity_available for line in quote.lines] == [2, 2]
    assert not quote.is_orderable
    with pytest.raises(FailedPrecondition, match="INSUFFICIENT_STOCK"):
        await ada.place(cart)


async def test_a_quote_is_what_the_order_will_cost(floor: Floor, ada: Shopper, carts: Any) -> None:
    soup, bread, coupon = await floor.shelf.put(cents=250), await floor.shelf.put(cents=199), await floor.coupon(100)
    cart = await ada.fill((soup, 3), (bread, 1), coupon=coupon)

    quote = await carts.QuoteCart(pb.QuoteCartRequest(id=cart.id, shipping_address_id=ada.address))
    order = (await ada.place(cart)).order

    assert (quote.is_orderable, list(quote.issues)) == (True, [])
    assert (quote.cart_etag, quote.coupon_code, quote.coupon_refusal) == (cart.etag, coupon, "")
    assert (quote.subtotal_amount, quote.discount_amount) == (order.subtotal_amount, order.discount_amount)
    assert quote.total_amount == order.total_amount == usd(849)
    assert [line.discount_amount for line in quote.lines] == [item.discount_amount for item in order.items]
    with pytest.raises(FailedPrecondition, match="CART_NOT_ACTIVE"):
        await carts.QuoteCart(pb.QuoteCartRequest(id=cart.id))


async def test_a_quote_of_a_cart_that_is_being_placed_says_so(floor: Floor, ada: Shopper, carts: Any) -> None:
    cart = await ada.fill((await floor.shelf.put(), 1))
    async with floor.shop.database("orders") as database:
        await database.execute(
            "insert into checkouts (id, order_id, cart_id, step, next_attempt_at) "
            "values ($1, $1, $2, 'RESERVE', now() + interval '1 hour')",
            cuid(),
            cart.id,
        )

    quote = await carts.QuoteCart(pb.QuoteCartRequest(id=cart.id, shipping_address_id=ada.address))

    assert (list(quote.issues), quote.is_orderable) == ([pb.CART_ISSUE_BEING_PLACED], False)


async def test_a_coupon_that_gives_nothing_is_refused_with_its_reason(floor: Floor, ada: Shopper, carts: Any) -> None:
    soup, good = await floor.shelf.put(), await floor.coupon(100)
    dear = await floor.coupon(100, minimum_amount=usd(10_000))
    cart = await ada.fill((soup, 1), coupon=good)

    for code, reason in ((dear, "COUPON_MINIMUM_NOT_REACHED"), ("NO-SUCH-CODE", "COUPON_NOT_FOUND")):
        with pytest.raises(FailedPrecondition, match="COUPON_REFUSED") as refused:
            await carts.ApplyCoupon(pb.ApplyCouponRequest(id=cart.id, code=code))
        assert refused.value.facts == {"reason": reason}

    without = await carts.RemoveCoupon(pb.RemoveCouponRequest(id=cart.id))
    assert (cart.coupon_code, without.coupon_code) == (good, "")
    assert await carts.RemoveCoupon(pb.RemoveCouponRequest(id=cart.id)) == without
    assert await floor.uses(good) == 0


async def test_a_cart_goes_to_addresses_of_its_owner(floor: Floor, ada: Shopper, carts: Any) -> None:
    cart, bob = await ada.fill(), await floor.shopper()
    await bob.fill()
    with pytest.raises(FailedPrecondition, match="ADDRESS_NOT_FOUND"):
        await carts.SetCartAddresses(pb.SetCartAddressesRequest(id=cart.id, shipping_address_id=bob.address))

    cart = await carts.SetCartAddresses(pb.SetCartAddressesRequest(id=cart.id, shipping_address_id=ada.address))

    assert (cart.shipping_address, cart.billing_address) == (HOME, HOME)


async def test_someone_elses_cart_is_not_found(floor: Floor, ada: Shopper) -> None:
    soup = await floor.shelf.put()
    cart = await ada.fill((soup, 1))
    theirs = (await floor.shopper()).stub(CartServiceStub)
    for call in (
        theirs.GetCart(pb.GetCartRequest(id=cart.id)),
        theirs.QuoteCart(pb.QuoteCartRequest(id=cart.id)),
        theirs.AddCartItem(adding(cart, soup, 1)),
        theirs.UpdateCartItem(pb.UpdateCartItemRequest(cart_id=cart.id, product_variant_id=soup, quantity=1)),
        theirs.RemoveCartItem(pb.RemoveCartItemRequest(cart_id=cart.id, product_variant_id=soup)),
        theirs.ClearCart(pb.ClearCartRequest(id=cart.id)),
        theirs.ApplyCoupon(pb.ApplyCouponRequest(id=cart.id, code="X")),
        theirs.RemoveCoupon(pb.RemoveCouponRequest(id=cart.id)),
        theirs.SetCartAddresses(pb.SetCartAddressesRequest(id=cart.id, shipping_address_id=cuid())),
    ):
        with pytest.raises(NotFound):
            await call


async def test_a_closed_cart_stays_as_it_is(floor: Floor, ada: Shopper, carts: Any) -> None:
    soup = await floor.shelf.put()
    cart = await ada.fill((soup, 1))
    await ada.place(cart)
    for call in (
        carts.AddCartItem(adding(cart, soup, 1)),
        carts.RemoveCartItem(pb.RemoveCartItemRequest(cart_id=cart.id, product_variant_id=cuid())),
        carts.ClearCart(pb.ClearCartRequest(id=cart.id)),
        carts.RemoveCoupon(pb.RemoveCouponRequest(id=cart.id)),
    ):
        with pytest.raises(FailedPrecondition, match="CART_NOT_ACTIVE"):
            await call
