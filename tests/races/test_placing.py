"""One cart, placed from thirty devices at once, also while its lines are changed."""

from functools import partial
from typing import Any
from uuid import uuid4

from lumi.identity.v1.address_pb2 import Address
from lumi.orders.v1.cart_pb2 import Cart
from lumi.orders.v1.order_pb2 import PlaceOrderResponse
from lumi_client import FailedPrecondition, amount

from tests.kit.buying import HOME
from tests.kit.waiting import until
from tests.races.floor import Buyer, Floor, units
from tests.races.race import CALLERS, after, answers, race, refusals, rounds, told

PAID_ONCE = ("PAID", ["SETTLED 4.50 0.00"], ["order.placed", "order.paid"])
"""The story of an order of two tins with a tenth off."""


@rounds
async def test_a_cart_that_is_placed_under_thirty_request_ids_is_one_order(floor: Floor, number: int) -> None:
    soup, coupon, ada = await floor.put(CALLERS), await floor.coupon(), await floor.buyer()
    cart = await ada.fill((soup, 2), coupon=coupon.code)

    outcomes = await race(*(ada.placing(cart, each) for each in floor.lines.of(ada.session)))

    assert told(outcomes)[""] == 1
    assert told(outcomes).keys() <= {"", "CART_BEING_PLACED", "CART_NOT_ACTIVE"}
    [placed] = answers(outcomes)
    assert {no.facts["order_id"] for no in refusals(outcomes)} == {placed.order.id}
    assert [order async for order in ada.session.orders.list_orders()] == [placed.order]
    await expect_one_order(floor, placed.order.id, cart.id, soup, coupon.code)
    assert await floor.uses(coupon) == 1


@rounds
async def test_a_cart_that_is_placed_thirty_times_under_one_request_id_is_one_order_with_one_answer(
    floor: Floor, number: int
) -> None:
    soup, coupon, ada = await floor.put(CALLERS), await floor.coupon(), await floor.buyer()
    cart, request_id = await ada.fill((soup, 2), coupon=coupon.code), str(uuid4())
    calls = [ada.placing(cart, each, request_id) for each in floor.lines.of(ada.session)]

    outcomes = await race(*calls)

    assert told(outcomes).keys() <= {"", "CART_BEING_PLACED"}
    # Whoever came while the first was at it asks again, as told.
    again = await race(*calls)
    assert told(again) == {"": CALLERS}
    [answer] = {each.SerializeToString(deterministic=True) for each in answers([*outcomes, *again])}
    [placed] = answers(again)[:1]
    assert placed.SerializeToString(deterministic=True) == answer
    assert {no.facts["order_id"] for no in refusals(outcomes)} <= {placed.order.id}
    await expect_one_order(floor, placed.order.id, cart.id, soup, coupon.code)


