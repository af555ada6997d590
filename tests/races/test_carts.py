"""One person on thirty devices, and their one cart: begun, changed, and joined by what they chose as a guest."""

from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from lumi.orders.v1.cart_pb2 import Cart
from lumi_client import FailedPrecondition, NotFound, Session

from tests.kit.buying import HOME
from tests.kit.waiting import until
from tests.races.floor import Buyer, Floor, units
from tests.races.race import CALLERS, after, answers, race, refusals, rounds, told

_CARTS = "select id, status::text from orders.carts where user_id = $1 or session_id = $1 order by id"
_CREATED = """
    select count(*) from orders.outbox_events e where type = 'cart.created'
    and aggregate_id in (select id from orders.carts where user_id = $1 or session_id = $1)
"""
_MERGED = "select count(*) from orders.outbox_events where aggregate_id = $1 and type = 'cart.merged'"


def user_id(session: Session) -> str:
    assert session.user is not None
    return session.user.id


@rounds
@pytest.mark.parametrize("who", ["user", "guest"])
async def test_of_carts_begun_at_once_there_is_one(floor: Floor, who: str, number: int) -> None:
    someone = await (floor.door.customer() if who == "user" else floor.door.shop.guest())
    owner = user_id(someone) if who == "user" else someone.id
    devices = floor.lines.of(someone)

    outcomes = await race(*(partial(each.carts.create_cart, currency_code="USD") for each in devices))

    assert told(outcomes) == {"": 1, "ACTIVE_CART_EXISTS": CALLERS - 1}
    [cart] = answers(outcomes)
    assert {no.facts["cart_id"] for no in refusals(outcomes)} == {cart.id}
    assert await someone.carts.get_active_cart() == cart
    assert await floor.books.rows(_CARTS, owner) == [(cart.id, "ACTIVE")]
    assert await floor.books.rows(_CREATED, owner) == [1]


@rounds
async def test_a_cart_begun_again_with_its_request_id_is_the_same_cart(floor: Floor, number: int) -> None:
    ada = await floor.door.customer()
    begin: dict[str, Any] = {"currency_code": "USD", "request_id": str(uuid4())}

    outcomes = await race(*(partial(each.carts.create_cart, **begin) for each in floor.lines.of(ada)))

    assert told(outcomes) == {"": CALLERS}
    assert all(cart == outcomes[0].answer for cart in answers(outcomes))
    assert await floor.books.rows(_CARTS, user_id(ada)) == [(outcomes[0].answer.id, "ACTIVE")]
    assert await floor.books.rows(_CREATED, user_id(ada)) == [1]


async def guest_with(floor: Floor, *lines: tuple[str, int]) -> tuple[Buyer, Cart]:
    """A guest who has this in their cart, which is going somewhere."""
    guest = Buyer(await floor.door.shop.guest())
    cart = await guest.fill(*lines)
    return guest, await guest.session.carts.set_cart_addresses(id=cart.id, shipping_address=HOME)


def merging(device: Session, guest: Buyer) -> Callable[[], Awaitable[Any]]:
    return partial(device.carts.merge_guest_cart, guest_token=guest.session.access_token)


async def owned(floor: Floor, session: Session) -> list[tuple[str, str]]:
    return await floor.books.rows(_CARTS, user_id(session) if session.user else session.id)


@rounds
@pytest.mark.parametrize("has_cart", [True, False], ids=["into a cart", "into none"])
async def test_a_guests_cart_is_merged_once(floor: Floor, has_cart: bool, number: int) -> None:
    soup, bread, ada = await floor.put(50), await floor.put(50), await floor.buyer()
    mine = [await ada.fill((soup, 1))] if has_cart else []
    guest, theirs = await guest_with(floor, (soup, 2), (bread, 1))

    outcomes = await race(*(merging(each, guest) for each in floor.lines.of(ada.session)))

    merged = await ada.session.carts.get_active_cart()
    assert told(outcomes) == {"": CALLERS}
    assert all(cart == merged for cart in answers(outcomes))
    assert units(merged) == {soup: 2 + has_cart, bread: 1}
    with pytest.raises(NotFound):
        await guest.session.carts.get_active_cart()
    # The guest's cart is given up, or has become the user's.
    assert await owned(floor, ada.session) == [((mine or [theirs])[0].id, "ACTIVE")]
    assert await owned(floor, guest.session) == ([(theirs.id, "ABANDONED")] if has_cart else [])
    assert await floor.books.rows(_MERGED, merged.id) == [1]
    await floor.books.expect_balanced(carts=[theirs.id, *(cart.id for cart in mine)], variants=[soup, bread])


