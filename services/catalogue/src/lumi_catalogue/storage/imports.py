"""Imports: what is there of all that the rows name, and the writing of what they come to, in chunks."""

from collections.abc import Collection, Iterator, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Text, bindparam, or_, select
from sqlalchemy.dialects.postgresql import ARRAY

from lumi_catalogue.domain.importing import Known, NewVariant, ProductRow, Taken, VariantRow
from lumi_catalogue.domain.product import InventoryPolicy, Product
from lumi_catalogue.domain.variant import Variant
from lumi_catalogue.storage.import_statements import CHANGE, CREATE
from lumi_catalogue.storage.products import READ
from lumi_catalogue.storage.tables import categories, inventories, product_variants, products
from lumi_catalogue.storage.variants import VariantRepository
from lumi_common.cuid import cuid
from lumi_common.db.database import Executor, to_json
from lumi_common.db.statement import Statement

# Records of one outbox row become one message, which is kept well below what brokers take.
CHUNK_ROWS = 250
CHUNK_BYTES = 256 * 1024

P = TypeVar("P", Product, Variant)

_p, _v = products.c, product_variants.c


def _names(name: str) -> ColumnElement[Any]:
    return bindparam(name, type_=ARRAY(Text)).any_()


_PRODUCTS = READ.where(or_(_p.slug == _names("slugs"), _p.sku == _names("skus"))).order_by(_p.id)
_READ_PRODUCTS, _LOCK_PRODUCTS = Statement(_PRODUCTS), Statement(_PRODUCTS.with_for_update(of=products))
_VARIANTS = Statement(
    select(*(_v[name] for name in VariantRepository._names)).where(
        or_(_v.sku == _names("skus"), (_v.product_id == _names("products")) & _v.is_primary)
    )
)
_STOCK = (
    select(_v.product_id, inventories.c.quantity_available)
    .join_from(inventories, product_variants, _v.id == inventories.c.product_variant_id)
    .where(_v.product_id == _names("products"))
    .order_by(inventories.c.product_variant_id)
)
_READ_STOCK, _LOCK_STOCK = Statement(_STOCK), Statement(_STOCK.with_for_update(of=inventories))
_CATEGORIES = Statement(select(categories.c.slug, categories.c.id).where(categories.c.slug == _names("slugs")))


async def load(on: Executor, rows: Sequence[ProductRow], *, lock: bool) -> Known:
    """What is there of all that the rows name; with `lock`, products are held until the transaction ends."""
    found = await on.fetch(
        _LOCK_PRODUCTS if lock else _READ_PRODUCTS,
        slugs=[row.slug for row in rows],
        skus=[row.sku for row in rows if row.sku is not None],
    )
    there = [Product(*row) for row in found]
    variants = await on.fetch(
        _VARIANTS,
        skus=[variant.sku for row in rows for variant in row.variants],
        products=[product.id for product in there],
    )
    slugs = {slug for row in rows for slug in row.category_slugs}
    known = await on.fetch(_CATEGORIES, slugs=list(slugs)) if slugs else []
    return Known(
        [_plain(product) for product in there],
        [_plain(Variant(*row)) for row in variants],
        {row["slug"]: row["id"] for row in known},
        await _backordered(on, rows, there, lock=lock),
    )


async def _backordered(
    on: Executor, rows: Sequence[ProductRow], there: Sequence[Product], *, lock: bool
) -> Collection[str]:
    """Of products that may be about to leave CONTINUE, those that sold more than there is.

    With `lock` nobody sells any of theirs until the policy has changed.
    """
    selling_on = [product.id for product in there if product.inventory_policy == InventoryPolicy.CONTINUE]
    if not selling_on or all(row.inventory_policy == InventoryPolicy.CONTINUE for row in rows):
        return ()
    stock = await on.fetch(_LOCK_STOCK if lock else _READ_STOCK, products=selling_on)
    return {row["product_id"] for row in stock if row["quantity_available"] < 0}


