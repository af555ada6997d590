"""A variant that staff delete while buyers put it into their carts, order it, and change their minds."""

import asyncio
from collections import Counter
from functools import partial

from lumi_client import Session

from lumi_invariants.law import LAW
from tests.kit.waiting import until
from tests.races.floor import Floor, units
from tests.races.race import CALLERS, Call, after, answers, race, rounds, told

HALF, THIRD = CALLERS // 2, CALLERS // 3
# What those are told whose deletion did not come to pass, and who would name what goes.
KEPT = {"REFERENCED", "DELETION_UNDER_WAY", "NOT_FOUND"}
REFUSED = {"REFERENCE_GONE", "VARIANT_NOT_SELLABLE"}

_THERE = "select id from catalogue.product_variants where id = $1"
_ENDS = """
    select record ->> 'action' from catalogue.outbox_events cross join jsonb_array_elements(records) record
    where aggregate_id = $1 and record ->> 'id' = $1 and not record ? 'after'
"""
_NAMED = """
    select cart_id from orders.cart_items where product_variant_id = $1
    union all select order_id from orders.order_items where product_variant_id = $1
"""
_MARKED = "select gone_at is not null from orders.reference_targets where id = $1"


async def expect_nothing_dangles(floor: Floor, variant: str, deleted: Counter[str]) -> bool:
    """Hold what there is against what those who deleted the variant were told; whether it is gone."""
    assert deleted.keys() <= {"", *KEPT}
    gone = deleted[""] == 1
    for part in LAW["X2"]:
        assert await floor.books.rows(part.query) == []
    assert deleted[""] <= 1
    assert await floor.books.rows(_THERE, variant) == ([] if gone else [variant])
    assert await floor.books.rows(_ENDS, variant) == (["product_variant.deleted"] if gone else [])
    if gone:
        assert await floor.books.rows(_NAMED, variant) == []
    else:
        assert not deleted["NOT_FOUND"]

    async def is_settled() -> bool:
        # What was fenced for those who were refused is free again, and what is gone is marked for ever.
        return await floor.books.rows(_MARKED, variant) == [gone]

    await until(is_settled, "what stays can be named, and what is gone cannot")
    return gone


def deleting(staff: list[Session], variant: str, product: str, times: int) -> list[Call]:
    """Staff who delete a variant, each after so many looks at its product."""
    return [
        after(times, partial(each.products.get_product, id=product), partial(each.variants.delete_variant, id=variant))
        for each in staff
    ]


async def product_of(floor: Floor, variant: str) -> str:
    found = await floor.staff.variants.get_variant(id=variant)
    return str(found.product_id)


def in_turn(*groups: list[Call]) -> list[Call]:
    return [call for calls in zip(*groups, strict=True) for call in calls]


@rounds
async def test_a_variant_that_is_deleted_while_it_is_put_into_carts_is_in_none_or_stays(
    floor: Floor, number: int
) -> None:
    soup, bread = await floor.put(CALLERS), await floor.put(CALLERS)
    product, crowd = await product_of(floor, soup), (await floor.crowd())[:HALF]
    carts = await asyncio.gather(*(buyer.fill((bread, 1)) for buyer in crowd))
    buyers, staff = floor.each_on_a_line(crowd), floor.lines.of(floor.staff)[HALF:]
    # In other rounds others come first.
    adding = [
        after(
            (0, 2, 0, 4, 1)[number % 5] + turn % 2,
            each.carts.get_active_cart,
            partial(each.carts.add_cart_item, cart_id=cart.id, product_variant_id=soup, quantity=1),
        )
        for turn, (each, cart) in enumerate(zip(buyers, carts, strict=True))
    ]
    going = deleting(staff, soup, product, (2, 0, 0, 0, 1)[number % 5])

    outcomes = await race(*in_turn(adding, going))

    added, deleted = outcomes[::2], told(outcomes[1::2])
    assert told(added).keys() <= {"", *REFUSED}
    if await expect_nothing_dangles(floor, soup, deleted):
        assert not answers(added)
    for outcome, session in zip(added, buyers, strict=True):
        cart = await session.carts.get_active_cart()
        assert units(cart) == ({bread: 1} if outcome.refusal else {bread: 1, soup: 1})
    if not answers(added) and not deleted[""]:
        # Nobody got it and it stayed: then anybody can have it now.
        await buyers[0].carts.add_cart_item(cart_id=carts[0].id, product_variant_id=soup, quantity=1)
    await floor.books.expect_balanced(carts=[cart.id for cart in carts], variants=[soup, bread])


