"""The catalogue's tables, and what may be told of their rows."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Enum,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from lumi_catalogue.domain.media import MediaProvider, MediaType
from lumi_catalogue.domain.product import InventoryPolicy, ProductStatus
from lumi_catalogue.domain.reservation import ReservationState
from lumi_catalogue.domain.review import ReviewStatus
from lumi_common.db.personal import personal
from lumi_common.db.record import Aggregate
from lumi_common.db.references import refers_to
from lumi_common.db.tables import (
    common_tables,
    id_column,
    identifier,
    money,
    schema,
    stamps,
    timestamp,
    version,
)

metadata = schema("catalogue")
common = common_tables(metadata)

product_status = Enum(*ProductStatus, name="product_status", metadata=metadata)
inventory_policy = Enum(*InventoryPolicy, name="inventory_policy", metadata=metadata)
media_type = Enum(*MediaType, name="media_type", metadata=metadata)
media_provider = Enum(*MediaProvider, name="media_provider", metadata=metadata)
review_status = Enum(*ReviewStatus, name="review_status", metadata=metadata)
stock_reservation_state = Enum(*ReservationState, name="stock_reservation_state", metadata=metadata)

products = Table(
    "products",
    metadata,
    id_column(),
    Column("title", Text, nullable=False),
    Column("slug", Text, nullable=False),
    Column("sku", Text),
    Column("description", Text),
    Column("summary", Text),
    Column("status", product_status, nullable=False, server_default=text("'DRAFT'")),
    money("price", digits=12),
    money("compare_at_price", digits=12, nullable=True),
    Column("currency", Text, nullable=False, server_default=text("'TRY'")),
    Column("inventory_policy", inventory_policy, nullable=False, server_default=text("'TRACK'")),
    Column("search_keywords", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("attributes", JSONB),
    Column("deleted_at", timestamp, index=True),
    version(),
    *stamps(),
    Index("products_status_created_at_idx", "status", "created_at"),
    Index("products_search_keywords_idx", "search_keywords", postgresql_using="gin"),
)
Index("products_slug_key", products.c.slug, unique=True, postgresql_where=products.c.deleted_at.is_(None))
Index("products_sku_key", products.c.sku, unique=True, postgresql_where=products.c.deleted_at.is_(None))

product_variants = Table(
    "product_variants",
    metadata,
    id_column(),
    Column("product_id", identifier, ForeignKey(products.c.id, ondelete="CASCADE"), nullable=False, index=True),
    Column("title", Text, nullable=False),
    Column("sku", Text, nullable=False, unique=True),
    money("price", digits=12),
    money("compare_at_price", digits=12, nullable=True),
    Column("currency", Text, nullable=False, server_default=text("'TRY'")),
    Column("attributes", JSONB),
    Column("is_primary", Boolean, nullable=False, server_default=text("false")),
    Column("position", Integer, nullable=False, server_default=text("0")),
    version(),
    *stamps(),
)
Index(
    "product_variants_primary_key",
    product_variants.c.product_id,
    unique=True,
    postgresql_where=product_variants.c.is_primary,
)


def _variant_id(**options: Any) -> Column[str]:
    reference = ForeignKey(product_variants.c.id, ondelete="CASCADE")
    return Column("product_variant_id", identifier, reference, nullable=False, **options)


inventories = Table(
    "inventories",
    metadata,
    id_column(),
    _variant_id(unique=True),
    Column("quantity_available", Integer, nullable=False, server_default=text("0")),
    Column("quantity_reserved", Integer, nullable=False, server_default=text("0")),
    Column("quantity_on_hand", Integer, nullable=False, server_default=text("0")),
    Column("low_stock_threshold", Integer),
    version(),
    *stamps(),
    CheckConstraint("quantity_available = quantity_on_hand - quantity_reserved", "quantity_available"),
    CheckConstraint("quantity_reserved >= 0", "quantity_reserved"),
)

stock_reservations = Table(
    "stock_reservations",
    metadata,
    id_column(),
    _variant_id(index=True),
    Column("order_id", identifier, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("state", stock_reservation_state, nullable=False),
    Column("expires_at", timestamp, nullable=False),
    *stamps(),
    UniqueConstraint("order_id", "product_variant_id"),
    CheckConstraint("quantity > 0", "quantity"),
)
# Of the open ones only: what has ended is looked for by its order, and there is more of it every day.
Index(
    "stock_reservations_expires_at_idx",
    stock_reservations.c.expires_at,
    postgresql_where=stock_reservations.c.state == text("'HELD'"),
)

stock_movements = Table(
    "stock_movements",
    metadata,
    id_column(),
    _variant_id(index=True),
    Column("delta", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("order_id", identifier),
    *stamps(),
)
# What an order bought comes back once, however often it is given back.
Index(
    "stock_movements_restocked_key",
    stock_movements.c.order_id,
    stock_movements.c.product_variant_id,
    unique=True,
    postgresql_where=stock_movements.c.reason == text("'restocked'"),
)

categories = Table(
    "categories",
    metadata,
    id_column(),
    Column("name", Text, nullable=False),
    Column("slug", Text, nullable=False, unique=True),
    Column("description", Text),
    Column("parent_id", identifier, ForeignKey("catalogue.categories.id", ondelete="SET NULL"), index=True),
    Column("position", Integer, nullable=False, server_default=text("0")),
    *stamps(),
)

collections = Table(
    "collections",
    metadata,
    id_column(),
    Column("title", Text, nullable=False),
    Column("slug", Text, nullable=False, unique=True),
    Column("description", Text),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    *stamps(),
)

media = Table(
    "media",
    metadata,
    id_column(),
    Column("asset_id", Text, nullable=False, unique=True),
    Column("url", Text, nullable=False),
    Column("type", media_type, nullable=False),
    Column("provider", media_provider, nullable=False),
    Column("mime_type", Text, nullable=False),
    Column("width", Integer),
    Column("height", Integer),
    Column("size_bytes", BigInteger),
    Column("alt", Text),
    *stamps(),
)

reviews = Table(
    "reviews",
    metadata,
    id_column(),
    Column("product_id", identifier, ForeignKey(products.c.id, ondelete="CASCADE"), nullable=False),
    Column("user_id", identifier, nullable=False, index=True, info=refers_to("identity.users", "CASCADE")),
    Column("order_id", identifier, index=True, info=refers_to("orders.orders", "SET NULL")),
    Column("rating", SmallInteger, nullable=False),
    Column("title", Text, info=personal("words of theirs")),
    Column("body", Text, info=personal("words of theirs")),
    Column("status", review_status, nullable=False, server_default=text("'PENDING'")),
    Column("moderated_by", Text),
    Column("moderated_at", timestamp),
    Column("moderation_note", Text, info=personal("words about theirs", shown=False)),
    *stamps(),
    UniqueConstraint("product_id", "user_id"),
    Index("reviews_product_id_status_idx", "product_id", "status"),
    CheckConstraint("rating between 1 and 5", "rating"),
)


def _junction(name: str, left: tuple[str, Table], right: tuple[str, Table], *more: Column[Any]) -> Table:
    """Pairs of ids that go with either end; the key leads with the left one, the right one leads an index."""
    ends = [(column, ForeignKey(table.c.id, ondelete="CASCADE")) for column, table in (left, right)]
    return Table(
        name,
        metadata,
        Column(ends[0][0], identifier, ends[0][1], primary_key=True),
        Column(ends[1][0], identifier, ends[1][1], primary_key=True, index=True),
        *more,
        Column("assigned_at", timestamp, nullable=False, server_default=func.now()),
        *stamps(),
    )


def _position() -> Column[int]:
    return Column("position", Integer, nullable=False, server_default=text("0"))


_product, _media = ("product_id", products), ("media_id", media)
product_categories = _junction("product_categories", _product, ("category_id", categories))
product_collections = _junction("product_collections", _product, ("collection_id", collections), _position())
product_media = _junction("product_media", _product, _media, _position())
variant_media = _junction("variant_media", ("variant_id", product_variants), _media, _position())
review_media = _junction("review_media", ("review_id", reviews), _media)

# Nothing here is personal or secret: everything may be told.
PRODUCT = Aggregate(
    "Product",
    products,
    shows="title slug sku description summary status price compare_at_price currency inventory_policy"
    " search_keywords attributes deleted_at",
)
VARIANT = Aggregate(
    "ProductVariant",
    product_variants,
    shows="product_id title sku price compare_at_price currency attributes is_primary position",
    keys="product_id",
)
INVENTORY = Aggregate(
    "Inventory",
    inventories,
    shows="product_variant_id quantity_available quantity_reserved quantity_on_hand low_stock_threshold",
    keys="product_variant_id",
)
CATEGORY = Aggregate("Category", categories, shows="name slug description parent_id position")
# Of a review its text, its author's words and the moderators', is told to those who look, not to whoever hears of it.
REVIEW = Aggregate(
    "Review",
    reviews,
    shows="product_id user_id order_id rating status moderated_by moderated_at",
    keys="product_id user_id",
)
# No aggregate of the model: what becomes of an order's hold on the stock is told as events of that order's hold.
HOLD = Aggregate(
    "StockReservation",
    stock_reservations,
    shows="product_variant_id order_id quantity state expires_at",
    keys="order_id product_variant_id",
    id="order_id",
)


def in_state(state: ReservationState) -> ColumnElement[str]:
    """A reservation's state as a constant, so that the index of the open ones serves."""
    return literal_column(f"'{state}'::catalogue.stock_reservation_state", stock_reservation_state)
