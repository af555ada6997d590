"""A cart goes for good, of whatever status, but never from under an order that is being placed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import pytest
from google.protobuf.empty_pb2 import Empty
from lumi.orders.v1 import cart_pb2 as pb
from lumi.orders.v1 import order_pb2
from lumi.orders.v1.cart_pb2_grpc import CartServiceStub
from lumi.orders.v1.order_pb2_grpc import OrderServiceStub

from lumi_common.cuid import cuid
from lumi_common.errors import Aborted, FailedPrecondition, NotFound
from lumi_orders.clients.catalogue import Catalogue
from lumi_orders.server import Peers
from services.orders.tests.rpc.books import sell_for_good, sold, staff
from services.orders.tests.rpc.floor import Floor, branch, eventually
from tests.kit.buying import Shopper, request_id
from tests.kit.shop import Shop
from tests.kit.waiting import until


def deletion(cart_id: str, **facts: Any) -> pb.DeleteCartRequest:
    return pb.DeleteCartRequest(**{"id": cart_id, "request_id": request_id()} | facts)


async def delete(shopper: Shopper, cart_id: str, **facts: Any) -> Empty:
    answer: Empty = await shopper.stub(CartServiceStub).DeleteCart(deletion(cart_id, **facts))
    return answer


async def left_of(floor: Floor, cart_id: str) -> int:
    """How many rows there still are of a cart."""
    [(rows,)] = await floor.rows(
        "select (select count(*) from carts where id = $1) + (select count(*) from cart_items where cart_id = $1)",
        cart_id,
    )
    return int(rows)


async def records_of(floor: Floor, entity: str, id: str) -> list[tuple[str, dict[str, Any] | None, bool]]:
    """Action, what was before, and whether there is an after, of each record."""
    return await floor.rows(
        "select r ->> 'action', r -> 'before' ->> 'cart_id', r ? 'after' from outbox_events "
        "cross join jsonb_array_elements(records) r where r ->> 'entity' = $1 and r ->> 'id' = $2 order by seq",
        entity,
        id,
    )


@asynccontextmanager
async def held(shop: Shop, cart_id: str) -> AsyncIterator[tuple[Any, Any]]:
    """A transaction that holds a cart's row, to write in; and what waits until somebody waits for it."""
    async with shop.database("orders") as database, shop.database("orders") as watch:

        async def somebody_waits() -> bool:
            waiting: int = await watch.fetchval(
                "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and usename = 'lumi_orders'"
            )
            return waiting > 0

        async with database.transaction():
            await database.execute("select from carts where id = $1 for update", cart_id)
            yield database, lambda: until(somebody_waits, "somebody waits for the cart")


@pytest.mark.parametrize("who", ["shopper", "guest"])
async def test_a_cart_is_gone_with_its_lines_and_its_owner_may_begin_another(floor: Floor, who: str) -> None:
    owner: Shopper = await getattr(floor, who)()
    cart = await owner.fill((await floor.shelf.put(), 2), (await floor.shelf.put(), 1))

    assert await delete(owner, cart.id, etag=cart.etag) == Empty()

    assert await left_of(floor, cart.id) == 0
    with pytest.raises(NotFound):
        await owner.stub(CartServiceStub).GetCart(pb.GetCartRequest(id=cart.id))
    assert (await floor.told(cart.id))[-1] == "cart.deleted"
    assert (await records_of(floor, "Cart", cart.id))[-1] == ("cart.deleted", None, False)
    assert (await owner.fill()).id != cart.id


async def test_an_order_stays_when_its_cart_goes_and_goes_on_its_way(floor: Floor) -> None:
    sale = await sell_for_good(floor)
    before = await sale.get()

    await delete(sale.buyer, before.cart_id)

    after = await sale.get()
    assert (after.cart_id, after.etag) == ("", str(int(before.etag) + 1))
    assert (after.items, after.total_amount) == (before.items, before.total_amount)
    assert (await records_of(floor, "Order", sale.id))[-1] == ("order.updated", before.cart_id, True)
    [(aggregate, records)] = await floor.rows(
        "select aggregate, jsonb_array_length(records) from outbox_events where aggregate_id = $1 "
        "and type = 'cart.deleted'",
        before.cart_id,
    )
    assert (aggregate, records) == ("Cart", 2)
    assert [await floor.broken(id, "order_id", sale.id) for id in ("O2", "O5", "O6")] == [[], [], []]
    clerk = await staff(floor, "orders.fulfill", "orders.cancel")
    fulfilled = await clerk.FulfillOrder(order_pb2.FulfillOrderRequest(id=sale.id, etag=after.etag))
    assert fulfilled.status == order_pb2.ORDER_STATUS_FULFILLED
    assert await sale.books() == sold("FULFILLED")


