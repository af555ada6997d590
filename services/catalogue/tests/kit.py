"""What tests of the catalogue's storage stand on: products and stock made by the code under test."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from lumi.catalogue.v1.inventory_pb2 import ReserveStockResponse

from lumi_catalogue.api import convert
from lumi_catalogue.domain.product import InventoryPolicy, Product, ProductStatus
from lumi_catalogue.domain.reservation import Line
from lumi_catalogue.domain.variant import Variant
from lumi_catalogue.storage import endings, inventories, variants
from lumi_catalogue.storage.products import ProductRepository
from lumi_catalogue.workflows.reservation import Asked, Reservations
from lumi_common.clock import utc_now
from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from tests.kit.waiting import until

STAFF = Context.system("a test")


def a_product(**facts: Any) -> Product:
    id, now = cuid(), utc_now()
    given: dict[str, Any] = {
        "id": id, "title": "Tomato soup", "slug": f"tomato-soup-{id}", "sku": None, "description": None,
        "summary": None, "status": ProductStatus.ACTIVE, "price": Decimal("1.99"), "compare_at_price": None,
        "currency": "USD", "inventory_policy": InventoryPolicy.TRACK, "search_keywords": [], "attributes": None,
        "version": 1, "created_at": now, "updated_at": now,
    }  # fmt: skip
    return Product(**given | facts)


def a_variant(product: Product, **facts: Any) -> Variant:
    id, now = cuid(), utc_now()
    given: dict[str, Any] = {
        "id": id, "product_id": product.id, "title": "Tin", "sku": f"T-{id}", "price": Decimal("1.99"),
        "compare_at_price": None, "currency": "USD", "attributes": {"size": "400 g"}, "is_primary": False,
        "position": 0, "version": 1, "created_at": now, "updated_at": now,
    }  # fmt: skip
    return Variant(**given | facts)


@dataclass(frozen=True)
class Counters:
    on_hand: int
    reserved: int
    available: int


class Shelf:
    """The stock of variants, as a test talks of it."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def put(self, units: int = 0, **facts: Any) -> str:
        """A new variant of a new ACTIVE product with so many units; facts are the product's."""
        product = await ProductRepository(self._db.on(STAFF)).insert(a_product(**facts), "product.created")
        variant = a_variant(product, is_primary=True)
        async with self._db.transaction(STAFF) as tx:
            await variants.create(tx, variant)
            if units:
                inventory, policy = await inventories.lock(tx, variant.id)
                inventory.adjust(units, policy)
                await inventories.save(tx, inventory, "inventory.adjusted", delta=units, reason="delivery")
        return variant.id

    async def of(self, variant_id: str) -> Counters:
        stock = await inventories.get(self._db, variant_id)
        return Counters(stock.quantity_on_hand, stock.quantity_reserved, stock.quantity_available)

    async def outbox(self, aggregate_id: str) -> list[Any]:
        """The outbox rows of an aggregate, in order."""
        rows: list[Any] = await self._db.pool.fetch(
            "select * from outbox_events where aggregate_id = $1 order by seq", aggregate_id
        )
        return rows

    async def movements(self, variant_id: str) -> list[tuple[int, str]]:
        rows = await self._db.pool.fetch(
            "select delta, reason from stock_movements where product_variant_id = $1 order by created_at", variant_id
        )
        return [(row["delta"], row["reason"]) for row in rows]


async def outcomes(*calls: Any) -> list[Any]:
    """Everybody at once: answers and refusals."""
    return await asyncio.gather(*calls, return_exceptions=True)


async def commit(db: Database, order_id: str) -> None:
    await endings.commit(db.on(STAFF), order_id)


async def release(db: Database, order_id: str) -> None:
    async with db.transaction(STAFF) as tx:
        await endings.release(tx, order_id)


async def until_somebody_waits(db: Database) -> None:
    """For a lock, as whoever comes second does."""

    async def waits() -> bool:
        waiting: bool = await db.pool.fetchval(
            "select exists(select from pg_stat_activity"
            " where wait_event_type = 'Lock' and datname = current_database())"
        )
        return waiting

    await until(waits, "somebody waits for a lock")


def a_desk(db: Database, *, hold: timedelta = timedelta(minutes=15)) -> Reservations[Asked, ReserveStockResponse]:
    return Reservations(
        db,
        utc_now,
        hold=hold,
        read=lambda asked: asked,
        encode=convert.reservation_to_response,
        decode=ReserveStockResponse.FromString,
    )


def asking(context: Context, *lines: tuple[str, int], order: str = "", request: str = "") -> Asked:
    return Asked(order or cuid(), [Line(*line) for line in lines], context, request, b"body")
