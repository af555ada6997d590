"""A payment that failed is followed by another one of the same order, once for each time that somebody asks."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from lumi.orders.v1 import order_pb2 as pb
from lumi.payments.v1 import payment_pb2

from lumi_common.errors import Aborted, FailedPrecondition, InvalidArgument, LumiError, NotFound
from services.orders.tests.rpc.books import GIVEN_UP, UNDONE, WAITING, Books, Sale, sell, sell_for_good, sold, staff
from services.orders.tests.rpc.bouncing import (
    AGAIN,
    FAILED,
    UNPAID,
    asking,
    bounce,
    clerk,
    move,
    retry,
    sell_in_vain,
)
from services.orders.tests.rpc.floor import Floor, branch
from tests.kit.shop import Shop


@pytest.fixture(scope="module")
async def floor(shop: Shop) -> AsyncIterator[Floor]:
    """Where payments wait for staff to record them."""
    async with branch(shop, by_hand=True) as floor:
        yield floor


@pytest.fixture
async def sale(floor: Floor) -> Sale:
    """An order whose money will not come."""
    return await sell_in_vain(floor)


async def test_a_failed_payment_leaves_the_order_waiting_and_another_pays_for_it(sale: Sale) -> None:
    assert await sale.books() == UNPAID

    retried = await retry(sale, etag="1")

    assert (retried.order.status, retried.order.etag) == (pb.ORDER_STATUS_PENDING, "2")
    assert retried.order == await sale.get()
    assert retried.payment_id != sale.placed.payment_id
    assert retried.next_action.type == payment_pb2.NEXT_ACTION_TYPE_PAY_MANUALLY
    assert await sale.books() == AGAIN

    sale.placed.payment_id = retried.payment_id
    await sale.record()

    await sale.expect(sold("PAID")._replace(payments=[FAILED, ("SETTLED", 450, 0)]))
    assert await sale.floor.history(sale.id) == [(None, "PENDING", 1), ("PENDING", "PAID", 3)]
    assert await sale.floor.told(sale.id) == ["order.placed", "order.payment_retried", "order.paid"]


async def test_a_voided_payment_is_followed_by_another_too(floor: Floor) -> None:
    sale = await sell(floor)
    await (await clerk(sale)).VoidPayment(payment_pb2.VoidPaymentRequest(id=sale.placed.payment_id))

    await retry(sale)

    await sale.expect(AGAIN)


async def test_a_payment_that_settles_at_once_makes_the_order_paid_at_once(shop: Shop, sale: Sale) -> None:
    async with branch(shop) as elsewhere:
        move(sale, elsewhere)

        retried = await retry(sale)

        assert (retried.order.status, retried.order.etag) == (pb.ORDER_STATUS_PAID, "3")
        await sale.expect(sold("PAID")._replace(payments=[FAILED, ("SETTLED", 450, 0)]))


async def test_as_often_as_it_fails_it_is_asked_for_anew(sale: Sale) -> None:
    for _ in range(3):
        retried = await retry(sale)
        await bounce(sale, retried.payment_id)

    sale.placed.payment_id = (await retry(sale)).payment_id
    await sale.record()

    await sale.expect(sold("PAID")._replace(payments=[FAILED] * 4 + [("SETTLED", 450, 0)]))


async def test_a_repeat_has_the_first_answer_also_once_that_payment_has_failed(sale: Sale) -> None:
    request = asking(sale)
    first = await sale.orders.RetryPayment(request)
    assert await sale.orders.RetryPayment(request) == first
    await bounce(sale, first.payment_id)

    assert await sale.orders.RetryPayment(request) == first

    await sale.expect(UNPAID._replace(payments=[FAILED, FAILED]))
    request.etag = "1"
    with pytest.raises(InvalidArgument, match="REQUEST_ID_REUSED"):
        await sale.orders.RetryPayment(request)


async def test_of_many_at_once_one_makes_a_payment(sale: Sale) -> None:
    outcomes = await asyncio.gather(*(retry(sale) for _ in range(30)), return_exceptions=True)

    answers = [each for each in outcomes if isinstance(each, pb.PlaceOrderResponse)]
    refusals = {each.reason for each in outcomes if isinstance(each, LumiError)}
    assert len(answers) == 1
    assert refusals <= {"PAYMENT_BEING_RETRIED", "PAYMENT_NOT_FAILED"}
    await sale.expect(AGAIN)


async def test_an_order_whose_payment_has_not_failed_is_not_paid_anew(floor: Floor) -> None:
    sale = await sell(floor)

    with pytest.raises(FailedPrecondition, match="PAYMENT_NOT_FAILED") as refused:
        await retry(sale)

    assert refused.value.facts == {"order_id": sale.id, "payment_id": sale.placed.payment_id, "status": "INITIATED"}
    assert (await sale.get()).etag == "1"
    await sale.expect(WAITING)


async def test_an_order_that_does_not_wait_for_its_money_is_not_paid_anew(shop: Shop, sale: Sale) -> None:
    await sale.cancel()
    paid = await sell_for_good(await Floor.open(shop))

    for each, status in ((sale, "CANCELLED"), (paid, "PAID")):
        with pytest.raises(FailedPrecondition, match="ORDER_NOT_PAYABLE") as refused:
            await retry(each)
        assert refused.value.facts == {"order_id": each.id, "status": status}

    await sale.expect(GIVEN_UP)
    await paid.expect(sold("PAID"))


async def test_what_was_given_back_is_not_asked_money_for(shop: Shop, sale: Sale) -> None:
    async with shop.database("catalogue") as database:
        # No service of ours does so while the order waits; a person with the database may.
        await database.execute("update stock_reservations set state = 'EXPIRED' where order_id = $1", sale.id)

    with pytest.raises(FailedPrecondition, match="RESERVATION_GONE") as refused:
        await retry(sale)

    assert refused.value.facts == {"order_id": sale.id}
    assert (await sale.books()).payments == [FAILED]
    assert await sale.floor.told(sale.id) == ["order.placed"]


async def test_what_is_not_held_any_more_is_held_again_or_refused(shop: Shop, sale: Sale, floor: Floor) -> None:
    async with shop.database("catalogue") as database:
        await database.execute("delete from stock_reservations where order_id = $1", sale.id)
        await database.execute(
            "update inventories set quantity_reserved = 0, quantity_available = 1, quantity_on_hand = 1 "
            "where product_variant_id = $1",
            sale.variant,
        )
        with pytest.raises(FailedPrecondition, match="INSUFFICIENT_STOCK") as refused:
            await retry(sale)
        assert refused.value.facts["product_variant_id"] == sale.variant
        await database.execute(
            "update inventories set quantity_available = 5, quantity_on_hand = 5 where product_variant_id = $1",
            sale.variant,
        )

    await retry(sale)

    await sale.expect(AGAIN)


async def test_a_provider_that_is_not_there_is_refused_and_another_can_be_taken(sale: Sale) -> None:
    with pytest.raises(FailedPrecondition, match="PAYMENT_REFUSED") as refused:
        await retry(sale, payment_provider=payment_pb2.PAYMENT_PROVIDER_STRIPE)

    assert refused.value.facts["reason"] == "PROVIDER_UNAVAILABLE"
    await sale.expect(UNPAID)
    await retry(sale)
    await sale.expect(AGAIN)


async def test_it_is_its_buyers_to_ask_or_that_of_staff_who_may(sale: Sale, floor: Floor) -> None:
    with pytest.raises(NotFound):
        await (await sell(floor)).orders.RetryPayment(asking(sale))
    with pytest.raises(NotFound):
        await retry(sale, await staff(floor, "orders.cancel"))
    with pytest.raises(Aborted, match="ETAG_MISMATCH"):
        await retry(sale, etag="9")

    await retry(sale, await staff(floor, "orders.write"))

    await sale.expect(AGAIN)


async def test_a_guest_pays_anew_too(floor: Floor) -> None:
    soup, coupon, visitor = await floor.shelf.put(5), await floor.coupon(50), await floor.guest()
    sale = Sale(floor, visitor, await visitor.place(await visitor.fill((soup, 2), coupon=coupon)), soup, coupon)
    await bounce(sale, sale.placed.payment_id)
    with pytest.raises(NotFound):
        await (await floor.guest()).stub(type(sale.orders._stub)).RetryPayment(asking(sale))

    await retry(sale)

    await sale.expect(AGAIN)


async def test_a_payment_that_is_retried_and_an_order_that_is_cancelled_at_once_leave_no_payment_open(
    floor: Floor,
) -> None:
    sales = await asyncio.gather(*(sell_in_vain(floor) for _ in range(12)))

    outcomes = await asyncio.gather(
        *(way for sale in sales for way in (retry(sale), sale.cancel())), return_exceptions=True
    )

    for sale, retried, cancelled in zip(sales, outcomes[::2], outcomes[1::2], strict=True):
        if isinstance(cancelled, LumiError):
            assert cancelled.reason == "PAYMENT_BEING_RETRIED"
            assert isinstance(retried, pb.PlaceOrderResponse)
            await sale.expect(AGAIN)
            await sale.cancel()
        elif isinstance(retried, LumiError):
            assert retried.reason == "ORDER_NOT_PAYABLE"
        await sale.expect(GIVEN_UP._replace(payments=[FAILED] * (1 + isinstance(retried, pb.PlaceOrderResponse))))


async def test_an_order_that_is_cancelled_after_it_was_paid_anew_has_that_money_back(sale: Sale) -> None:
    sale.placed.payment_id = (await retry(sale)).payment_id
    await sale.record()
    await sale.expect(sold("PAID")._replace(payments=[FAILED, ("SETTLED", 450, 0)]))

    await sale.cancel()

    await sale.expect(UNDONE._replace(payments=[FAILED, ("REFUNDED", 450, 450)]))


async def test_an_order_that_is_paid_anew_and_never_paid_is_cancelled_in_time(shop: Shop) -> None:
    """Its time began when it was placed."""
    async with branch(shop, by_hand=True, order_expiry_seconds=3.0, sweep_seconds=0.3) as floor:
        sale = await sell_in_vain(floor)
        await retry(sale)

        await sale.expect(Books("CANCELLED", [FAILED, FAILED], (5, 0), 0, 0))
