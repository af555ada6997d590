"""The SQL of variants, each born with an empty stock."""

from sqlalchemy import Boolean, Text, bindparam, false, func, insert, literal_column, or_, select, update

from lumi_catalogue.domain.variant import Variant
from lumi_catalogue.storage.tables import INVENTORY, VARIANT, common, inventories, product_variants, products
from lumi_common.cuid import cuid
from lumi_common.db.database import Executor, Row
from lumi_common.db.page import Listing
from lumi_common.db.record import recorded
from lumi_common.db.repository import Repository
from lumi_common.db.statement import Statement

_v = product_variants.c


class VariantRepository(Repository[Variant]):
    """Variants by id; reads for staff and shoppers are the functions below."""

    aggregate, common, entity = VARIANT, common, Variant


_new = VARIANT.change(
    insert(product_variants).values({name: bindparam(name, type_=_v[name].type) for name in VariantRepository._names}),
    "product_variant.created",
)
_stocked = INVENTORY.change(
    insert(inventories).from_select(
        ["id", "product_variant_id"], select(bindparam("inventory_id", type_=Text), _new.cte.c.id)
    ),
    "inventory.created",
    name="stocked",
)
_CREATE = recorded(common, _new, _stocked)

# The partial unique index takes one primary at a time: the old one steps back before the new one comes.
_STEP_BACK = recorded(
    common,
    VARIANT.change(
        update(product_variants)
        .where(_v.product_id == bindparam("product_id", type_=Text), _v.is_primary)
        .values(is_primary=false(), version=_v.version + 1, updated_at=func.now()),
        "product_variant.updated",
    ),
)

_live = (
    select(*(_v[name] for name in VariantRepository._names))
    .join_from(product_variants, products, products.c.id == _v.product_id)
    .where(products.c.deleted_at.is_(None))
)
_seen = or_(products.c.status == literal_column("'ACTIVE'"), bindparam("drafts", type_=Boolean))
_BY_ID = Statement(_live.where(_v.id == bindparam("id", type_=Text), _seen))

VARIANTS = Listing(_live, _v.id, {"product_id": _v.product_id == bindparam("product_id", type_=Text)})


def variant(row: Row) -> Variant:
    """The variant of a row of these reads."""
    return Variant(*row)


async def by_id(on: Executor, id: str, *, drafts: bool) -> Variant:
    """The variant of a live product; of one that is not ACTIVE it is seen with `drafts` only, and else NotFound."""
    row = await on.fetchrow(_BY_ID, id=id, drafts=drafts)
    if row is None:
        raise VariantRepository.not_found(id)
    return Variant(*row)


async def create(on: Executor, variant: Variant) -> None:
    """Write a new variant with its stock, in the place of the product's primary one if it is to be that."""
    if variant.is_primary:
        await on.fetch(_STEP_BACK, product_id=variant.product_id)
    await on.fetch(_CREATE, inventory_id=cuid(), **VariantRepository.values(variant))
