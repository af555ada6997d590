"""Carts that are deleted while they are filled or placed: gone, or as if nobody had tried."""

from functools import partial

import pytest
from lumi.orders.v1.cart_pb2 import Cart
from lumi_client import NotFound

from tests.races.floor import Buyer, Floor, units
from tests.races.race import CALLERS, after, answers, race, rounds, told

HALF = CALLERS // 2

_LEFT = """
    select (select count(*) from orders.carts where id = $1),
        (select count(*) from orders.cart_items where cart_id = $1),
        (select count(*) from orders.checkouts where cart_id = $1)
"""
_TOLD = "select version, type from orders.outbox_events where aggregate_id = $1 order by seq"
_ORDERS_OF = "select id, cart_id from orders.orders where user_id = $1"
# An order's version is the number of records that tell of it (O5), wherever they stand.
_RECORDS = """
    select o.version, count(*), array_agg(record ->> 'action' order by seq)
    from orders.orders o, orders.outbox_events e cross join jsonb_array_elements(e.records) as record
    where o.id = $1 and record ->> 'entity' = 'Order' and record ->> 'id' = o.id group by 1
"""


def buyer_id(buyer: Buyer) -> str:
    assert buyer.session.user is not None
    return buyer.session.user.id


@rounds
async def test_a_cart_that_is_placed_and_deleted_at_once_is_bought_whole_or_not_at_all(
    floor: Floor, number: int
) -> None:
    soup, coupon, ada = await floor.put(5), await floor.coupon(), await floor.buyer()
    cart = await ada.fill((soup, 2), coupon=coupon.code)
    devices = floor.lines.of(ada.session)
    # In one round the ones hesitate, in the next the others.
    late, look = number % 2, ada.session.users.get_me
    deleting = [
        after(3 * late + turn % 6, look, partial(each.carts.delete_cart, id=cart.id))
        for turn, each in enumerate(devices[:HALF])
    ]
    placing = [
        after(0 if late else 1 + turn % 4, look, ada.placing(cart, each)) for turn, each in enumerate(devices[HALF:])
    ]

    outcomes = await race(*(each for pair in zip(deleting, placing, strict=True) for each in pair))

    deleted, placed = outcomes[::2], outcomes[1::2]
    assert told(deleted).keys() <= {"", "CART_BEING_PLACED", "NOT_FOUND"}
    assert told(placed).keys() <= {"", "CART_BEING_PLACED", "CART_NOT_ACTIVE", "NOT_FOUND"}
    assert told(deleted)[""] <= 1
    assert told(placed)[""] <= 1
    assert told(deleted)[""] + told(placed)[""] >= 1
    is_gone = told(deleted)[""] == 1
    assert await floor.books.rows(_LEFT, cart.id) == [(0, 0, 0) if is_gone else (1, 1, 0)]
    orders = await floor.books.rows(_ORDERS_OF, buyer_id(ada))
    assert orders == [(each.order.id, None if is_gone else cart.id) for each in answers(placed)]
    for each in answers(placed):
        assert units(each.order) == {soup: 2}
        story = await floor.books.story(each.order.id)
        assert story == ("PAID", ["SETTLED 4.50 0.00"], ["order.placed", "order.paid"])
        [(version, records, actions)] = await floor.books.rows(_RECORDS, each.order.id)
        assert (version, records) == (len(actions), 2 + is_gone)
        assert actions.count("order.updated") == is_gone
    await expect_versions(floor, cart, is_gone)
    await floor.books.expect_balanced(carts=[] if is_gone else [cart.id], variants=[soup], coupons=(coupon.code,))
    assert await floor.stock(soup) == ((3, 0) if orders else (5, 0))
    assert await floor.uses(coupon) == len(orders)


@rounds
async def test_what_is_put_into_a_cart_that_is_deleted_at_once_goes_with_it(floor: Floor, number: int) -> None:
    soup, bread, ada = await floor.put(500), await floor.put(500), await floor.buyer()
    cart = await ada.fill((soup, 1))
    devices = floor.lines.of(ada.session)
    adding = [
        partial(each.carts.add_cart_item, cart_id=cart.id, product_variant_id=(soup, bread)[turn % 2], quantity=1)
        for turn, each in enumerate(devices[HALF:])
    ]
    deleting = [
        after(number + turn % 4, ada.session.users.get_me, partial(each.carts.delete_cart, id=cart.id))
        for turn, each in enumerate(devices[:HALF])
    ]

    outcomes = await race(*(each for pair in zip(adding, deleting, strict=True) for each in pair))

    added, deleted = outcomes[::2], outcomes[1::2]
    assert told(added).keys() <= {"", "NOT_FOUND", "ETAG_MISMATCH"}
    assert told(deleted) == {"": 1, "NOT_FOUND": HALF - 1}
    assert await floor.books.rows(_LEFT, cart.id) == [(0, 0, 0)]
    with pytest.raises(NotFound):
        await ada.session.carts.get_active_cart()
    # Each change that was answered is a version of its own, the end comes after all of them.
    assert len({answer.etag for answer in answers(added)}) == told(added)[""]
    await expect_versions(floor, cart, is_gone=True)
    # A further cart holds what is put into it, and nothing of the one before.
    assert units(await ada.fill((bread, 3))) == {bread: 3}


async def expect_versions(floor: Floor, cart: Cart, is_gone: bool) -> None:
    """Each version of the cart is told once, its end last; that it was ordered the order's event tells."""
    events = await floor.books.rows(_TOLD, cart.id)
    versions = [version for version, _ in events]
    assert versions == sorted(set(versions))
    ends = [type for _, type in events if type == "cart.deleted"]
    assert ends == ["cart.deleted"] * is_gone
    if is_gone:
        assert events[-1][1] == "cart.deleted"
