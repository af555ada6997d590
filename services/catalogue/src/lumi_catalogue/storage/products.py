"""The SQL of products, each with the categories that it stands in."""

from google.protobuf.message import Message
from sqlalchemy import Boolean, ColumnElement, Text, bindparam, cast, exists, func, insert, literal_column, or_, select
from sqlalchemy.dialects.postgresql import ARRAY

from lumi_catalogue.domain.product import Product, ProductStatus
from lumi_catalogue.storage.gathered import Gathered
from lumi_catalogue.storage.tables import PRODUCT, common, product_categories, product_variants, products
from lumi_common.db.database import Database, Executor, Row
from lumi_common.db.page import Listing
from lumi_common.db.record import Change, recorded
from lumi_common.db.repository import Repository, live
from lumi_common.db.request import Once
from lumi_common.db.statement import Statement

_p, _link = products.c, product_categories.c
_ids = bindparam("category_ids", type_=ARRAY(Text))


class ProductRepository(Repository[Product]):
    """Products by id; reads for staff and shoppers are the functions below."""

    aggregate, common, entity = PRODUCT, common, Product


def with_categories(change: Change, categories: ColumnElement[object]) -> Change:
    """The change of a product whose record also tells its categories: they belong to it."""
    told = func.jsonb_set(
        change.cte.c.record, literal_column("'{after,category_ids}'::text[]"), func.to_jsonb(categories)
    )
    columns = [column for column in change.cte.c if column.name != "record"]
    return Change(change.aggregate, select(*columns, told.label("record")).cte("told"), change.action)


_new = PRODUCT.change(
    insert(products).values({name: bindparam(name, type_=_p[name].type) for name in ProductRepository._names}),
    "product.created",
)
_CREATE = recorded(
    common,
    with_categories(_new, cast(_ids, ARRAY(Text))),
    parts=[
        insert(product_categories)
        .from_select(["product_id", "category_id"], select(_new.cte.c.id, func.unnest(_ids)))
        .cte("links")
    ],
    request=True,
)

_categories = select(_link.category_id).where(_link.product_id == _p.id).order_by(_link.category_id)
# In the order of Product's fields.
_columns = (
    *(_p[name] for name in ProductRepository._names),
    func.array(_categories.scalar_subquery(), type_=ARRAY(Text)).label("category_ids"),
)
READ = live(products).with_only_columns(*_columns)
_this = _p.id == bindparam("id", type_=Text)
_seen = or_(_p.status == literal_column("'ACTIVE'"), bindparam("drafts", type_=Boolean))
_keys = bindparam("keys", type_=ARRAY(Text))
_BY_SLUGS = Statement(READ.where(_p.slug == func.any(_keys)))
_BY_IDS = Statement(READ.where(_p.id == func.any(_keys)))
_BY_ID = Statement(READ.where(_this, _seen))
_LOCK = Statement(READ.where(_this).with_for_update(of=products))
_READ_ANY = live(products, include_deleted=True).with_only_columns(*_columns).where(_this)
_ANY, _LOCK_ANY = Statement(_READ_ANY), Statement(_READ_ANY.with_for_update(of=products))
_HAS_VARIANTS = Statement(select(exists().where(product_variants.c.product_id == bindparam("id", type_=Text))))

PRODUCTS = Listing(
    READ,
    _p.id,
    {
        "status": _p.status == bindparam("status", type_=_p.status.type),
        "category_id": exists().where(
            _link.product_id == _p.id, _link.category_id == bindparam("category_id", type_=Text)
        ),
    },
    descending=True,
)


def product(row: Row) -> Product:
    """The product of a row of these reads."""
    return Product(*row)


class ProductReads:
    """Reads of one product by many callers at once; one that is not ACTIVE is seen with `drafts` only."""

    def __init__(self, db: Database) -> None:
        self._by_slug = Gathered(db, _BY_SLUGS, key="slug")
        self._by_id = Gathered(db, _BY_IDS, key="id")

    async def by_slug(self, slug: str, *, drafts: bool) -> Product:
        """The live product of this slug; raises NotFound."""
        return _seen_by(await self._by_slug.find(slug), slug, drafts)

    async def by_id(self, id: str, *, drafts: bool) -> Product:
        """The live product of this id; raises NotFound."""
        return _seen_by(await self._by_id.find(id), id, drafts)


def _seen_by(row: Row | None, key: str, drafts: bool) -> Product:
    if row is None or not (drafts or row["status"] == ProductStatus.ACTIVE):
        raise ProductRepository.not_found(key)
    return Product(*row)


async def by_id(on: Executor, id: str, *, drafts: bool) -> Product:
    """The same, as a transaction sees it."""
    row = await on.fetchrow(_BY_ID, id=id, drafts=drafts)
    return _seen_by(row, id, drafts)


async def any_by_id(on: Executor, id: str, *, lock: bool = False) -> Product:
    """The product of this id, deleted or not, with `lock` held until the transaction ends; raises NotFound."""
    row = await on.fetchrow(_LOCK_ANY if lock else _ANY, id=id)
    if row is None:
        raise ProductRepository.not_found(id)
    return Product(*row)


async def lock(on: Executor, id: str) -> Product:
    """The live product of this id, held until the transaction ends; raises NotFound."""
    row = await on.fetchrow(_LOCK, id=id)
    if row is None:
        raise ProductRepository.not_found(id)
    return Product(*row)


async def save(on: Executor, product: Product, action: str) -> Product:
    """Write a changed product over the version that was read; the product as written."""
    saved = await ProductRepository(on).save(product, action)
    saved.category_ids = product.category_ids
    return saved


async def has_variants(on: Executor, id: str) -> bool:
    return bool(await on.fetchval(_HAS_VARIANTS, id=id))


async def create(once: Once, product: Product, answer: Message) -> None:
    """Write a new product, its places in categories and the request's record."""
    values = ProductRepository.values(product)
    await once.change(_CREATE, answer, category_ids=product.category_ids, **values)