@rounds
async def test_nothing_is_lost_of_what_is_added_while_a_guests_cart_is_merged(floor: Floor, number: int) -> None:
    soup, bread, ada = await floor.put(500), await floor.put(500), await floor.buyer()
    mine = await ada.fill((soup, 1))
    guest, theirs = await guest_with(floor, (soup, 2), (bread, 1))
    third = CALLERS // 3
    devices, others = floor.lines.of(ada.session), floor.lines.of(guest.session)

    def adding(device: Session, cart: Cart, quantity: int) -> Callable[[], Awaitable[Any]]:
        return partial(device.carts.add_cart_item, cart_id=cart.id, product_variant_id=soup, quantity=quantity)

    outcomes = await race(
        *(merging(each, guest) for each in devices[:third]),
        *(adding(each, mine, 10) for each in devices[third : 2 * third]),
        *(adding(each, theirs, 100) for each in others[2 * third :]),
    )

    merges, by_user, by_guest = outcomes[:third], outcomes[third : 2 * third], outcomes[2 * third :]
    assert told(merges).keys() <= {"", "ETAG_MISMATCH"}
    assert told(by_user).keys() <= {"", "ETAG_MISMATCH"}
    assert told(by_guest).keys() <= {"", "ETAG_MISMATCH", "CART_NOT_ACTIVE"}
    # Those who were refused changed nothing, and may say it again.
    merged = await ada.session.carts.merge_guest_cart(guest_token=guest.session.access_token)
    assert units(merged) == {soup: 3 + 10 * told(by_user)[""] + 100 * told(by_guest)[""], bread: 1}
    for changes in (by_user, by_guest):
        assert len({cart.etag for cart in answers(changes)}) == told(changes)[""]  # each of a version of its own
    assert await floor.books.rows(_MERGED, merged.id) == [1]
    assert (await owned(floor, ada.session), await owned(floor, guest.session)) == (
        [(mine.id, "ACTIVE")],
        [(theirs.id, "ABANDONED")],
    )
    await floor.books.expect_balanced(carts=[mine.id, theirs.id], variants=[soup, bread])


@rounds
@pytest.mark.parametrize("whose", ["the user's", "the guest's"])
async def test_what_is_merged_while_a_cart_is_placed_is_ordered_or_still_to_be_had(
    floor: Floor, whose: str, number: int
) -> None:
    soup, bread, ada = await floor.put(50), await floor.put(50), await floor.buyer()
    mine = await ada.fill((soup, 1))
    guest, theirs = await guest_with(floor, (soup, 2), (bread, 1))
    placed_by, cart = (ada, mine) if whose == "the user's" else (guest, theirs)
    half = CALLERS // 2
    mergers, placers = floor.lines.of(ada.session)[:half], floor.lines.of(placed_by.session)[half:]

    outcomes = await race(
        *(merging(merger, guest) for merger in mergers),
        *(
            after(number % 5, partial(placer.carts.get_cart, id=cart.id), placed_by.placing(cart, placer))
            for placer in placers
        ),
    )

    merges, placings = outcomes[:half], outcomes[half:]
    # There is no cart left to be found once all of it is ordered.
    assert told(merges).keys() <= {"", "ETAG_MISMATCH", "CART_BEING_PLACED", "NOT_FOUND"}
    assert told(placings).keys() <= {"", "PLACING_UNDONE", "CART_BEING_PLACED", "CART_NOT_ACTIVE"}
    assert told(placings)[""] <= 1
    orders = await floor.books.orders_of(mine.id, theirs.id)
    assert orders == [placed.order.id for placed in answers(placings)]
    # Whatever came first: each unit is in the order or in the user's cart, once.
    ordered = Counter[str]()
    for placed in answers(placings):
        ordered.update(units(placed.order))
    assert ordered + Counter(units(await still_there(ada, guest))) == Counter({soup: 3, bread: 1})
    await floor.books.expect_balanced(carts=[mine.id, theirs.id], variants=[soup, bread])
    for order in orders:
        assert await floor.books.story(order) == ("PAID", [await paid(floor, order)], ["order.placed", "order.paid"])


async def still_there(ada: Buyer, guest: Buyer) -> Cart:
    """What the user can still order, with what the guest left behind."""
    found: list[Cart] = []

    async def is_found() -> bool:
        try:
            found.append(await merging(ada.session, guest)())
        except NotFound:
            found.append(Cart())
        except FailedPrecondition as refusal:
            if refusal.reason != "CART_BEING_PLACED":  # what was undone is being given back
                raise
        return bool(found)

    await until(is_found, "no order is being placed any more")
    return found[0]


async def paid(floor: Floor, order: str) -> str:
    [total] = await floor.books.rows("select total_amount from orders.orders where id = $1", order)
    return f"SETTLED {total} 0.00"
