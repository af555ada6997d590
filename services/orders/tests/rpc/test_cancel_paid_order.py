"""An order that is paid is cancelled until it ships: its money is refunded, its stock goes back on the shelf."""

import asyncio
from typing import Any

import pytest
from lumi.orders.v1 import order_pb2 as pb

from lumi_common.errors import FailedPrecondition
from services.orders.tests.rpc.books import UNDONE, Books, Sale, sell, sell_for_good, sold, staff
from services.orders.tests.rpc.floor import Floor, branch, eventually
from tests.kit.buying import request_id
from tests.kit.client import Client
from tests.kit.shop import Shop

STEPS = {
    "FULFILLED": ("FulfillOrder", pb.FulfillOrderRequest),
    "SHIPPED": ("ShipOrder", pb.ShipOrderRequest),
    "DELIVERED": ("DeliverOrder", pb.DeliverOrderRequest),
}


async def bring_to(status: str, sale: Sale) -> None:
    """Have staff take the order's steps up to this status."""
    warehouse: Any = await staff(sale.floor, "orders.fulfill")
    for step, (method, request) in STEPS.items():
        await getattr(warehouse, method)(request(id=sale.id))
        if step == status:
            return


async def refunds_of(sale: Sale) -> list[tuple[Any, ...]]:
    async with sale.floor.shop.database("payments") as database:
        rows = await database.fetch(
            "select (r.amount * 100)::int, r.status, r.reason from payment_refunds r "
            "join payments p on p.id = r.payment_id where p.order_id = $1 order by r.id",
            sale.id,
        )
    return [tuple(row) for row in rows]


async def test_its_buyer_cancels_a_paid_order_and_has_all_of_it_back(floor: Floor) -> None:
    sale = await sell_for_good(floor)
    request = pb.CancelOrderRequest(id=sale.id, reason="found it cheaper", etag="2", request_id=request_id())

    cancelled = await sale.orders.CancelOrder(request)

    assert (cancelled.status, cancelled.etag) == (pb.ORDER_STATUS_CANCELLED, "3")
    await sale.expect(UNDONE)
    assert await refunds_of(sale) == [(450, "SUCCEEDED", "the order is cancelled")]
    assert await sale.orders.CancelOrder(request) == cancelled
    assert await sale.cancel(etag="1") == cancelled
    assert await floor.told(sale.id) == ["order.placed", "order.paid", "order.cancelled"]
    assert await floor.history(sale.id) == [(None, "PENDING", 1), ("PENDING", "PAID", 2), ("PAID", "CANCELLED", 3)]


async def test_an_order_is_cancelled_before_catalogue_heard_that_it_is_paid(floor: Floor) -> None:
    """Whichever comes first there, the news of the payment or the release, nothing is lost and nobody gets stuck."""
    sales = await asyncio.gather(*(sell(floor) for _ in range(10)))

    await asyncio.gather(*(sale.cancel() for sale in sales))

    for sale in sales:
        await sale.expect(UNDONE)
    await sell_for_good(floor)
    async with floor.shop.database("catalogue") as database:
        stuck = await database.fetchval(
            "select count(*) from inbox_versions where aggregate_id = any($1) and parked", [sale.id for sale in sales]
        )
    assert stuck == 0


async def test_a_packed_order_is_cancelled_by_staff_who_may_and_by_nobody_else(floor: Floor) -> None:
    sale = await sell_for_good(floor)
    await bring_to("FULFILLED", sale)

    with pytest.raises(FailedPrecondition, match="ORDER_NOT_CANCELLABLE") as refused:
        await sale.cancel()
    assert refused.value.facts == {"order_id": sale.id, "status": "FULFILLED"}
    await sale.expect(sold("FULFILLED"))

    cancelled = await sale.cancel(await staff(floor, "orders.cancel"), reason="damaged")

    assert cancelled.status == pb.ORDER_STATUS_CANCELLED
    assert cancelled.fulfilled_time.ToNanoseconds() <= cancelled.cancelled_time.ToNanoseconds()
    await sale.expect(UNDONE)


