"""What is planted in sound books, or in the notes of those who bought, is found and named."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import replace
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from lumi_common.cuid import cuid
from lumi_faults import reckoning
from lumi_faults.buyer import Buyer
from lumi_faults.notes import Bought, Notes
from lumi_faults.people import Person
from lumi_faults.plan import Shopper
from lumi_faults.reckoning import given_up, reckon
from lumi_faults.store import Store
from lumi_faults.trips import SCARCE, Then, Trip
from lumi_local import testing
from tests.kit.waiting import until

Books = tuple[Any, Notes]
Slip = Callable[[Notes, Bought], object]


def a_trip(then: Then, number: int) -> Trip:
    return Trip(
        lines={number % SCARCE: 1, SCARCE: 2},
        coupon=0 if number % 2 else None,
        then=then,
        delivery=5,
        patience=10.0,
        asks_again=True,
        new=False,
        pause=0.0,
        late=0.1,
        ids=random.Random(cuid()),
    )


@pytest.fixture(scope="module")
async def books() -> AsyncIterator[Books]:
    """A superuser's connection, and the notes of a user and a guest who have bought in every way."""
    with testing.stack() as stack:
        notes, url = Notes(), stack.description["gateway"]
        admin = stack.description["admin"]
        clerk = Person(url, notes.happened, email=admin["email"], password=admin["password"])
        store = Store(clerk, notes)
        await store.open()
        people = [Person(url, notes.happened) for _ in range(2)]
        for number, person in enumerate(people):
            buyer = Buyer(Shopper(number, number == 1, "planted"), person, clerk, store, notes)
            await buyer.move_in()
            for turn, then in enumerate(Then):
                await buyer.go(a_trip(then, turn))
            await buyer.close()
        connection = await asyncpg.connect(stack.description["postgres"])

        async def sound() -> bool:
            return not await reckon(connection, notes)

        await until(sound, "the books are what everybody was told", seconds=60)
        yield connection, notes
        await connection.close()
        await asyncio.gather(*(each.close() for each in (clerk, *people)))