async def test_a_cart_that_was_given_up_may_go_too(floor: Floor) -> None:
    ada = await floor.shopper()
    cart = await ada.fill((await floor.shelf.put(), 2))
    async with floor.shop.database("orders") as database:
        await database.execute("update carts set status = 'ABANDONED' where id = $1", cart.id)

    await delete(ada, cart.id)

    assert await left_of(floor, cart.id) == 0


async def test_anothers_cart_is_not_found(floor: Floor) -> None:
    ada, bob, guest = await floor.shopper(), await floor.shopper(), await floor.guest()
    cart = await ada.fill()

    for stranger in (bob, guest):
        with pytest.raises(NotFound):
            await delete(stranger, cart.id)
    with pytest.raises(NotFound):
        await delete(ada, cuid())

    assert await left_of(floor, cart.id) == 1


async def test_a_stale_etag_deletes_nothing(floor: Floor) -> None:
    ada = await floor.shopper()
    cart = await ada.fill((await floor.shelf.put(), 2))

    with pytest.raises(Aborted, match="ETAG_MISMATCH"):
        await delete(ada, cart.id, etag="1")

    assert await left_of(floor, cart.id) == 2


async def test_of_many_at_once_one_deletes_it_and_a_repeat_is_answered_alike(floor: Floor) -> None:
    ada = await floor.shopper()
    cart = await ada.fill((await floor.shelf.put(), 2))
    request, carts = deletion(cart.id), ada.stub(CartServiceStub)

    alike = await asyncio.gather(*(carts.DeleteCart(request) for _ in range(10)))

    assert alike == [Empty()] * 10
    assert (await floor.told(cart.id)).count("cart.deleted") == 1
    with pytest.raises(NotFound):
        await delete(ada, cart.id)


async def test_a_cart_stays_while_an_order_is_placed_from_it(shop: Shop) -> None:
    refusals = []

    class Meddling:
        """The buyer deletes the cart while its stock is being reserved, and while its payment is made."""

        def __init__(self, peer: Any, method: str) -> None:
            self._peer, self._method = peer, method

        def __getattr__(self, name: str) -> Any:
            method = getattr(self._peer, name)
            if name != self._method:
                return method

            async def meddle(*given: Any) -> Any:
                with pytest.raises(FailedPrecondition) as refused:
                    await delete(ada, cart.id)
                refusals.append(refused.value)
                return await method(*given)

            return meddle

    def change(peers: Peers) -> Peers:
        return replace(
            peers,
            catalogue=cast(Catalogue, Meddling(peers.catalogue, "reserve")),
            payments=cast(Any, Meddling(peers.payments, "create")),
        )

    async with branch(shop, change) as floor:
        ada = await floor.shopper()
        cart = await ada.fill((await floor.shelf.put(), 2))

        placed = await ada.place(cart)

        assert placed.order.status == order_pb2.ORDER_STATUS_PAID
        assert [(no.reason, no.facts) for no in refusals] == [("CART_BEING_PLACED", {"order_id": placed.order.id})] * 2
        await delete(ada, cart.id)


async def test_a_placing_that_begins_while_the_cart_is_waited_for_keeps_it(floor: Floor) -> None:
    ada = await floor.shopper()
    cart = await ada.fill((await floor.shelf.put(), 2))

    async with held(floor.shop, cart.id) as (database, somebody_waits):
        deleting = asyncio.create_task(delete(ada, cart.id))
        await somebody_waits()
        await database.execute(
            "insert into checkouts (id, order_id, cart_id, step, next_attempt_at) "
            "values ($1, $2, $3, 'RESERVE', now() + interval '1 hour')",
            cuid(),
            cuid(),
            cart.id,
        )

    with pytest.raises(FailedPrecondition, match="CART_BEING_PLACED"):
        await deleting
    assert await left_of(floor, cart.id) == 2


async def test_a_cart_that_goes_while_its_placing_waits_is_not_placed(floor: Floor) -> None:
    soup, ada = await floor.shelf.put(5), await floor.shopper()
    cart = await ada.fill((soup, 2))

    async with held(floor.shop, cart.id) as (database, somebody_waits):
        placing = asyncio.create_task(ada.place(cart))
        await somebody_waits()
        await database.execute("delete from carts where id = $1", cart.id)

    with pytest.raises(NotFound):
        await placing
    assert await floor.shelf.stock(soup) == (5, 0)
    orders = await ada.stub(OrderServiceStub).ListOrders(order_pb2.ListOrdersRequest())
    assert list(orders.orders) == []


async def test_what_is_put_into_a_cart_that_goes_meanwhile_is_refused(floor: Floor) -> None:
    soup, ada = await floor.shelf.put(5), await floor.shopper()
    cart = await ada.fill((soup, 2))

    async with held(floor.shop, cart.id) as (database, somebody_waits):
        adding = asyncio.create_task(floor.add(ada, cart, soup, 1))
        await somebody_waits()
        await database.execute("delete from carts where id = $1", cart.id)

    with pytest.raises(NotFound):
        await adding
    await eventually(lambda: left_of(floor, cart.id), 0)
