"""What a cart or an order would name was deleted meanwhile: the call is refused with its name, and nothing is left."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import pytest
from lumi.orders.v1 import cart_pb2 as pb
from lumi.orders.v1.cart_pb2_grpc import CartServiceStub

from lumi_common.errors import FailedPrecondition, LumiError
from lumi_orders.clients.payments import Payments
from lumi_orders.server import Peers
from services.orders.tests.rpc.bouncing import AGAIN, UNPAID, retry, sell_in_vain
from services.orders.tests.rpc.floor import Floor, branch
from services.orders.tests.rpc.test_compensation import a_full_cart, expect_as_before
from tests.kit.buying import Guest, Shopper, request_id
from tests.kit.shop import Shop


@asynccontextmanager
async def gone(floor: Floor, context: str, kind: str, id: str) -> AsyncIterator[None]:
    """A time in which a service knows that a row of another one is gone."""
    async with floor.shop.database(context) as database:
        await database.execute(
            "insert into reference_targets (kind, id, gone_at) values ($1, $2, now()) "
            "on conflict (kind, id) do update set gone_at = now()",
            kind,
            id,
        )
        yield
        await database.execute("update reference_targets set gone_at = null where id = $1", id)


async def expect_refused(call: Awaitable[Any], target: str, id: str) -> None:
    with pytest.raises(FailedPrecondition) as refused:
        await call
    assert refused.value.reason == "REFERENCE_GONE"
    assert (refused.value.facts["target"], refused.value.facts["id"]) == (target, id)
    assert refused.value.domain == "orders.lumi"


async def user_of(floor: Floor, cart: pb.Cart) -> str:
    assert cart.user_id
    return cart.user_id


async def address_of(floor: Floor, cart: pb.Cart) -> str:
    async with floor.shop.database("identity") as database:
        id: str = await database.fetchval("select id from addresses where user_id = $1", cart.user_id)
    return id


Whose = Callable[[Floor, pb.Cart], Awaitable[str]]


@pytest.mark.parametrize(
    ("context", "kind", "find", "orders"),
    [
        ("orders", "identity.addresses", address_of, []),
        ("orders", "identity.users", user_of, []),
        ("marketing", "identity.users", user_of, []),
        ("payments", "identity.users", user_of, ["CANCELLED"]),
    ],
    ids=["the address", "the buyer", "the buyer, as marketing knows", "the buyer, as payments knows"],
)
async def test_a_placing_is_undone(floor: Floor, context: str, kind: str, find: Whose, orders: list[str]) -> None:
    ada, cart, soup, coupon = await a_full_cart(floor)
    id = await find(floor, cart)

    async with gone(floor, context, kind, id):
        await expect_refused(ada.place(cart), kind, id)

        await expect_as_before(floor, cart.id, soup, coupon)
        assert [status for _, status in await floor.orders_of(cart.id)] == orders

    if not orders:
        placed = await ada.place(cart)
        assert await floor.orders_of(cart.id) == [(placed.order.id, "PAID")]


async def test_an_order_holds_no_variant_that_is_gone(floor: Floor) -> None:
    ada, cart, soup, coupon = await a_full_cart(floor)

    async with gone(floor, "orders", "catalogue.product_variants", soup):
        await expect_refused(ada.place(cart), "catalogue.product_variants", soup)

    await expect_as_before(floor, cart.id, soup, coupon)
    assert await floor.orders_of(cart.id) == []


async def test_a_variant_that_is_gone_is_not_put_into_a_cart(floor: Floor) -> None:
    soup, bread, ada = await floor.shelf.put(), await floor.shelf.put(), await floor.shopper()
    cart = await ada.fill((soup, 1))

    async with gone(floor, "orders", "catalogue.product_variants", bread):
        await expect_refused(floor.add(ada, cart, bread, 1), "catalogue.product_variants", bread)

    assert await ada.stub(CartServiceStub).GetCart(pb.GetCartRequest(id=cart.id)) == cart
    assert len((await floor.add(ada, cart, bread, 1)).items) == 2


async def test_a_refusal_is_no_answer_of_its_request_id(floor: Floor) -> None:
    soup, ada = await floor.shelf.put(), await floor.shopper()
    cart = await ada.fill()
    request = pb.AddCartItemRequest(cart_id=cart.id, product_variant_id=soup, quantity=1, request_id=request_id())
    carts = ada.stub(CartServiceStub)

    async with gone(floor, "orders", "catalogue.product_variants", soup):
        with pytest.raises(LumiError, match="REFERENCE_GONE"):
            await carts.AddCartItem(request)

    assert len((await carts.AddCartItem(request)).items) == 1


async def test_nobody_who_is_gone_has_a_new_cart(floor: Floor) -> None:
    ada = await floor.shopper()
    cart = await ada.fill()
    carts = ada.stub(CartServiceStub)
    await carts.DeleteCart(pb.DeleteCartRequest(id=cart.id))

    async with gone(floor, "orders", "identity.users", cart.user_id):
        await expect_refused(carts.CreateCart(pb.CreateCartRequest()), "identity.users", cart.user_id)


async def merging(guest: Guest, ada: Shopper) -> pb.Cart:
    merged: pb.Cart = await ada.stub(CartServiceStub).MergeGuestCart(
        pb.MergeGuestCartRequest(guest_token=guest.token, request_id=request_id())
    )
    return merged


async def both(floor: Floor, *carts: pb.Cart) -> list[Any]:
    return await floor.rows(
        "select c.id, c.status, c.version, (select count(*) from cart_items i where i.cart_id = c.id) "
        "from carts c where c.id = any($1) order by c.id",
        [cart.id for cart in carts],
    )


async def test_a_guests_cart_stays_as_it_is_when_it_cannot_be_taken_over(floor: Floor) -> None:
    soup, guest, ada = await floor.shelf.put(), await floor.guest(), await floor.shopper()
    theirs, mine = await guest.fill((soup, 2)), await ada.fill()
    before = await both(floor, theirs, mine)

    async with gone(floor, "orders", "catalogue.product_variants", soup):
        await expect_refused(merging(guest, ada), "catalogue.product_variants", soup)
    assert await both(floor, theirs, mine) == before

    await ada.stub(CartServiceStub).DeleteCart(pb.DeleteCartRequest(id=mine.id))
    async with gone(floor, "orders", "identity.users", mine.user_id):
        await expect_refused(merging(guest, ada), "identity.users", mine.user_id)
    assert await both(floor, theirs) == [row for row in before if row[0] == theirs.id]

    assert (await merging(guest, ada)).id == theirs.id


class Meddling:
    """Payments, to which an order is gone as soon as its payment is asked for."""

    def __init__(self, payments: Any, shop: Shop) -> None:
        self._payments, self._shop = payments, shop

    def __getattr__(self, name: str) -> Any:
        return getattr(self._payments, name)

    async def create(self, order: Any, *given: Any) -> Any:
        async with self._shop.database("payments") as database:
            await database.execute(
                "insert into reference_targets (kind, id, gone_at) values ('orders.orders', $1, now()) "
                "on conflict (kind, id) do update set gone_at = now()",
                order.id,
            )
        return await self._payments.create(order, *given)


async def test_an_order_that_is_let_go_of_before_it_is_paid_for_is_undone(shop: Shop) -> None:
    def change(peers: Peers) -> Peers:
        return replace(peers, payments=cast(Payments, Meddling(peers.payments, shop)))

    async with branch(shop, change) as floor:
        ada, cart, soup, coupon = await a_full_cart(floor)

        with pytest.raises(FailedPrecondition, match="REFERENCE_GONE") as refused:
            await ada.place(cart)

        assert refused.value.facts["target"] == "orders.orders"
        await expect_as_before(floor, cart.id, soup, coupon)
        assert await floor.orders_of(cart.id) == [(refused.value.facts["id"], "CANCELLED")]


async def test_a_further_payment_of_what_is_let_go_of_is_refused_and_leaves_the_order_waiting(shop: Shop) -> None:
    async with branch(shop, by_hand=True) as floor:
        sale = await sell_in_vain(floor)

        async with gone(floor, "payments", "orders.orders", sale.id):
            await expect_refused(retry(sale), "orders.orders", sale.id)

            await sale.expect(UNPAID)
        await retry(sale)
        await sale.expect(AGAIN)
