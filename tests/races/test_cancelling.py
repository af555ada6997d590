"""An order that is cancelled while it goes on its way: what is told is what happens, and all of it comes back."""

from functools import partial

import pytest
from lumi.orders.v1.order_pb2 import ORDER_STATUS_CANCELLED, ORDER_STATUS_FULFILLED
from lumi_client import Session

from tests.races.floor import Floor
from tests.races.race import CALLERS, answers, race, refusals, rounds, told

HALF = CALLERS // 2


@rounds
@pytest.mark.parametrize("by_staff", [False, True], ids=["by its buyer", "by staff"])
async def test_an_order_that_is_packed_and_cancelled_at_once_is_one_or_the_other(
    floor: Floor, by_staff: bool, number: int
) -> None:
    soup, coupon, ada = await floor.put(5), await floor.coupon(), await floor.buyer()
    cart = await ada.fill((soup, 2), coupon=coupon.code)
    order = (await ada.placing(cart)()).order.id
    canceller: Session = floor.staff if by_staff else ada.session
    clerks, cancellers = floor.lines.of(floor.staff)[:HALF], floor.lines.of(canceller)[HALF:]
    packing = [partial(each.orders.fulfill_order, id=order) for each in clerks]
    cancelling = [partial(each.orders.cancel_order, id=order) for each in cancellers]
    # Now the ones and now the others are first in line.
    turn = 1 if number % 2 else -1

    outcomes = (await race(*[*packing, *cancelling][::turn]))[::turn]

    packed, cancelled = outcomes[:HALF], outcomes[HALF:]
    is_cancelled = (await ada.session.orders.get_order(id=order)).status == ORDER_STATUS_CANCELLED
    was_packed = told(packed)[""] > 0
    if is_cancelled:
        assert told(cancelled) == {"": HALF}
        assert told(packed).keys() <= {"", "ORDER_STATUS_CONFLICT"}
        assert by_staff or not was_packed
    else:
        assert not by_staff  # staff may cancel what is packed
        assert told(packed) == {"": HALF}
        assert told(cancelled) == {"ORDER_NOT_CANCELLABLE": HALF}
    assert {answer.status for answer in answers(packed)} <= {ORDER_STATUS_FULFILLED}
    assert {answer.status for answer in answers(cancelled)} <= {ORDER_STATUS_CANCELLED}
    assert len({answer.etag for answer in answers(packed)}) <= 1
    assert len({answer.etag for answer in answers(cancelled)}) <= 1
    await floor.books.expect_balanced(carts=[cart.id], variants=[soup], coupons=(coupon.code,))
    way = ["order.placed", "order.paid", *["order.fulfilled"] * was_packed, *["order.cancelled"] * is_cancelled]
    assert await floor.books.story(order) == (
        ("CANCELLED", ["REFUNDED 4.50 4.50"], way) if is_cancelled else ("FULFILLED", ["SETTLED 4.50 0.00"], way)
    )
    assert (await floor.stock(soup), await floor.uses(coupon)) == (((5, 0), 0) if is_cancelled else ((3, 0), 1))


@rounds
async def test_of_packing_shipping_and_delivering_at_once_each_comes_after_the_one_before(
    floor: Floor, number: int
) -> None:
    soup, ada = await floor.put(5), await floor.buyer()
    cart = await ada.fill((soup, 2))
    order = (await ada.placing(cart)()).order.id
    clerks = [each.orders for each in floor.lines.of(floor.staff)]
    steps = [
        partial((each.fulfill_order, each.ship_order, each.deliver_order, each.cancel_order)[turn % 4], id=order)
        for turn, each in enumerate(clerks)
    ]

    outcomes = await race(*steps)

    refused = {"ORDER_STATUS_CONFLICT", "ORDER_NOT_CANCELLABLE"}
    assert told(outcomes).keys() <= {"", *refused}
    story = await floor.books.story(order)
    taken = [bool(answers(outcomes[step::4])) for step in range(4)]
    names = ["order.fulfilled", "order.shipped", "order.delivered", "order.cancelled"]
    assert story.told[2:] == [name for name, was in zip(names, taken, strict=True) if was]
    for step, name in enumerate(names):
        # All who asked for one step were told of one and the same, at one version.
        assert len({(answer.status, answer.etag) for answer in answers(outcomes[step::4])}) <= 1, name
    assert all(no.facts["order_id"] == order for no in refusals(outcomes))
    await floor.books.expect_balanced(carts=[cart.id], variants=[soup])
    assert await floor.stock(soup) == ((5, 0) if taken[3] else (3, 0))