async def write(on: Executor, rows: Sequence[Taken]) -> None:
    """Write what the rows come to; of those that come to nothing, nothing."""
    import_id = cuid()
    for chunk in _chunks(rows):
        # Changes first: a primary variant that is to be replaced has to step back before the new one is made.
        if chunk.changes:
            await on.fetch(CHANGE, import_id=import_id, **chunk.changes.parameters())
        if chunk.creations:
            await on.fetch(CREATE, import_id=import_id, **chunk.creations.parameters())


class _Written:
    """The JSON texts of one statement's rows."""

    def __init__(self) -> None:
        self.products: list[str] = []
        self.variants: list[str] = []
        self.links: list[str] = []

    def __bool__(self) -> bool:
        return bool(self.products or self.variants)

    def parameters(self) -> dict[str, str]:
        return {
            "products": _array(self.products),
            "variants": _array(self.variants),
            "links": _array(self.links),
        }


class _Chunk:
    def __init__(self) -> None:
        self.creations, self.changes = _Written(), _Written()
        self.rows = self.bytes = 0

    @property
    def is_full(self) -> bool:
        return self.rows >= CHUNK_ROWS or self.bytes >= CHUNK_BYTES

    def add(self, taken: Taken) -> None:
        texts: list[str] = []
        written = self.creations if taken.is_new else self.changes
        if taken.is_new or taken.is_changed:
            texts.append(to_json(_product(taken)))
            written.products.append(texts[-1])
        for new in taken.new_variants:
            texts.append(to_json(_new_variant(new)))
            self.creations.variants.append(texts[-1])
        for changed in taken.changed_variants:
            texts.append(to_json(_variant(changed.id, changed.product_id, changed.row, changed.is_primary)))
            self.changes.variants.append(texts[-1])
        written.links += (to_json({"product_id": taken.product_id, "category_id": id}) for id in taken.new_category_ids)
        if texts:
            self.rows += 1
            self.bytes += sum(map(len, texts))


def _chunks(rows: Sequence[Taken]) -> Iterator[_Chunk]:
    chunk = _Chunk()
    for taken in rows:
        chunk.add(taken)
        if chunk.is_full:
            yield chunk
            chunk = _Chunk()
    yield chunk


def _product(taken: Taken) -> dict[str, Any]:
    row, price = taken.row, taken.row.price
    values = {
        "id": taken.product_id,
        "title": row.title,
        "slug": row.slug,
        "sku": row.sku,
        "description": row.description,
        "summary": row.summary,
        "status": taken.status,
        "price": price.amount,
        "compare_at_price": price.compare_at,
        "currency": price.currency,
        "inventory_policy": row.inventory_policy,
        "search_keywords": row.search_keywords,
        "attributes": row.attributes,
    }
    if taken.new_category_ids:
        values["old_category_ids"] = taken.old_category_ids
        values["category_ids"] = [*taken.old_category_ids, *taken.new_category_ids]
    return values


def _variant(id: str, product_id: str, row: VariantRow, is_primary: bool) -> dict[str, Any]:
    return {
        "id": id,
        "product_id": product_id,
        "title": row.title,
        "sku": row.sku,
        "price": row.price.amount,
        "compare_at_price": row.price.compare_at,
        "currency": row.price.currency,
        "attributes": row.attributes,
        "is_primary": is_primary,
        "position": row.position,
    }


def _new_variant(new: NewVariant) -> dict[str, Any]:
    return {
        **_variant(new.id, new.product_id, new.row, new.is_primary),
        "inventory_id": cuid(),
        "movement_id": cuid(),
        "initial_quantity": new.row.initial_quantity,
    }


def _array(texts: Sequence[str]) -> str:
    return f"[{','.join(texts)}]"


def _plain(entity: P) -> P:
    """The entity with the numbers of its attributes as they come over the wire, to be compared with a row's."""
    if entity.attributes:
        entity.attributes = {name: _number(value) for name, value in entity.attributes.items()}
    return entity


def _number(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    return [_number(each) for each in value] if isinstance(value, list) else value
