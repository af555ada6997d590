"""The SQL of imports: what is there of all that the rows name, and many rows written at once."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from sqlalchemy import (
    CTE,
    Integer,
    Text,
    bindparam,
    case,
    cast,
    column,
    func,
    literal_column,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON, JSONB, insert
from sqlalchemy.types import TypeEngine

from lumi_catalogue.domain.importing import Known, NewVariant, ProductRow, Taken, VariantRow
from lumi_catalogue.domain.product import Product
from lumi_catalogue.domain.variant import Variant
from lumi_catalogue.storage.products import READ
from lumi_catalogue.storage.tables import (
    INVENTORY,
    PRODUCT,
    VARIANT,
    categories,
    common,
    inventories,
    product_categories,
    product_variants,
    products,
    stock_movements,
)
from lumi_catalogue.storage.variants import VariantRepository
from lumi_common.cuid import cuid
from lumi_common.db.database import Executor, to_json
from lumi_common.db.record import Change
from lumi_common.db.statement import Statement

# Records of one outbox row become one message, which is kept well below what brokers take.
CHUNK_ROWS = 250
CHUNK_BYTES = 256 * 1024

P = TypeVar("P", Product, Variant)

_p, _v, _i = products.c, product_variants.c, inventories.c

_OF_PRODUCT = (
    "title", "slug", "sku", "description", "summary", "status", "price", "compare_at_price", "currency",
    "inventory_policy", "search_keywords", "attributes",
)  # fmt: skip
_OF_VARIANT = ("title", "price", "compare_at_price", "currency", "attributes", "is_primary", "position")


def _names(name: str) -> Any:
    return bindparam(name, type_=ARRAY(Text)).any_()


_PRODUCTS = READ.where(or_(_p.slug == _names("slugs"), _p.sku == _names("skus"))).order_by(_p.id)
_READ_PRODUCTS, _LOCK_PRODUCTS = Statement(_PRODUCTS), Statement(_PRODUCTS.with_for_update(of=products))
_VARIANTS = Statement(
    select(*(_v[name] for name in VariantRepository._names)).where(
        or_(_v.sku == _names("skus"), (_v.product_id == _names("products")) & _v.is_primary)
    )
)
_CATEGORIES = Statement(select(categories.c.slug, categories.c.id).where(categories.c.slug == _names("slugs")))


def _rows(name: str, **columns: TypeEngine[Any]) -> CTE:
    """A parameter with a JSON array of objects, as rows."""
    told = func.json_to_recordset(cast(bindparam(name, type_=Text), JSON)).table_valued(
        *(column(each, type_) for each, type_ in columns.items())
    )
    return select(told.render_derived(name=f"{name}_told", with_types=True)).cte(f"{name}_row")


_product_row = _rows(
    "products",
    id=Text(),
    **{name: _p[name].type for name in _OF_PRODUCT},
    old_category_ids=JSONB(),
    category_ids=JSONB(),
)
_variant_row = _rows(
    "variants",
    id=Text(),
    product_id=Text(),
    sku=Text(),
    **{name: _v[name].type for name in _OF_VARIANT},
    inventory_id=Text(),
    movement_id=Text(),
    initial_quantity=Integer(),
)
_link_row = _rows("links", product_id=Text(), category_id=Text())
_links = (
    insert(product_categories)
    .from_select(["product_id", "category_id"], select(_link_row))
    .on_conflict_do_nothing()
    .cte("links")
)


def _create() -> Statement:
    row = _product_row.c
    product = PRODUCT.change(
        insert(products).from_select(["id", *_OF_PRODUCT], select(row.id, *(row[name] for name in _OF_PRODUCT))),
        "product.created",
        name="product",
    )
    row = _variant_row.c
    variant = VARIANT.change(
        insert(product_variants).from_select(
            ["id", "product_id", "sku", *_OF_VARIANT],
            select(row.id, row.product_id, row.sku, *(row[name] for name in _OF_VARIANT)),
        ),
        "product_variant.created",
        name="variant",
    )
    quantity = row.initial_quantity
    stock = INVENTORY.change(
        insert(inventories).from_select(
            ["id", "product_variant_id", "quantity_on_hand", "quantity_available"],
            select(row.inventory_id, row.id, quantity, quantity),
        ),
        "inventory.created",
        name="stock",
    )
    moved = (
        insert(stock_movements)
        .from_select(
            ["id", "product_variant_id", "delta", "reason"],
            select(row.movement_id, row.id, quantity, literal_column("'imported'")).where(quantity > 0),
        )
        .cte("moved")
    )
    return _told([_with_categories(product), variant, stock], [moved, _links])


def _change() -> Statement:
    row = _product_row.c
    product = PRODUCT.change(
        update(products)
        .where(_p.id == row.id)
        .values({name: row[name] for name in _OF_PRODUCT})
        .values(version=_p.version + 1, updated_at=func.now()),
        "product.updated",
        name="product",
    )
    row = _variant_row.c
    # Every row is there already. An insert, for its order: the old primary steps back before the new one comes.
    new = insert(product_variants).from_select(
        ["id", "product_id", "sku", *_OF_VARIANT],
        select(row.id, row.product_id, row.sku, *(row[name] for name in _OF_VARIANT)).order_by(row.is_primary, row.id),
    )
    variant = VARIANT.change(
        new.on_conflict_do_update(
            index_elements=[_v.id],
            set_={name: new.excluded[name] for name in _OF_VARIANT}
            | {"version": _v.version + 1, "updated_at": func.now()},
        ),
        "product_variant.updated",
        name="variant",
    )
    return _told([_with_categories(product), variant], [_links])


def _with_categories(product: Change) -> Change:
    """The product's records with its categories, where they change: they belong to it."""
    row, changed = _product_row.c, product.cte.c
    before = func.jsonb_set(changed.record, literal_column("'{before,category_ids}'::text[]"), row.old_category_ids)
    both = func.jsonb_set(before, literal_column("'{after,category_ids}'::text[]"), row.category_ids)
    told = case((row.category_ids.is_(None), changed.record), else_=both)
    cte = select(told.label("record")).join_from(product.cte, _product_row, changed.id == row.id).cte("told")
    return Change(product.aggregate, cte, product.action)


