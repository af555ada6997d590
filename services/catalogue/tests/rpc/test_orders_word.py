"""What becomes of stock that an order holds follows from what orders says of the order, sooner or later."""

from typing import Any

import pytest
from lumi.catalogue.v1 import inventory_pb2 as pb
from lumi.orders.v1 import order_pb2
from lumi.orders.v1.order_pb2_grpc import OrderServiceStub

from lumi_common.cuid import cuid
from services.catalogue.tests.rpc.conftest import Catalogue, releasing, reserving
from tests.kit.client import Client
from tests.kit.shop import Shop
from tests.kit.waiting import until

LIVE = ["PENDING", "PAID", "FULFILLED", "SHIPPED", "DELIVERED"]
MILESTONES = {"PAID": "placed", "FULFILLED": "fulfilled", "SHIPPED": "shipped", "DELIVERED": "delivered"}


async def write_order(shop: Shop, order_id: str, status: str) -> None:
    """An order as orders would have it, without lines: nothing else of it matters here."""
    values: dict[str, Any] = {"id": order_id, "reference": order_id[-10:].upper(), "status": status, "currency": "USD"}
    values |= dict.fromkeys(("total_amount", "subtotal_amount", "tax_amount", "discount_amount"), 0)
    async with shop.database("orders") as database:
        now = await database.fetchval("select now()")
        reached = LIVE[1 : LIVE.index(status) + 1] if status in LIVE else []
        values |= {f"{MILESTONES[each]}_at": now for each in reached}
        if status == "CANCELLED":
            values["cancelled_at"] = now
        places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
        await database.execute(f"insert into orders ({', '.join(values)}) values ({places})", *values.values())


async def tell_paid(shop: Shop, order_id: str) -> None:
    """As the relay of orders finds it."""
    async with shop.database("orders") as database:
        await database.execute(
            "insert into outbox_events (aggregate, aggregate_id, version, type, records, headers)"
            " values ('Order', $1, 2, 'order.paid', '[]', '{}')",
            order_id,
        )


async def until_heard(shop: Shop, order_id: str) -> None:
    """Until catalogue has dealt with the event, one way or the other."""
    async with shop.database("orders") as database:
        event_id = await database.fetchval("select id from outbox_events where aggregate_id = $1", order_id)
    async with shop.database("catalogue") as database:

        async def is_heard() -> bool:
            heard: bool = await database.fetchval(
                "select exists(select from inbox_events where event_id = $1)", event_id
            )
            return heard

        await until(is_heard, "order.paid is heard of")
        assert not await database.fetchval("select count(*) from dead_letters where event_id = $1", str(event_id))


async def held_past_its_time(shop: Shop, staff: Catalogue, orders: Client, status: str) -> tuple[str, str]:
    """Two units of a variant of five, for an order in this state (or none); ids of order and variant."""
    variant, request = await staff.on_sale(5), None
    request = reserving((variant.id, 2))
    await orders.ReserveStock(request)
    if status:
        await write_order(shop, request.order_id, status)
    async with shop.database("catalogue") as database:
        await database.execute("update stock_reservations set expires_at = now() where order_id = $1", request.order_id)
    return request.order_id, variant.id


@pytest.mark.parametrize("status", LIVE)
async def test_stock_is_held_on_while_its_order_lives(
    shop: Shop, staff: Catalogue, orders: Client, status: str
) -> None:
    order_id, variant_id = await held_past_its_time(shop, staff, orders, status)

    async with shop.database("catalogue") as database:

        async def is_held_on() -> bool:
            later: bool = await database.fetchval(
                "select expires_at > now() + interval '1 minute' from stock_reservations where order_id = $1", order_id
            )
            return later

        await until(is_held_on, "it is held on")
    assert (await staff.stock(variant_id)).quantity_reserved == 2


@pytest.mark.parametrize("status", ["", "CANCELLED"])
async def test_stock_of_an_order_that_is_not_or_was_cancelled_is_back_after_its_time(
    shop: Shop, staff: Catalogue, orders: Client, status: str
) -> None:
    order_id, variant_id = await held_past_its_time(shop, staff, orders, status)

    async def is_back() -> bool:
        return (await staff.stock(variant_id)).quantity_available == 5

    await until(is_back, "what was held is back")
    released = await orders.ReleaseReservation(releasing(order_id))
    assert [line.state for line in released.lines] == [pb.STOCK_RESERVATION_STATE_EXPIRED]


async def test_orders_calls_every_order_that_is_not_cancelled_live(shop: Shop) -> None:
    ids = {status: cuid() for status in (*LIVE, "CANCELLED", "")}
    for status in (*LIVE, "CANCELLED"):
        await write_order(shop, ids[status], status)

    answer = await shop.internal(OrderServiceStub, service="catalogue").BatchGetOrderStates(
        order_pb2.BatchGetOrderStatesRequest(ids=ids.values())
    )

    told = {state.order_id: state.standing for state in answer.states}
    assert {told[ids[status]] for status in LIVE} == {order_pb2.ORDER_STANDING_LIVE}
    assert told[ids["CANCELLED"]] == told[ids[""]] == order_pb2.ORDER_STANDING_GONE


async def test_a_paid_order_is_heard_of_and_sold(staff: Catalogue, orders: Client, shop: Shop) -> None:
    variant = await staff.on_sale(5)
    request = reserving((variant.id, 2))
    await orders.ReserveStock(request)
    await tell_paid(shop, request.order_id)

    async def is_sold() -> bool:
        return (await staff.stock(variant.id)).quantity_on_hand == 3

    await until(is_sold, "what was held is sold")
    assert (await staff.stock(variant.id)).quantity_reserved == 0


async def test_an_order_cancelled_after_its_payment_was_heard_of_is_restocked_and_that_is_filed(
    staff: Catalogue, orders: Client, shop: Shop
) -> None:
    variant = await staff.on_sale(5)
    request = reserving((variant.id, 2))
    await orders.ReserveStock(request)
    await tell_paid(shop, request.order_id)
    await until_heard(shop, request.order_id)

    await orders.ReleaseReservation(releasing(request.order_id))

    stock = await staff.stock(variant.id)
    assert (stock.quantity_on_hand, stock.quantity_reserved, stock.quantity_available) == (5, 0, 5)
    async with shop.database("identity") as database:

        async def is_filed() -> bool:
            filed: int = await database.fetchval(
                "select count(*) from audit_logs where entity = 'Inventory' and entity_id = $1"
                " and action = 'inventory.restocked' and after ->> 'quantity_on_hand' = '5'",
                stock.id,
            )
            return filed == 1

        await until(is_filed, "the restock is filed")


async def test_an_order_cancelled_before_its_payment_was_heard_of_is_not_sold(
    staff: Catalogue, orders: Client, shop: Shop
) -> None:
    variant = await staff.on_sale(5)
    request = reserving((variant.id, 2))
    await orders.ReserveStock(request)
    released = await orders.ReleaseReservation(releasing(request.order_id))

    await tell_paid(shop, request.order_id)
    await until_heard(shop, request.order_id)

    assert [line.state for line in released.lines] == [pb.STOCK_RESERVATION_STATE_RELEASED]
    stock = await staff.stock(variant.id)
    assert (stock.quantity_on_hand, stock.quantity_reserved, stock.quantity_available) == (5, 0, 5)
