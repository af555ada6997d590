"""Variants as they can be bought now, in one select over variant, product and stock."""

from collections.abc import Sequence
from itertools import islice

from sqlalchemy import Text, bindparam, literal_column, select
from sqlalchemy.dialects.postgresql import ARRAY

from lumi_catalogue.domain.offer import Offer
from lumi_catalogue.storage.tables import inventories, product_variants, products
from lumi_common.db.database import Executor, Row
from lumi_common.db.statement import Statement

_v, _p, _i = product_variants.c, products.c, inventories.c

# Deleted products included: their variants are told apart as not sellable.
OFFERS = (
    select(
        _v.id,
        _v.product_id,
        _p.title,
        _p.slug,
        _v.title.label("variant_title"),
        _v.sku,
        _v.price,
        _v.compare_at_price,
        _v.currency,
        _v.attributes,
        _p.status,
        _p.deleted_at.is_not(None).label("deleted"),
        _p.inventory_policy,
        _i.quantity_available,
    )
    .join_from(inventories, product_variants, _v.id == _i.product_variant_id)
    .join(products, _p.id == _v.product_id)
    .where(_i.product_variant_id == bindparam("ids", type_=ARRAY(Text)).any_())
)
_RESOLVE = Statement(OFFERS)
# Whether the variant of an inventory in the statement around it may be below zero. Asked where it is written: whoever
# waited for the inventory's lock knows the policy as it was before.
SELLS_ON = (
    select(_p.inventory_policy)
    .join_from(product_variants, products, _p.id == _v.product_id)
    .where(_v.id == _i.product_variant_id)
    .correlate(inventories)
    .scalar_subquery()
) == literal_column("'CONTINUE'")
_WIDTH = len(OFFERS.selected_columns)


def offer(row: Row) -> Offer:
    """The offer in a row that begins with the columns of OFFERS."""
    return Offer(*islice(row, _WIDTH))


async def resolve(on: Executor, ids: Sequence[str]) -> dict[str, Offer]:
    """The variants that there are, by id; without a lock, so what they say of stock may be old at once."""
    rows = await on.fetch(_RESOLVE, ids=list(ids))
    return {row["id"]: offer(row) for row in rows}