@pytest.mark.parametrize("status", ["SHIPPED", "DELIVERED"])
async def test_an_order_that_has_left_is_not_cancelled(floor: Floor, status: str) -> None:
    sale = await sell_for_good(floor)
    await bring_to(status, sale)

    for by in (sale.orders, await staff(floor, "orders.cancel", "orders.fulfill", "orders.write")):
        with pytest.raises(FailedPrecondition, match="ORDER_NOT_CANCELLABLE") as refused:
            await sale.cancel(by)
        assert refused.value.facts["status"] == status

    await sale.expect(sold(status))


async def test_what_was_refunded_before_is_not_refunded_again(floor: Floor) -> None:
    sale = await sell_for_good(floor)
    await sale.refund(120)

    await sale.cancel()

    await sale.expect(UNDONE)
    assert [amount for amount, *_ in await refunds_of(sale)] == [120, 330]


async def test_an_order_whose_money_is_back_already_is_cancelled_all_the_same(floor: Floor) -> None:
    sale = await sell_for_good(floor)
    await sale.refund(450)

    await sale.cancel()

    await sale.expect(UNDONE)
    assert [amount for amount, *_ in await refunds_of(sale)] == [450]


async def test_an_order_that_cost_nothing_is_cancelled_without_a_refund(floor: Floor) -> None:
    soup, coupon, ada = await floor.shelf.put(5), await floor.coupon(500), await floor.shopper()
    sale = Sale(floor, ada, await ada.place(await ada.fill((soup, 2), coupon=coupon)), soup, coupon)
    await eventually(lambda: floor.shelf.stock(soup), (3, 0))

    await sale.cancel()

    await sale.expect(Books("CANCELLED", [("SETTLED", 0, 0)], (5, 0), 0, 0))
    assert await refunds_of(sale) == []


async def test_what_came_back_can_be_sold_again_and_its_coupon_used_again(floor: Floor) -> None:
    soup, coupon = await floor.shelf.put(2), await floor.coupon(50, usage_limit=1)
    for _ in range(3):
        ada = await floor.shopper()
        placed = await ada.place(await ada.fill((soup, 2), coupon=coupon))
        await eventually(lambda: floor.shelf.stock(soup), (0, 0))
        sale = Sale(floor, ada, placed, soup, coupon)

        await sale.cancel()

        await sale.expect(UNDONE._replace(stock=(2, 0)))


async def test_money_that_comes_after_all_was_given_back_goes_back_too(shop: Shop) -> None:
    async with branch(shop, by_hand=True) as floor:
        sale = await sell(floor)
        async with shop.database("payments") as database:
            # Hidden from whoever gives back, as one is that is still being made.
            move = "update payments set order_id = $2 where id = $1"
            await database.execute(move, sale.placed.payment_id, "c" + "0" * 24)
            await sale.cancel()
            assert await sale.books() == Books("CANCELLED", [], (5, 0), 0, 0)
            await database.execute(move, sale.placed.payment_id, sale.id)

        await sale.record()

        await sale.expect(UNDONE)
        assert [amount for amount, *_ in await refunds_of(sale)] == [450]


async def test_refunds_and_a_cancellation_at_once_give_back_what_was_taken_and_no_more(floor: Floor) -> None:
    sale = await sell_for_good(floor)
    clerks: list[Client] = [sale.orders, await staff(floor, "orders.cancel")]

    outcomes = await asyncio.gather(
        *(sale.refund(30) for _ in range(20)), *(sale.cancel(by) for by in clerks), return_exceptions=True
    )

    assert all(isinstance(each, pb.Order) for each in outcomes[20:])
    await sale.expect(UNDONE)
    assert sum(amount for amount, *_ in await refunds_of(sale)) == 450
