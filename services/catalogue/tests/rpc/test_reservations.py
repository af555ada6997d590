"""What the orders service may do with stock, and what becomes of it when orders says nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from uuid import uuid4

import pytest
from lumi.catalogue.v1 import inventory_pb2 as pb
from lumi.catalogue.v1.inventory_pb2_grpc import InventoryServiceStub

from lumi_common.cuid import cuid
from lumi_common.errors import FailedPrecondition, InvalidArgument, LumiError, NotFound
from services.catalogue.tests.rpc.conftest import Catalogue, usd
from tests.kit.client import Client
from tests.kit.shop import Shop

HELD, COMMITTED, RELEASED, EXPIRED = (
    pb.STOCK_RESERVATION_STATE_HELD,
    pb.STOCK_RESERVATION_STATE_COMMITTED,
    pb.STOCK_RESERVATION_STATE_RELEASED,
    pb.STOCK_RESERVATION_STATE_EXPIRED,
)


def reserving(*lines: tuple[str, int], order_id: str = "") -> pb.ReserveStockRequest:
    return pb.ReserveStockRequest(
        order_id=order_id or cuid(),
        lines=[pb.StockLine(product_variant_id=id, quantity=quantity) for id, quantity in lines],
        request_id=str(uuid4()),
    )


def committing(order_id: str) -> pb.CommitReservationRequest:
    return pb.CommitReservationRequest(order_id=order_id, request_id=str(uuid4()))


def releasing(order_id: str) -> pb.ReleaseReservationRequest:
    return pb.ReleaseReservationRequest(order_id=order_id, request_id=str(uuid4()))


async def eventually(look: Callable[[], Awaitable[bool]], *, seconds: float = 15) -> None:
    end = monotonic() + seconds
    while not await look():
        assert monotonic() < end, "it never came to pass"
        await asyncio.sleep(0.05)


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

    with pytest.raises(LumiError) as other_lines:
        await orders.ReserveStock(request)
    request.order_id = cuid()
    with pytest.raises(InvalidArgument, match="REQUEST_ID_REUSED"):
        await orders.ReserveStock(request)

    assert other_lines.value.reason == "RESERVATION_DIFFERS"
    assert (await staff.stock(variant.id)).quantity_reserved == 1


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
    with pytest.raises(FailedPrecondition, match="RESERVATION_CLOSED"):
        await orders.ReleaseReservation(releasing(request.order_id))


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


async def test_a_reservation_past_its_time_without_an_order_expires(
    staff: Catalogue, orders: Client, shop: Shop
) -> None:
    variant = await staff.on_sale(5)
    request = reserving((variant.id, 2))
    await orders.ReserveStock(request)
    async with shop.database("catalogue") as database:
        await database.execute("update stock_reservations set expires_at = now() where order_id = $1", request.order_id)

    async def is_back() -> bool:
        return (await staff.stock(variant.id)).quantity_available == 5

    await eventually(is_back)
    released = await orders.ReleaseReservation(releasing(request.order_id))
    assert [line.state for line in released.lines] == [EXPIRED]


async def test_a_reservation_past_its_time_is_kept_while_its_order_lives(
    staff: Catalogue, orders: Client, shop: Shop
) -> None:
    variant = await staff.on_sale(5)
    request = reserving((variant.id, 2))
    await orders.ReserveStock(request)
    async with shop.database("orders") as database:
        await database.execute(
            "insert into orders (id, reference, total_amount, subtotal_amount, tax_amount, discount_amount, currency)"
            " values ($1, $2, 0, 0, 0, 0, 'USD')",
            request.order_id,
            request.order_id[-10:].upper(),
        )
    async with shop.database("catalogue") as database:
        await database.execute("update stock_reservations set expires_at = now() where order_id = $1", request.order_id)

        async def is_extended() -> bool:
            later: bool = await database.fetchval(
                "select expires_at > now() + interval '1 minute' from stock_reservations where order_id = $1",
                request.order_id,
            )
            return later

        await eventually(is_extended)
    assert (await staff.stock(variant.id)).quantity_reserved == 2


async def test_a_paid_order_is_heard_of_and_sold(staff: Catalogue, orders: Client, shop: Shop) -> None:
    variant = await staff.on_sale(5)
    request = reserving((variant.id, 2))
    await orders.ReserveStock(request)
    async with shop.database("orders") as database:
        await database.execute(
            "insert into outbox_events (aggregate, aggregate_id, version, type, records, headers)"
            " values ('Order', $1, 2, 'order.paid', '[]', '{}')",
            request.order_id,
        )

    async def is_sold() -> bool:
        return (await staff.stock(variant.id)).quantity_on_hand == 3

    await eventually(is_sold)
    assert (await staff.stock(variant.id)).quantity_reserved == 0