def _told(changes: Sequence[Change], parts: Sequence[CTE]) -> Statement:
    """The changes with one outbox row for all: the call is its root, for it may be that no product changed."""
    records = union_all(*(select(change.cte.c.record) for change in changes)).subquery("records")
    told = select(func.jsonb_agg(records.c.record).label("records")).subquery("told")
    drawn = (
        select(literal_column("nextval('catalogue.outbox_events_seq_seq')").label("seq"), told.c.records)
        .where(told.c.records.is_not(None))
        .subquery("drawn")
    )
    outbox = (
        insert(common.outbox)
        .from_select(
            ["seq", "aggregate", "aggregate_id", "version", "type", "records", "headers"],
            select(
                drawn.c.seq,
                literal_column("'ProductImport'"),
                bindparam("import_id", type_=Text),
                drawn.c.seq,
                literal_column("'product.imported'"),
                drawn.c.records,
                cast(bindparam("headers", type_=Text), JSONB),
            ),
        )
        .cte("outbox")
    )
    return Statement(select(literal_column("1")).add_cte(*parts, outbox), writes_outbox=True)


_CREATE, _CHANGE = _create(), _change()


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
    )


async def write(on: Executor, rows: Sequence[Taken]) -> None:
    """Write what the rows come to; of those that come to nothing, nothing."""
    import_id = cuid()
    for chunk in _chunks(rows):
        # Changes first: a primary variant that is to be replaced has to step back before the new one is made.
        if chunk.changes:
            await on.fetch(_CHANGE, import_id=import_id, **chunk.changes.parameters())
        if chunk.creations:
            await on.fetch(_CREATE, import_id=import_id, **chunk.creations.parameters())


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