@rounds
async def test_of_two_bodies_under_one_request_id_one_is_placed_and_the_other_refused(
    floor: Floor, number: int
) -> None:
    soup, coupon, ada = await floor.put(CALLERS), await floor.coupon(), await floor.buyer()
    cart, request_id = await ada.fill((soup, 2), coupon=coupon.code), str(uuid4())
    places = (ada.home, await another_home(ada))
    devices = floor.lines.of(ada.session)
    calls = [ada.placing(cart, each, request_id, to=places[turn % 2]) for turn, each in enumerate(devices)]

    outcomes = await race(*calls)

    assert told(outcomes).keys() <= {"", "CART_BEING_PLACED", "REQUEST_ID_REUSED"}
    again = await race(*calls)
    went = [told(again[half::2]) for half in (0, 1)]
    assert sorted(map(dict, went), key=str) == [{"": CALLERS // 2}, {"REQUEST_ID_REUSED": CALLERS // 2}]
    chosen = 0 if "" in went[0] else 1
    assert told(outcomes[1 - chosen :: 2])[""] == 0
    assert len({each.SerializeToString(deterministic=True) for each in answers([*outcomes, *again])}) == 1
    [placed] = answers(again)[:1]
    assert placed.order.shipping_address_id == places[chosen]
    await expect_one_order(floor, placed.order.id, cart.id, soup, coupon.code)


@rounds
async def test_an_order_holds_what_its_cart_held_while_it_was_edited(floor: Floor, number: int) -> None:
    soup, bread, tea = await floor.put(500), await floor.put(500), await floor.put(500)
    ada = await floor.buyer()
    cart = await ada.fill((soup, 1), (tea, 1))
    sixth = CALLERS // 6
    devices = floor.lines.of(ada.session)
    carts = [each.carts for each in devices]
    edits: list[Any] = [
        *(partial(each.add_cart_item, cart_id=cart.id, product_variant_id=bread, quantity=1) for each in carts[:sixth]),
        *(partial(each.update_cart_item, cart_id=cart.id, product_variant_id=soup, quantity=2 + turn)
          for turn, each in enumerate(carts[sixth : 2 * sixth])),
        *(partial(each.remove_cart_item, cart_id=cart.id, product_variant_id=tea)
          for each in carts[2 * sixth : 3 * sixth]),
    ]  # fmt: skip
    placings = [
        after(number % 5, partial(each.carts.get_cart, id=cart.id), ada.placing(cart, each))
        for each in devices[3 * sixth :]
    ]

    outcomes = await race(*(each for pair in zip(edits, placings, strict=True) for each in pair))

    edited, placed = outcomes[::2], outcomes[1::2]
    allowed = {"", "CART_BEING_PLACED", "CART_NOT_ACTIVE", "ETAG_MISMATCH"}
    assert told(edited).keys() <= allowed
    assert told(placed).keys() <= {"", "CART_BEING_PLACED", "CART_NOT_ACTIVE", "PLACING_UNDONE"}
    assert told(placed)[""] <= 1
    # What an edit that came in between undid is placed by a new try, as its refusal says.
    placed_now = answers(placed) or [await place(ada, cart)]
    # Each version has one content; the order has that of the last, and no edit came after it.
    versions = {int(cart.etag): units(cart)}
    for answer in answers(edited):
        assert versions.setdefault(int(answer.etag), units(answer)) == units(answer)
    [(status, version)] = await floor.books.rows(
        "select status::text, version from orders.carts where id = $1", cart.id
    )
    assert (status, sorted(versions)) == ("CHECKED_OUT", list(range(int(cart.etag), version)))
    assert units(placed_now[0].order) == versions[version - 1]
    order = placed_now[0].order.id
    assert await floor.books.orders_of(cart.id) == [order]
    await floor.books.expect_balanced(carts=[cart.id], variants=[soup, bread, tea])
    total = amount(placed_now[0].order.total_amount)
    assert await floor.books.story(order) == ("PAID", [f"SETTLED {total} 0.00"], ["order.placed", "order.paid"])


async def expect_one_order(floor: Floor, order: str, cart: str, variant: str, coupon: str) -> None:
    await floor.books.expect_balanced(carts=[cart], variants=[variant], coupons=(coupon,))
    assert await floor.books.story(order) == PAID_ONCE
    assert await floor.books.orders_of(cart) == [order]
    assert await floor.stock(variant) == (CALLERS - 2, 0)


async def another_home(buyer: Buyer) -> str:
    return (await buyer.session.addresses.create_address(address=Address(postal_address=HOME))).id


async def place(buyer: Buyer, cart: Cart) -> PlaceOrderResponse:
    """The order of a cart, once it can be placed."""
    placed: list[PlaceOrderResponse] = []

    async def possible() -> bool:
        try:
            placed.append(await buyer.placing(cart)())
        except FailedPrecondition as refusal:
            if refusal.reason != "CART_BEING_PLACED":  # what was undone is being given back
                raise
        return bool(placed)

    await until(possible, "the cart can be placed again")
    return placed[0]