@rounds
async def test_nobody_who_orders_a_variant_notices_that_staff_try_to_delete_it(floor: Floor, number: int) -> None:
    soup = await floor.put(CALLERS)
    product, crowd = await product_of(floor, soup), (await floor.crowd())[:HALF]
    carts = await asyncio.gather(*(buyer.fill((soup, 1)) for buyer in crowd))
    buyers, staff = floor.each_on_a_line(crowd), floor.lines.of(floor.staff)[HALF:]
    placings = [
        after(number % 2, each.carts.get_active_cart, buyer.placing(cart, each))
        for buyer, cart, each in zip(crowd, carts, buyers, strict=True)
    ]
    going = [call for turn, each in enumerate(staff) for call in deleting([each], soup, product, (number + turn) % 8)]

    outcomes = await race(*in_turn(placings, going))

    placed, deleted = outcomes[::2], told(outcomes[1::2])
    assert told(placed) == {"": HALF}
    assert deleted.keys() <= {"REFERENCED", "DELETION_UNDER_WAY"}
    assert not await expect_nothing_dangles(floor, soup, deleted)
    await floor.books.expect_balanced(carts=[cart.id for cart in carts], variants=[soup])
    assert await floor.stock(soup) == (CALLERS - HALF, 0)


@rounds
async def test_a_variant_that_is_deleted_ordered_and_taken_out_of_the_cart_is_in_the_order_or_gone(
    floor: Floor, number: int
) -> None:
    soup, bread, ada = await floor.put(CALLERS), await floor.put(CALLERS), await floor.buyer()
    product, cart = await product_of(floor, soup), await ada.fill((soup, 1), (bread, 1))
    devices, staff = floor.lines.of(ada.session), floor.lines.of(floor.staff)
    placings: list[Call] = [
        after((1, 0, 2, 0, 3)[number % 5], partial(each.carts.get_cart, id=cart.id), ada.placing(cart, each))
        for each in devices[:THIRD]
    ]
    removing: list[Call] = [
        after(
            (0, 3, 1, 5, 0)[number % 5],
            partial(each.carts.get_cart, id=cart.id),
            partial(each.carts.remove_cart_item, cart_id=cart.id, product_variant_id=soup),
        )
        for each in devices[THIRD : 2 * THIRD]
    ]
    going = [
        call
        for turn, each in enumerate(staff[2 * THIRD :])
        for call in deleting([each], soup, product, (number + turn) % 6)
    ]

    outcomes = await race(*in_turn(placings, removing, going))

    placed, removed, deleted = outcomes[::3], outcomes[1::3], told(outcomes[2::3])
    assert told(placed).keys() <= {"", "CART_BEING_PLACED", "CART_NOT_ACTIVE", "PLACING_UNDONE", *REFUSED}
    assert told(removed).keys() <= {
        "", "CART_BEING_PLACED", "CART_NOT_ACTIVE", "CART_ITEM_NOT_FOUND", "ETAG_MISMATCH"
    }  # fmt: skip
    assert told(placed)[""] <= 1
    gone = await expect_nothing_dangles(floor, soup, deleted)
    if gone:
        assert answers(removed)
    for answer in answers(placed):
        assert units(answer.order) == ({bread: 1} if answers(removed) else {soup: 1, bread: 1})
    await floor.books.expect_balanced(carts=[cart.id], variants=[soup, bread])
    assert await floor.books.orders_of(cart.id) == [answer.order.id for answer in answers(placed)]
