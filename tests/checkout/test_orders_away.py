"""While orders does not answer nothing that is past its time is released, and once it does what it says is done."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from lumi.catalogue.v1 import inventory_pb2
from lumi.catalogue.v1.inventory_pb2_grpc import InventoryServiceStub

from lumi_common.cuid import cuid
from lumi_common.errors import FailedPrecondition
from services.orders.tests.rpc.books import GIVEN_UP, WAITING, Sale, sell, sold
from tests.checkout.conftest import Town
from tests.kit.buying import request_id
from tests.kit.waiting import until

PERIODIC = "periodic work failed"
EXPIRY = "reservations past their time"


@asynccontextmanager
async def silent(town: Town) -> AsyncIterator[None]:
    """Orders answers nobody, for its database does not answer it."""
    async with town.shop.database("orders") as database, database.transaction():
        await database.execute("lock table orders, checkouts in access exclusive mode")
        yield


async def asked_in_vain(caplog: pytest.LogCaptureFixture, times: int = 1) -> None:
    """Wait until catalogue has asked orders so many times, each for its five seconds, and was not answered."""

    async def often() -> bool:
        return (
            sum(record.message == PERIODIC and getattr(record, "work", "") == EXPIRY for record in caplog.records)
            >= times
        )

    await until(often, "catalogue asked orders in vain")


async def expect_held(sale: Sale) -> None:
    """The sale's stock is promised, past its time, and to nobody else."""
    async with sale.floor.shop.database("catalogue") as database:
        held = await database.fetchrow(
            "select state::text, expires_at < now() from stock_reservations where order_id = $1", sale.id
        )
    assert tuple(held) == ("HELD", True)
    assert (await sale.floor.shelf.stock(sale.variant)) == (5, 2)
    other = inventory_pb2.ReserveStockRequest(
        order_id=cuid(),
        lines=[inventory_pb2.StockLine(product_variant_id=sale.variant, quantity=4)],
        request_id=request_id(),
    )
    with pytest.raises(FailedPrecondition, match="INSUFFICIENT_STOCK") as refused:
        await sale.floor.shop.internal(InventoryServiceStub, service="orders").ReserveStock(other)
    assert refused.value.facts["available"] == "3"


async def test_what_is_past_its_time_is_held_until_orders_answers(town: Town, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    paid_later, given_up = await sell(town.by_hand), await sell(town.by_hand)
    caplog.clear()

    async with silent(town):
        await asked_in_vain(caplog)

        for sale in (paid_later, given_up):
            await expect_held(sale)

    await paid_later.record()
    await paid_later.expect(sold("PAID"))
    await given_up.expect(WAITING)
    await given_up.cancel()
    await given_up.expect(GIVEN_UP)
