"""What the orders service may do with stock."""

import asyncio

import pytest
from lumi.catalogue.v1 import inventory_pb2 as pb
from lumi.catalogue.v1.inventory_pb2_grpc import InventoryServiceStub

from lumi_common.cuid import cuid
from lumi_common.errors import FailedPrecondition, InvalidArgument, LumiError, NotFound
from services.catalogue.tests.rpc.conftest import Catalogue, Outbox, committing, releasing, reserving, usd
from tests.kit.client import Client
from tests.kit.shop import Shop

COMMITTED, RELEASED = pb.STOCK_RESERVATION_STATE_COMMITTED, pb.STOCK_RESERVATION_STATE_RELEASED


async def test_the_answer_has_what_the_order_freezes_and_a_repeat_the_same(staff: Catalogue, orders: Client) -> None:
    one, two = await staff.on_sale(5, title="Soup"), await staff.on_sale(5)
    request = reserving((two.id, 2), (one.id, 1))

    first = await orders.ReserveStock(request)
    again = await orders.ReserveStock(request)
    other_id = await orders.ReserveStock(reserving((two.id, 2), (one.id, 1), order_id=request.order_id))

    assert first == again == other_id
    assert [(line.product_variant_id, line.quantity) for line in first.lines] == [(two.id, 2), (one.id, 1)]
    assert (first.lines[1].product_title, first.lines[1].sku) == ("Soup", one.sku)
    assert first.lines[1].unit_price == usd(199)
    assert first.HasField("expire_time")


async def test_other_lines_for_the_same_order_are_refused(staff: Catalogue, orders: Client) -> None:
    variant = await staff.on_sale(5)
    request = reserving((variant.id, 1))
    await orders.ReserveStock(request)

    with pytest.raises(FailedPrecondition, match="RESERVATION_DIFFERS"):
        await orders.ReserveStock(reserving((variant.id, 2), order_id=request.order_id))


async def test_a_request_id_belongs_to_one_body(staff: Catalogue, orders: Client) -> None:
    variant = await staff.on_sale(5)
    request = reserving((variant.id, 1))
    await orders.ReserveStock(request)
    request.lines[0].quantity = 2

    for order_id, quantity in ((request.order_id, 2), (cuid(), 2), (cuid(), 9)):
        request.order_id, request.lines[0].quantity = order_id, quantity
        with pytest.raises(InvalidArgument, match="REQUEST_ID_REUSED"):
            await orders.ReserveStock(request)

    assert (await staff.stock(variant.id)).quantity_reserved == 1


async def test_a_request_that_finds_its_stock_held_has_an_answer_of_its_own_kept(
    staff: Catalogue, orders: Client
) -> None:
    variant = await staff.on_sale(5)
    request = reserving((variant.id, 1))
    await orders.ReserveStock(request)
    again = reserving((variant.id, 1), order_id=request.order_id)

    first, *others = await asyncio.gather(*(orders.ReserveStock(again) for _ in range(5)))

    assert others == [first] * 4
    again.lines[0].quantity = 2
    with pytest.raises(InvalidArgument, match="REQUEST_ID_REUSED"):
        await orders.ReserveStock(again)


async def test_a_refusal_names_the_line_and_the_variant(staff: Catalogue, orders: Client) -> None:
    plenty, few = await staff.on_sale(5), await staff.on_sale(1)

    with pytest.raises(FailedPrecondition, match="INSUFFICIENT_STOCK") as refusal:
        await orders.ReserveStock(reserving((plenty.id, 1), (few.id, 2)))
    with pytest.raises(InvalidArgument, match="VARIANT_REPEATED"):
        await orders.ReserveStock(reserving((plenty.id, 1), (plenty.id, 2)))

    assert refusal.value.field == "lines[1].quantity"
    assert refusal.value.facts == {"product_variant_id": few.id, "available": "1", "requested": "2"}
    assert (await staff.stock(plenty.id)).quantity_reserved == 0


