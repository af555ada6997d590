"""What staff delete, and what is left of it."""

from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from lumi.catalogue.v1 import product_pb2, variant_pb2

from lumi_common.cuid import cuid
from lumi_common.errors import LumiError
from services.catalogue.tests.rpc.conftest import Catalogue
from tests.kit.shop import Shop


async def delete_product(staff: Catalogue, id: str, **facts: Any) -> product_pb2.Product:
    product: product_pb2.Product = await staff.products.DeleteProduct(product_pb2.DeleteProductRequest(id=id, **facts))
    return product


async def undelete_product(staff: Catalogue, id: str, **facts: Any) -> product_pb2.Product:
    request = product_pb2.UndeleteProductRequest(id=id, **facts)
    product: product_pb2.Product = await staff.products.UndeleteProduct(request)
    return product


async def purge_product(staff: Catalogue, id: str, **facts: Any) -> None:
    await staff.products.PurgeProduct(product_pb2.PurgeProductRequest(id=id, **facts))


async def delete_variant(staff: Catalogue, id: str, **facts: Any) -> None:
    await staff.variants.DeleteVariant(variant_pb2.DeleteVariantRequest(id=id, **facts))


async def product_of(staff: Catalogue, id: str) -> product_pb2.Product:
    product: product_pb2.Product = await staff.products.GetProduct(product_pb2.GetProductRequest(id=id))
    return product


async def listed(staff: Catalogue, product_id: str) -> dict[str, bool]:
    """The ids of a product's variants, and whether each is the primary one."""
    page = await staff.variants.ListVariants(variant_pb2.ListVariantsRequest(product_id=product_id))
    return {variant.id: variant.is_primary for variant in page.variants}


async def rows(shop: Shop, table: str, **where: str) -> int:
    """How many rows of the catalogue there are with these values."""
    terms = " and ".join(f"{name} = ${number}" for number, name in enumerate(where, 1))
    async with shop.database("catalogue") as database:
        count: int = await database.fetchval(f"select count(*) from {table} where {terms}", *where.values())
    return count


async def gone(shop: Shop, *ids: str) -> dict[str, bool]:
    """What orders has heard of these ids, and whether it holds them for gone."""
    async with shop.database("orders") as database:
        found = await database.fetch("select id, gone_at from reference_targets where id = any($1)", list(ids))
    return {row["id"]: row["gone_at"] is not None for row in found}


async def write_review(shop: Shop, product_id: str) -> str:
    id = cuid()
    async with shop.database("catalogue") as database:
        await database.execute(
            "insert into reviews (id, product_id, user_id, rating, title) values ($1, $2, $3, 5, 'Very good')",
            id, product_id, cuid(),
        )  # fmt: skip
    return id


@asynccontextmanager
async def once_fenced(shop: Shop, meanwhile: Callable[[], Awaitable[Any]]) -> Any:
    """What happens when the services that refer to it have agreed and nothing is deleted yet."""
    deletions = shop.runtimes["catalogue"].deletions
    fence = deletions._fence

    async def and_then(*args: Any) -> None:
        await fence(*args)
        await meanwhile()

    deletions._fence = and_then  # type: ignore[method-assign]
    try:
        yield
    finally:
        deletions._fence = fence  # type: ignore[method-assign]


async def refused(call: Awaitable[Any]) -> LumiError:
    with pytest.raises(LumiError) as refusal:
        await call
    return refusal.value