@asynccontextmanager
async def taken_back(connection: Any) -> AsyncIterator[None]:
    """What is done in the block is seen by its connection alone, and is undone at its end."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield
    finally:
        await transaction.rollback()


async def found(connection: Any, notes: Notes) -> set[str]:
    return {each.says for each in await reckon(connection, notes)}


def standing(notes: Notes) -> Bought:
    return next(each for each in notes.bought.values() if not each.cancelled and each.paid and each.coupon)


async def test_people_have_bought_in_every_way(books: Books) -> None:
    _, notes = books

    happened = notes.happened
    assert happened["placed"] == 2 * len(Then), happened
    assert min(happened[each] for each in ("cancelled", "refunds", "shipped", "deliveries")) > 0
    assert {bool(each.coupon) for each in notes.bought.values()} == {True, False}


SLIPS: dict[str, tuple[Slip, str]] = {
    "a cent": (lambda notes, one: setattr(one, "total", one.total + Decimal("0.01")), reckoning.DIFFERS),
    "a unit": (lambda notes, one: one.lines.update(dict.fromkeys(one.lines, 7)), reckoning.DIFFERS),
    "another cart": (lambda notes, one: setattr(one, "cart_id", cuid()), reckoning.DIFFERS),
    "a coupon": (lambda notes, one: setattr(one, "coupon", ""), reckoning.DIFFERS),
    "an order that is not there": (
        lambda notes, one: notes.bought.update(new=replace(one, order_id=cuid())),
        reckoning.LOST,
    ),
    "an order that nobody knows of": (lambda notes, one: notes.bought.pop(one.order_id), reckoning.UNTOLD),
    "two orders of one request": (lambda notes, one: notes.told[one.request_id].add((cuid(), "")), reckoning.TWICE),
    "two answers to one request": (
        lambda notes, one: notes.told[one.request_id].add((one.order_id, "")),
        reckoning.TWICE,
    ),
    "a payment": (lambda notes, one: setattr(one, "paid", False), reckoning.MONEY),
    "a refund": (lambda notes, one: setattr(one, "refunded", one.refunded + 1), reckoning.MONEY),
    "a cancellation": (lambda notes, one: setattr(one, "cancelled", True), reckoning.STATUS),
    "a refusal": (lambda notes, one: setattr(one, "too_late", True), reckoning.STATUS),
    "a shipment": (lambda notes, one: setattr(one, "status", "DELIVERED"), reckoning.STATUS),
    "a delivery": (lambda notes, one: notes.received.update(one.lines), reckoning.STOCK),
    "a limit": (lambda notes, one: notes.coupons.update({one.coupon: 0}), reckoning.COUPON),
}


@pytest.mark.parametrize("what", SLIPS)
async def test_a_slip_in_the_notes_is_found(books: Books, what: str) -> None:
    connection, notes = books
    slip, says = SLIPS[what]
    wrong = deepcopy(notes)

    slip(wrong, standing(wrong))

    assert says in await found(connection, wrong)
    assert not await found(connection, notes)


TAMPERINGS: dict[str, tuple[str, str]] = {
    "an order is gone": ("delete from orders.orders where id = $1", reckoning.LOST),
    "a status": (
        "update orders.orders set status = 'CANCELLED', cancelled_at = now() where id = $1",
        reckoning.STATUS,
    ),
    "a line": (
        "delete from orders.order_items where id = (select min(id) from orders.order_items where order_id = $1)",
        reckoning.DIFFERS,
    ),
    "money that was not taken": (
        "update payments.payments set captured_amount = 0, refunded_amount = 0, status = 'INITIATED' "
        "where order_id = $1",
        reckoning.MONEY,
    ),
    "a unit too many": (
        "update catalogue.inventories set quantity_on_hand = quantity_on_hand + 1, "
        "quantity_available = quantity_available + 1 where product_variant_id in "
        "(select product_variant_id from orders.order_items where order_id = $1)",
        reckoning.STOCK,
    ),
    "a use that nobody made": (
        "update marketing.coupons c set usage_count = usage_count + 1 from orders.orders o "
        "where o.id = $1 and c.code::text = o.coupon_code",
        reckoning.COUPON,
    ),
    "a redemption that is gone": ("delete from marketing.coupon_usages where order_id = $1", reckoning.COUPON),
}


@pytest.mark.parametrize("what", TAMPERINGS)
async def test_what_was_changed_in_the_books_is_found(books: Books, what: str) -> None:
    connection, notes = books
    statement, says = TAMPERINGS[what]

    async with taken_back(connection):
        assert not (await connection.execute(statement, standing(notes).order_id)).endswith(" 0")

        assert says in await found(connection, notes)

    assert not await found(connection, notes)


async def test_an_order_that_nobody_knew_of_is_found_after_it_has_expired_too(books: Books) -> None:
    connection, notes = books
    forgetful = deepcopy(notes)
    cancelled = next(each.order_id for each in notes.bought.values() if each.cancelled)
    del forgetful.bought[cancelled]
    assert reckoning.UNTOLD not in await found(connection, forgetful)

    async with taken_back(connection):
        await connection.execute(
            "update orders.order_status_history set reason = 'not paid in time' "
            "where order_id = $1 and to_status = 'CANCELLED'",
            cancelled,
        )

        assert reckoning.UNTOLD in await found(connection, forgetful)


async def test_an_event_that_was_given_up_is_found(books: Books) -> None:
    connection, _ = books

    async def rows() -> int:
        return sum(each.rows for each in await given_up(connection))

    before = await rows()
    async with taken_back(connection):
        await connection.execute(
            "insert into orders.dead_letters (id, consumer, event_id, subject, payload, error, attempts) "
            "values ($1, 'orders-payments', 'of-no-account', 'lumi.payments.payment.settled', '', 'planted', 5)",
            cuid(),
        )

        assert await rows() == before + 1
