"""The SQL of what goes for good: a variant, a product, a category, each with all that goes with it."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Text, bindparam, delete, func, literal_column, select, true, update
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from lumi_catalogue.domain.product import expect
from lumi_catalogue.domain.reservation import ReservationState
from lumi_catalogue.domain.variant import Variant
from lumi_catalogue.storage.categories import CategoryRepository
from lumi_catalogue.storage.references import AGGREGATES
from lumi_catalogue.storage.tables import (
    CATEGORY,
    PRODUCT,
    VARIANT,
    common,
    in_state,
    inventories,
    product_categories,
    product_variants,
    products,
    stock_reservations,
)
from lumi_catalogue.storage.variants import VariantRepository
from lumi_common.db.database import Executor
from lumi_common.db.record import Change, recorded
from lumi_common.db.removal import ROWS_AT_ONCE, in_parts, removal
from lumi_common.db.statement import Statement
from lumi_common.errors import FailedPrecondition
from lumi_common.errors import Reason as CommonReason

_v, _p, _i, _r, _link = product_variants.c, products.c, inventories.c, stock_reservations.c, product_categories.c
_id, _ids = bindparam("id", type_=Text), bindparam("ids", type_=ARRAY(Text))

VARIANTS, PRODUCTS = "catalogue.product_variants", "catalogue.products"

_IDS = select(_v.id).where(_v.product_id == _id).order_by(_v.id)
_OF_PRODUCT, _LOCK_OF_PRODUCT = Statement(_IDS), Statement(_IDS.with_for_update())
# Before its variant, as whoever reserves does: in their order too.
_LOCK_STOCK = Statement(
    select(_i.id).where(_i.product_variant_id == _ids.any_()).order_by(_i.product_variant_id).with_for_update()
)
_OPEN = Statement(
    select(_r.product_variant_id)
    .where(_r.product_variant_id == _ids.any_(), _r.state == in_state(ReservationState.HELD))
    .limit(literal_column("1"))
)
_REMOVE_VARIANT = removal(common, VARIANT, "product_variant.deleted", AGGREGATES)
_REMOVE_PRODUCT = removal(common, PRODUCT, "product.purged", AGGREGATES)
_REMOVE_CATEGORY = removal(common, CATEGORY, "category.deleted", AGGREGATES)

_first = select(_v.id).where(_v.product_id == _id).order_by(_v.position, _v.id).limit(literal_column("1"))
_STEP_FORWARD = recorded(
    common,
    VARIANT.change(
        update(product_variants)
        .where(_v.id == _first.scalar_subquery())
        .values(is_primary=true(), version=_v.version + 1, updated_at=func.now()),
        "product_variant.updated",
    ),
)

_LOCK_IN_CATEGORY = Statement(
    select(_p.id)
    .join(product_categories, _link.product_id == _p.id)
    .where(_link.category_id == _id)
    .order_by(_p.id)
    .with_for_update(of=products, key_share=True)
)


def _leave_category() -> Statement:
    """Some of a category's products leave it, each told with the categories that it stood and stands in."""
    leaving = select(_link.product_id).where(_link.category_id == _id).order_by(_link.product_id)
    product = PRODUCT.change(
        update(products)
        .where(_p.id.in_(leaving.limit(literal_column(str(ROWS_AT_ONCE)))))
        .values(version=_p.version + 1, updated_at=func.now()),
        "product.updated",
    )
    changed = product.cte.c

    def categories(*conditions: Any) -> Any:
        ids = select(_link.category_id).where(_link.product_id == changed.id, *conditions).order_by(_link.category_id)
        return func.jsonb_build_object(
            literal_column("'category_ids'"), func.to_jsonb(func.array(ids.scalar_subquery())), type_=JSONB
        )

    record = changed.record.op("||")(
        func.jsonb_build_object(
            literal_column("'before'"), categories(), literal_column("'after'"), categories(_link.category_id != _id)
        )
    )
    columns = [column for column in changed if column.name != "record"]
    told = Change(PRODUCT, select(*columns, record.label("record")).cte("told"), product.action)
    left = delete(product_categories).where(_link.category_id == _id, _link.product_id == changed.id).cte("links")
    return recorded(common, told, parts=[left], batch=True)


_LEAVE_CATEGORY = _leave_category()


async def variants_of(on: Executor, product_id: str) -> list[str]:
    """The ids of a product's variants."""
    return [row["id"] for row in await on.fetch(_OF_PRODUCT, id=product_id)]


async def check_not_held(on: Executor, variant_ids: Collection[str]) -> None:
    """Raises FailedPrecondition where stock of one of these is held for an order."""
    held = await on.fetchval(_OPEN, ids=list(variant_ids))
    if held is not None:
        raise FailedPrecondition(
            CommonReason.REFERENCED,
            "stock of it is held for an order",
            reference="catalogue.stock_reservations.product_variant_id",
            target=VARIANTS,
            id=held,
        )


async def lock_variants(on: Executor, product_id: str) -> list[str]:
    """The ids of a locked product's variants, held with their stock: nothing of them can be reserved any more."""
    ids = await variants_of(on, product_id)
    await on.fetch(_LOCK_STOCK, ids=ids)
    return [row["id"] for row in await on.fetch(_LOCK_OF_PRODUCT, id=product_id)]


async def remove_product(on: Executor, id: str) -> None:
    """Remove a locked product whose variants are locked, with all that is its."""
    await on.fetch(_REMOVE_PRODUCT, id=id)


async def remove_variant(on: Executor, id: str, etag: str) -> None:
    """Remove a variant of a locked product; raises NotFound, Aborted, FailedPrecondition where its stock is held."""
    await on.fetch(_LOCK_STOCK, ids=[id])
    variant: Variant = await VariantRepository(on).lock(id)
    expect(variant.version, etag)
    await check_not_held(on, [id])
    await on.fetch(_REMOVE_VARIANT, id=id)
    if variant.is_primary:
        await on.fetch(_STEP_FORWARD, id=variant.product_id)


async def remove_category(on: Executor, id: str) -> None:
    """Remove a category; raises NotFound. Needs a transaction."""
    # Products before the category, as whoever puts one there.
    await on.fetch(_LOCK_IN_CATEGORY, id=id)
    await CategoryRepository(on).lock(id)
    await in_parts(on, _LEAVE_CATEGORY, id=id)
    await on.fetch(_REMOVE_CATEGORY, id=id)
