"""Many want different things of one order at once: each happens wholly or not, and the books agree."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any, cast

import pytest
from lumi.orders.v1 import order_pb2 as pb
from lumi.orders.v1.order_pb2_grpc import OrderServiceStub

from lumi_common.errors import Aborted, FailedPrecondition, LumiError
from lumi_orders.clients.payments import Payments
from lumi_orders.domain.order import Order
from lumi_orders.server import Peers
from services.orders.tests.rpc.books import UNDONE, sell, sell_for_good, sold, staff
from services.orders.tests.rpc.floor import Floor, branch, eventually
from tests.kit.shop import Shop


async def all_at_once(*calls: Awaitable[Any]) -> list[Any]:
    """The answers and refusals; anything but a refusal that a race may earn fails the test."""
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            assert isinstance(outcome, (Aborted, FailedPrecondition)), outcome
    return outcomes


def answers(outcomes: list[Any]) -> list[pb.Order]:
    return [outcome for outcome in outcomes if isinstance(outcome, pb.Order)]


def reasons(outcomes: list[Any]) -> set[str]:
    return {outcome.reason for outcome in outcomes if isinstance(outcome, LumiError)}


async def test_cancellations_of_a_paid_order_at_once_give_back_once(floor: Floor) -> None:
    sale = await sell_for_good(floor)
    clerk = await staff(floor, "orders.cancel")

    outcomes = await all_at_once(*(sale.cancel(by) for by in [sale.orders, clerk] * 15))

    assert len(answers(outcomes)) == 30
    await sale.expect(UNDONE)
    assert await floor.told(sale.id) == ["order.placed", "order.paid", "order.cancelled"]
    async with floor.shop.database("catalogue") as database:
        back = await database.fetchval("select sum(delta) from stock_movements where order_id = $1", sale.id)
    assert back == 0


@pytest.mark.parametrize("by_staff", [False, True], ids=["by its buyer", "by staff"])
async def test_of_packing_and_cancelling_at_once_both_can_be_told_what_became_of_it(
    floor: Floor, by_staff: bool
) -> None:
    warehouse, clerk = await staff(floor, "orders.fulfill"), await staff(floor, "orders.cancel")
    for _ in range(3):
        sale = await sell_for_good(floor)
        by = clerk if by_staff else sale.orders

        outcomes = await all_at_once(
            *(each for _ in range(12)
              for each in (warehouse.FulfillOrder(pb.FulfillOrderRequest(id=sale.id)), sale.cancel(by)))
        )  # fmt: skip

        status = pb.OrderStatus.Name((await sale.get()).status).removeprefix("ORDER_STATUS_")
        packings, cancellations = outcomes[::2], outcomes[1::2]
        if by_staff or status == "CANCELLED":
            # Staff may still cancel what is packed.
            assert len(answers(cancellations)) == 12
            assert reasons(packings) <= {"ORDER_STATUS_CONFLICT"}
            await sale.expect(UNDONE)
        else:
            assert len(answers(packings)) == 12
            assert reasons(cancellations) == {"ORDER_NOT_CANCELLABLE"}
            await sale.expect(sold("FULFILLED"))


async def test_packing_and_shipping_at_once_are_two_steps_in_their_order(floor: Floor) -> None:
    sale, warehouse = await sell_for_good(floor), await staff(floor, "orders.fulfill")

    outcomes = await all_at_once(
        *(each for _ in range(12)
          for each in (warehouse.FulfillOrder(pb.FulfillOrderRequest(id=sale.id)),
                       warehouse.ShipOrder(pb.ShipOrderRequest(id=sale.id))))
    )  # fmt: skip

    assert reasons(outcomes) <= {"ORDER_STATUS_CONFLICT"}
    shipped = bool(answers(outcomes[1::2]))
    await sale.expect(sold("SHIPPED" if shipped else "FULFILLED"))
    assert (await floor.told(sale.id))[2:] == ["order.fulfilled", "order.shipped"][: 1 + shipped]


async def test_shipping_and_cancelling_at_once_do_one_of_them(floor: Floor) -> None:
    warehouse, clerk = await staff(floor, "orders.fulfill"), await staff(floor, "orders.cancel")
    for _ in range(3):
        sale = await sell_for_good(floor)
        await warehouse.FulfillOrder(pb.FulfillOrderRequest(id=sale.id))

        outcomes = await all_at_once(
            *(each for _ in range(12)
              for each in (warehouse.ShipOrder(pb.ShipOrderRequest(id=sale.id)), sale.cancel(clerk)))
        )  # fmt: skip

        shipments, cancellations = outcomes[::2], outcomes[1::2]
        assert (len(answers(shipments)), len(answers(cancellations))) in ((12, 0), (0, 12))
        assert reasons(shipments) <= {"ORDER_STATUS_CONFLICT"}
        assert reasons(cancellations) <= {"ORDER_NOT_CANCELLABLE"}
        await sale.expect(UNDONE if answers(cancellations) else sold("SHIPPED"))


async def test_notes_and_a_cancellation_at_once_all_happen_or_are_to_be_said_again(floor: Floor) -> None:
    sale, clerk = await sell_for_good(floor), await staff(floor, "orders.write", "orders.read")

    def note(number: int) -> Awaitable[Any]:
        order = pb.Order(id=sale.id, notes=f"note {number}")
        return clerk.UpdateOrder(pb.UpdateOrderRequest(order=order))

    outcomes = await all_at_once(*(note(number) for number in range(25)), *(sale.cancel() for _ in range(5)))

    notes, cancellations = outcomes[:25], outcomes[25:]
    assert reasons(outcomes) <= {"ETAG_MISMATCH"}
    assert all(order.status == pb.ORDER_STATUS_CANCELLED for order in answers(cancellations))
    await sale.cancel()
    await sale.expect(UNDONE)
    # Each answer is of a version of its own, and what the last one says stands.
    versions = {int(order.etag): order.notes for order in answers(notes)}
    assert len(versions) == len(answers(notes))
    order = await clerk.GetOrder(pb.GetOrderRequest(id=sale.id))
    assert order.notes == versions[max(versions)]
    assert int(order.etag) == 3 + len(versions)
    assert (await floor.told(sale.id)).count("order.updated") == len(versions)


async def test_notes_while_the_order_is_paid_keep_it_from_nothing(shop: Shop) -> None:
    async with branch(shop, by_hand=True) as floor:
        clerk = await staff(floor, "orders.write")
        sales = await asyncio.gather(*(sell(floor) for _ in range(8)))

        def note(id: str) -> Awaitable[Any]:
            return clerk.UpdateOrder(pb.UpdateOrderRequest(order=pb.Order(id=id, notes="rush")))

        await asyncio.gather(*(each for sale in sales for each in (sale.record(), note(sale.id), note(sale.id))))

        for sale in sales:
            await sale.expect(sold("PAID"))
            assert sorted(await floor.told(sale.id)) == ["order.paid", "order.placed", "order.updated"]


async def test_notes_while_the_order_is_placed_keep_it_from_nothing(shop: Shop) -> None:
    """Staff are quicker than the placing: what it read of its order is old when its payment is made."""
    clerk = await staff(await Floor.open(shop), "orders.write")

    class Meddling:
        def __init__(self, payments: Any) -> None:
            self._payments = payments

        def __getattr__(self, name: str) -> Any:
            return getattr(self._payments, name)

        async def create(self, order: Order, *given: Any) -> Any:
            await clerk.UpdateOrder(pb.UpdateOrderRequest(order=pb.Order(id=order.id, notes="rush")))
            return await self._payments.create(order, *given)

    def change(peers: Peers) -> Peers:
        return replace(peers, payments=cast(Payments, Meddling(peers.payments)))

    async with branch(shop, change) as floor:
        sale = await sell(floor)

        assert (sale.placed.order.status, sale.placed.order.etag) == (pb.ORDER_STATUS_PAID, "3")
        await sale.expect(sold("PAID"))
        assert await floor.told(sale.id) == ["order.placed", "order.updated", "order.paid"]


async def test_thirty_placings_and_cancellations_at_once_leave_the_shelf_as_it_was(floor: Floor) -> None:
    """Buyers cancel as soon as they know their order's id: while it is placed, or just after."""
    soup = await floor.shelf.put(30)
    shoppers = await asyncio.gather(*(floor.shopper() for _ in range(30)))
    carts = await asyncio.gather(*(ada.fill((soup, 1)) for ada in shoppers))

    async def buy_and_regret(number: int) -> str:
        ada, cart = shoppers[number], carts[number]
        placing = asyncio.create_task(ada.place(cart))
        id = ""
        while not id:
            await asyncio.sleep(0.005)
            found = await floor.orders_of(cart.id)
            id = found[0][0] if found else ""
        orders: Any = ada.stub(OrderServiceStub)
        while True:
            try:
                await orders.CancelOrder(pb.CancelOrderRequest(id=id))
                break
            except FailedPrecondition as refusal:
                if refusal.reason != "CART_BEING_PLACED":
                    raise
        await placing
        return id

    ids = await asyncio.gather(*(buy_and_regret(number) for number in range(30)))

    async def books() -> tuple[Any, ...]:
        async with floor.shop.database("orders") as database:
            standing = await database.fetchval(
                "select count(*) from orders where id = any($1) and status <> 'CANCELLED'", ids
            )
            in_flight = await database.fetchval("select count(*) from checkouts where order_id = any($1)", ids)
            kept = await database.fetchval(
                "select sum(captured_amount - refunded_amount) from payments.payments where order_id = any($1)", ids
            )
        return standing, in_flight, kept, await floor.shelf.stock(soup)

    await eventually(books, (0, 0, 0, (30, 0)))
