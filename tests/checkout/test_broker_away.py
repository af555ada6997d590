"""The broker is away for longer than stock is held: nothing that was ordered is released, or sold a second time."""

import asyncio
from datetime import datetime

import pytest
from lumi.orders.v1 import order_pb2 as pb

from lumi_common.errors import FailedPrecondition
from services.orders.tests.rpc.books import GIVEN_UP, UNDONE, WAITING, Books, Sale, sell, sold
from services.orders.tests.rpc.bouncing import asking
from services.orders.tests.rpc.floor import Floor
from tests.checkout.conftest import Town
from tests.kit.waiting import until

TIMES = 4


async def reservation(sale: Sale) -> tuple[str, datetime]:
    """In what state the sale's reservation is, and until when it is held."""
    async with sale.floor.shop.database("catalogue") as database:
        row = await database.fetchrow("select state, expires_at from stock_reservations where order_id = $1", sale.id)
    return row["state"], row["expires_at"]


async def outlive(*sales: Sale, times: int = TIMES) -> None:
    """Wait until each reservation was past its time so many times, and was held on each time."""

    async def held_on(sale: Sale) -> None:
        ends: set[datetime] = set()

        async def often() -> bool:
            state, end = await reservation(sale)
            assert state == "HELD"
            ends.add(end)
            return len(ends) > times

        await until(often, "what is held was past its time, time and again")

    await asyncio.gather(*map(held_on, sales))


async def expect_sold_out(floor: Floor, sale: Sale) -> None:
    """Somebody else gets none of what this sale has."""
    bob = await floor.shopper()
    cart = await bob.fill((sale.variant, 4))
    with pytest.raises(FailedPrecondition, match="INSUFFICIENT_STOCK") as refused:
        await bob.place(cart)
    assert refused.value.facts["available"] == "3"


async def test_what_was_paid_at_once_is_held_until_the_news_of_it_comes(cut_off: Town) -> None:
    sale = await sell(cut_off.floor)
    assert sale.placed.order.status == pb.ORDER_STATUS_PAID

    await outlive(sale)

    assert await sale.books() == sold("PAID")._replace(stock=(5, 2))
    await expect_sold_out(cut_off.floor, sale)
    await cut_off.broker.start()
    await sale.expect(sold("PAID"))
    assert (await reservation(sale))[0] == "COMMITTED"
    await expect_sold_out(cut_off.floor, sale)


async def test_money_that_is_recorded_meanwhile_makes_its_order_paid_once_the_news_comes(cut_off: Town) -> None:
    sale = await sell(cut_off.by_hand)
    await sale.record()

    await outlive(sale)

    assert await sale.books() == WAITING._replace(payments=[("SETTLED", 450, 0)])
    await expect_sold_out(cut_off.by_hand, sale)
    with pytest.raises(FailedPrecondition, match="PAYMENT_NOT_FAILED") as refused:
        await sale.orders.RetryPayment(asking(sale))
    assert refused.value.facts["status"] == "SETTLED"
    await cut_off.broker.start()
    await sale.expect(sold("PAID"))


async def test_an_order_that_waits_for_its_money_keeps_what_it_holds(cut_off: Town) -> None:
    sale = await sell(cut_off.by_hand)

    await outlive(sale)

    assert await sale.books() == WAITING
    await cut_off.broker.start()
    await sale.record()
    await sale.expect(sold("PAID"))


async def test_an_order_that_was_paid_and_cancelled_before_anybody_heard_of_either_is_undone_once(
    cut_off: Town,
) -> None:
    """Both are heard of long after: neither the money nor the stock moves again."""
    sales = [await sell(cut_off.floor), await sell(cut_off.by_hand)]
    await sales[1].record()
    await outlive(*sales)

    for sale in sales:
        await sale.cancel()
        await sale.expect(UNDONE)
        assert (await reservation(sale))[0] == "RELEASED"

    await cut_off.broker.start()
    await until_heard(cut_off)
    for sale in sales:
        await sale.expect(UNDONE)
        assert (await reservation(sale))[0] == "RELEASED"
        assert await refunds(sale) == [450]


async def test_an_order_that_is_cancelled_unpaid_gives_back_what_it_holds(cut_off: Town) -> None:
    sale = await sell(cut_off.by_hand)
    await outlive(sale, times=1)

    await sale.cancel()

    await sale.expect(GIVEN_UP)
    await cut_off.broker.start()
    await until_heard(cut_off)
    await sale.expect(GIVEN_UP)


async def test_money_that_is_heard_of_long_after_its_order_was_cancelled_goes_back(cut_off: Town) -> None:
    """The payment was not to be seen when the order was cancelled, and its news comes when all of that is over."""
    sale = await sell(cut_off.by_hand)
    async with cut_off.shop.database("payments") as database:
        # Hidden from whoever gives back, as one is that is still being made.
        move = "update payments set order_id = $2 where id = $1"
        await database.execute(move, sale.placed.payment_id, "c" + "0" * 24)
        await sale.cancel()
        assert await sale.books() == Books("CANCELLED", [], (5, 0), 0, 0)
        await database.execute(move, sale.placed.payment_id, sale.id)
    await sale.record()
    assert await sale.books() == Books("CANCELLED", [("SETTLED", 450, 0)], (5, 0), 0, 0)

    await cut_off.broker.start()

    await sale.expect(UNDONE)
    assert await refunds(sale) == [450]


async def until_heard(town: Town) -> None:
    """Until every event has been published, and whoever hears of orders' and payments' has dealt with them."""

    async with town.shop.database("orders") as database:

        async def is_heard() -> bool:
            waiting: int = await database.fetchval(
                "select (select count(*) from outbox_events where published_at is null)"
                " + (select count(*) from payments.outbox_events where published_at is null)"
                " + (select count(*) from outbox_events e where type = 'order.paid' and not exists ("
                "  select from catalogue.inbox_events i where i.event_id = e.id))"
                " + (select count(*) from payments.outbox_events e where type = 'payment.settled' and not exists ("
                "  select from inbox_events i where i.event_id = e.id))"
            )
            return waiting == 0

        await until(is_heard, "all of it is heard of")


async def refunds(sale: Sale) -> list[int]:
    """What was given back, in cents."""
    async with sale.floor.shop.database("payments") as database:
        rows = await database.fetch(
            "select (r.amount * 100)::int as cents from payment_refunds r "
            "join payments p on p.id = r.payment_id where p.order_id = $1",
            sale.id,
        )
    return [row["cents"] for row in rows]
