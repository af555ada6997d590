"""The catalogue's clients in the shop: its staff, the orders service, and anybody."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from google.type.money_pb2 import Money
from lumi.catalogue.v1 import category_pb2, inventory_pb2, product_pb2, transfer_pb2, variant_pb2
from lumi.catalogue.v1.category_pb2_grpc import CategoryServiceStub
from lumi.catalogue.v1.inventory_pb2_grpc import InventoryServiceStub
from lumi.catalogue.v1.product_pb2_grpc import ProductServiceStub
from lumi.catalogue.v1.transfer_pb2_grpc import TransferServiceStub
from lumi.catalogue.v1.variant_pb2_grpc import VariantServiceStub

from lumi_common.cuid import cuid
from lumi_common.db.database import from_json
from services.catalogue.tests.invariants import broken
from tests.kit.client import Client
from tests.kit.shop import Shop

PERMISSIONS = ("products.write", "products.delete", "inventory.read", "inventory.adjust", "categories.write")


class Catalogue:
    """Every service of the catalogue in one caller's name, with makers for what tests need."""

    def __init__(self, shop: Shop, token: str = "") -> None:
        self.products: Client = shop.stub(ProductServiceStub, token)
        self.variants: Client = shop.stub(VariantServiceStub, token)
        self.inventories: Client = shop.stub(InventoryServiceStub, token)
        self.categories: Client = shop.stub(CategoryServiceStub, token)
        self.transfer: Client = shop.stub(TransferServiceStub, token)

    async def product(self, **facts: Any) -> product_pb2.Product:
        given = {"title": "Tomato soup", "slug": f"soup-{cuid()}", "price": usd(199)} | facts
        product: product_pb2.Product = await self.products.CreateProduct(
            product_pb2.CreateProductRequest(product=product_pb2.Product(**given))
        )
        return product

    async def variant(self, product_id: str = "", **facts: Any) -> variant_pb2.ProductVariant:
        product_id = product_id or (await self.product()).id
        given = {"title": "Tin", "sku": f"T-{cuid()}", "price": usd(199)} | facts
        variant: variant_pb2.ProductVariant = await self.variants.CreateVariant(
            variant_pb2.CreateVariantRequest(product_id=product_id, variant=variant_pb2.ProductVariant(**given))
        )
        return variant

    async def category(self, **facts: Any) -> category_pb2.Category:
        given = {"name": "Soups", "slug": f"soups-{cuid()}"} | facts
        category: category_pb2.Category = await self.categories.CreateCategory(
            category_pb2.CreateCategoryRequest(category=category_pb2.Category(**given))
        )
        return category

    async def on_sale(self, units: int, **facts: Any) -> variant_pb2.ProductVariant:
        """A variant of a published product with so many units."""
        product = await self.product(**facts)
        variant = await self.variant(product.id)
        await self.products.PublishProduct(product_pb2.PublishProductRequest(id=product.id))
        if units:
            await self.adjust(variant.id, units)
        return variant

    async def adjust(self, variant_id: str, delta: int, **facts: Any) -> inventory_pb2.Inventory:
        stock: inventory_pb2.Inventory = await self.inventories.AdjustInventory(
            inventory_pb2.AdjustInventoryRequest(
                product_variant_id=variant_id, delta=delta, **{"reason": "delivery"} | facts
            )
        )
        return stock

    async def stock(self, variant_id: str) -> inventory_pb2.Inventory:
        stock: inventory_pb2.Inventory = await self.inventories.GetInventory(
            inventory_pb2.GetInventoryRequest(product_variant_id=variant_id)
        )
        return stock

    async def bring_in(self, *rows: transfer_pb2.ProductRow, **facts: Any) -> transfer_pb2.ImportProductsResponse:
        answer: transfer_pb2.ImportProductsResponse = await self.transfer.ImportProducts(
            transfer_pb2.ImportProductsRequest(rows=rows, **facts)
        )
        return answer


def usd(cents: int) -> Money:
    return Money(currency_code="USD", units=cents // 100, nanos=cents % 100 * 10_000_000)


def reserving(*lines: tuple[str, int], order_id: str = "") -> inventory_pb2.ReserveStockRequest:
    return inventory_pb2.ReserveStockRequest(
        order_id=order_id or cuid(),
        lines=[inventory_pb2.StockLine(product_variant_id=id, quantity=quantity) for id, quantity in lines],
        request_id=str(uuid4()),
    )


def committing(order_id: str) -> inventory_pb2.CommitReservationRequest:
    return inventory_pb2.CommitReservationRequest(order_id=order_id, request_id=str(uuid4()))


def releasing(order_id: str) -> inventory_pb2.ReleaseReservationRequest:
    return inventory_pb2.ReleaseReservationRequest(order_id=order_id, request_id=str(uuid4()))


class Outbox:
    """What the catalogue told, read from its outbox."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    async def records(self, id: str) -> list[dict[str, Any]]:
        """Every record about this id, in order."""
        async with self._shop.database("catalogue") as database:
            rows = await database.fetch(
                "select r::text from outbox_events cross join jsonb_array_elements(records) r"
                " where r->>'id' = $1 order by seq",
                id,
            )
        return [from_json(row[0]) for row in rows]

    async def actions(self, id: str) -> list[str]:
        return [record["action"] for record in await self.records(id)]


@pytest.fixture
async def staff(shop: Shop) -> Catalogue:
    return Catalogue(shop, (await shop.user(*PERMISSIONS)).token)


@pytest.fixture
async def anybody(shop: Shop) -> Catalogue:
    return Catalogue(shop)


@pytest.fixture
async def outbox(shop: Shop) -> Outbox:
    return Outbox(shop)


@pytest.fixture
async def orders(shop: Shop) -> AsyncIterator[Client]:
    """What orders may do with stock; whatever became of it, the invariants hold."""
    yield shop.internal(InventoryServiceStub, service="orders")
    async with shop.database("catalogue") as database:
        assert await broken(database) == {}
