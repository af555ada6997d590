"""Stock changes with a reason, never below what is promised, and is told of each time."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from lumi.catalogue.v1 import inventory_pb2 as pb
from lumi.catalogue.v1 import product_pb2

from lumi_common.cuid import cuid
from lumi_common.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound
from services.catalogue.tests.rpc.conftest import Catalogue, Outbox, reserving
from tests.kit.client import Client
from tests.kit.shop import Shop


def counting(variant_id: str, on_hand: int, **facts: Any) -> pb.SetInventoryRequest:
    return pb.SetInventoryRequest(product_variant_id=variant_id, quantity_on_hand=on_hand, reason="count", **facts)


async def test_a_delivery_and_a_count_are_told_with_before_and_after(staff: Catalogue, outbox: Outbox) -> None:
    variant = await staff.variant()
    await staff.adjust(variant.id, 12)

    stock = await staff.inventories.SetInventory(counting(variant.id, 10, low_stock_threshold=3))

    assert stock == await staff.stock(variant.id)
    assert (stock.quantity_on_hand, stock.quantity_available, stock.low_stock_threshold) == (10, 10, 3)
    created, adjusted, counted = await outbox.records(stock.id)
    assert [each["action"] for each in (created, adjusted, counted)] == [
        "inventory.created", "inventory.adjusted", "inventory.set",
    ]  # fmt: skip
    assert adjusted["before"] == {"quantity_on_hand": 0, "quantity_available": 0}
    assert counted["after"] == {"quantity_on_hand": 10, "quantity_available": 10, "low_stock_threshold": 3}


async def test_the_movements_add_up_to_what_is_on_hand(staff: Catalogue, shop: Shop) -> None:
    variant = await staff.variant()
    await asyncio.gather(*(staff.adjust(variant.id, delta) for delta in (5, 7, 11)))
    await staff.inventories.SetInventory(counting(variant.id, 20))
    await staff.inventories.SetInventory(counting(variant.id, 20))

    async with shop.database("catalogue") as database:
        rows = await database.fetch(
            "select delta, reason from stock_movements where product_variant_id = $1", variant.id
        )
    assert sorted(tuple(row) for row in rows) == [(-3, "count"), (5, "delivery"), (7, "delivery"), (11, "delivery")]


async def test_what_is_reserved_is_not_taken_away(staff: Catalogue, orders: Client) -> None:
    variant = await staff.on_sale(5)
    await orders.ReserveStock(reserving((variant.id, 3)))

    with pytest.raises(FailedPrecondition, match="INSUFFICIENT_STOCK"):
        await staff.adjust(variant.id, -3)
    with pytest.raises(FailedPrecondition, match="INSUFFICIENT_STOCK"):
        await staff.inventories.SetInventory(counting(variant.id, 2))

    assert (await staff.stock(variant.id)).quantity_available == 2


async def test_backorders_may(staff: Catalogue, orders: Client) -> None:
    variant = await staff.on_sale(1, inventory_policy=product_pb2.INVENTORY_POLICY_CONTINUE)
    await orders.ReserveStock(reserving((variant.id, 3)))

    assert (await staff.adjust(variant.id, -1)).quantity_available == -3


async def test_a_count_of_old_shelves_is_refused_and_a_reservation_does_not_make_them_old(
    staff: Catalogue, orders: Client
) -> None:
    variant = await staff.on_sale(5)
    etag = (await staff.stock(variant.id)).etag
    await orders.ReserveStock(reserving((variant.id, 1)))

    await staff.inventories.SetInventory(counting(variant.id, 4, etag=etag))
    with pytest.raises(Aborted, match="ETAG_MISMATCH"):
        await staff.inventories.SetInventory(counting(variant.id, 3, etag=etag))


async def test_a_repeated_adjustment_is_made_once(staff: Catalogue) -> None:
    variant, request_id = await staff.variant(), str(uuid4())

    first, second = await asyncio.gather(*(staff.adjust(variant.id, 5, request_id=request_id) for _ in range(2)))

    assert first == second and (await staff.stock(variant.id)).quantity_on_hand == 5


async def test_bad_adjustments_are_refused(staff: Catalogue) -> None:
    with pytest.raises(NotFound):
        await staff.adjust(cuid(), 1)
    with pytest.raises(InvalidArgument) as nothing:
        await staff.adjust(cuid(), 0)
    with pytest.raises(InvalidArgument) as unexplained:
        await staff.adjust(cuid(), 1, reason="")

    assert (nothing.value.field, unexplained.value.field) == ("delta", "reason")