async def test_what_is_sold_is_gone(staff: Catalogue, orders: Client) -> None:
    variant = await staff.on_sale(5)
    request = reserving((variant.id, 2))
    await orders.ReserveStock(request)

    first = await orders.CommitReservation(committing(request.order_id))
    again = await orders.CommitReservation(committing(request.order_id))

    assert first == again and [line.state for line in first.lines] == [COMMITTED]
    stock = await staff.stock(variant.id)
    assert (stock.quantity_on_hand, stock.quantity_reserved, stock.quantity_available) == (3, 0, 3)


async def test_what_is_released_is_back(staff: Catalogue, orders: Client) -> None:
    variant = await staff.on_sale(5)
    request = reserving((variant.id, 2))
    await orders.ReserveStock(request)

    first = await orders.ReleaseReservation(releasing(request.order_id))
    again = await orders.ReleaseReservation(releasing(request.order_id))

    assert first == again and [line.state for line in first.lines] == [RELEASED]
    assert (await staff.stock(variant.id)).quantity_available == 5
    with pytest.raises(FailedPrecondition, match="RESERVATION_CLOSED"):
        await orders.CommitReservation(committing(request.order_id))


async def test_what_was_sold_and_is_released_is_on_hand_again(staff: Catalogue, orders: Client, outbox: Outbox) -> None:
    variant = await staff.on_sale(5)
    request = reserving((variant.id, 2))
    await orders.ReserveStock(request)
    await orders.CommitReservation(committing(request.order_id))

    first = await orders.ReleaseReservation(releasing(request.order_id))
    again = await orders.ReleaseReservation(releasing(request.order_id))
    sold = await orders.CommitReservation(committing(request.order_id))

    assert first == again == sold and [line.state for line in first.lines] == [COMMITTED]
    stock = await staff.stock(variant.id)
    assert (stock.quantity_on_hand, stock.quantity_reserved, stock.quantity_available) == (5, 0, 5)
    assert await outbox.actions(stock.id) == ["inventory.created", "inventory.adjusted", "inventory.restocked"]
    with pytest.raises(FailedPrecondition, match="RESERVATION_CLOSED"):
        await orders.ReserveStock(reserving((variant.id, 2), order_id=request.order_id))


@pytest.mark.parametrize("same", [False, True])
async def test_of_thirty_releases_at_once_one_puts_it_back(staff: Catalogue, orders: Client, same: bool) -> None:
    one, two = await staff.on_sale(5), await staff.on_sale(5)
    request = reserving((two.id, 1), (one.id, 2))
    await orders.ReserveStock(request)
    await orders.CommitReservation(committing(request.order_id))
    release = releasing(request.order_id)

    answers = await asyncio.gather(
        *(orders.ReleaseReservation(release if same else releasing(request.order_id)) for _ in range(30))
    )

    assert answers == [answers[0]] * 30
    assert [(await staff.stock(each.id)).quantity_on_hand for each in (one, two)] == [5, 5]


async def test_what_was_never_held_is_not_sold_and_may_be_released(staff: Catalogue, orders: Client) -> None:
    variant, order_id = await staff.on_sale(5), cuid()

    with pytest.raises(NotFound):
        await orders.CommitReservation(committing(order_id))
    assert not (await orders.ReleaseReservation(releasing(order_id))).lines
    with pytest.raises(FailedPrecondition, match="RESERVATION_CLOSED"):
        await orders.ReserveStock(reserving((variant.id, 1), order_id=order_id))


async def test_nobody_but_orders_reserves(staff: Catalogue, shop: Shop) -> None:
    variant = await staff.on_sale(5)

    with pytest.raises(LumiError) as outside:
        await staff.inventories.ReserveStock(reserving((variant.id, 1)))
    with pytest.raises(LumiError) as others:
        await shop.internal(InventoryServiceStub, service="marketing").ReserveStock(reserving((variant.id, 1)))
    request = reserving((variant.id, 1))
    request.request_id = ""
    with pytest.raises(InvalidArgument, match="REQUEST_ID_REQUIRED"):
        await shop.internal(InventoryServiceStub, service="orders").ReserveStock(request)

    assert (outside.value.code, others.value.code) == ("UNIMPLEMENTED", "PERMISSION_DENIED")
