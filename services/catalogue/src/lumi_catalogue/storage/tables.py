"""The catalogue's tables, and what may be told of their rows."""

from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Enum,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    func,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from lumi_catalogue.domain.product import InventoryPolicy, ProductStatus
from lumi_catalogue.domain.reservation import ReservationState
from lumi_common.db.record import Aggregate
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

product_categories = Table(
    "product_categories",
    metadata,
    Column("product_id", identifier, ForeignKey(products.c.id, ondelete="CASCADE"), primary_key=True),
    Column("category_id", identifier, ForeignKey(categories.c.id, ondelete="CASCADE"), primary_key=True, index=True),
    Column("assigned_at", timestamp, nullable=False, server_default=func.now()),
    *stamps(),
)

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
