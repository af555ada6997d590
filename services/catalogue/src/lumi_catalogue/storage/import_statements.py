"""The two statements of an import: many rows made, many rows changed, each told in one outbox row."""

from collections.abc import Sequence
from typing import Any

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
    select,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB, insert
from sqlalchemy.types import TypeEngine

from lumi_catalogue.storage.tables import (
    INVENTORY,
    PRODUCT,
    VARIANT,
    common,
    inventories,
    product_categories,
    product_variants,
    products,
    stock_movements,
)
from lumi_common.db.record import Change
from lumi_common.db.statement import Statement

_p, _v, _i = products.c, product_variants.c, inventories.c

_OF_PRODUCT = (
    "title", "slug", "sku", "description", "summary", "status", "price", "compare_at_price", "currency",
    "inventory_policy", "search_keywords", "attributes",
)  # fmt: skip
_OF_VARIANT = ("title", "price", "compare_at_price", "currency", "attributes", "is_primary", "position")


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


CREATE, CHANGE = _create(), _change()
