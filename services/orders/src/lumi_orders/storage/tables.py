"""The orders schema, as Alembic compares it."""

from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Enum,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from lumi_common.db.personal import personal
from lumi_common.db.record import Aggregate
from lumi_common.db.references import refers_to
from lumi_common.db.tables import common_tables, id_column, identifier, money, schema, stamps, timestamp, version
from lumi_orders.domain.cart import CartStatus
from lumi_orders.domain.order import OrderStatus

metadata = schema("orders")
common = common_tables(metadata)

cart_status = Enum(CartStatus, name="cart_status", schema="orders")
order_status = Enum(OrderStatus, name="order_status", schema="orders")


def currency(**options: Any) -> Column[str]:
    """An ISO 4217 code."""
    return Column("currency", Text, nullable=False, **options)


carts = Table(
    "carts",
    metadata,
    id_column(),
    Column("user_id", identifier, index=True, info=refers_to("identity.users", "SET NULL")),
    # A guest's, who has no row anywhere.
    Column("session_id", identifier, index=True),
    Column("status", cart_status, nullable=False, server_default="ACTIVE"),
    currency(server_default="TRY"),
    Column("coupon_code", Text),
    Column("shipping_address", JSONB, info=personal("address", "blanked")),
    Column("billing_address", JSONB, info=personal("address", "blanked")),
    version(),
    *stamps(),
)
_active = carts.c.status == text("'ACTIVE'")
Index("carts_status_updated_at_idx", carts.c.status, carts.c.updated_at)
Index("carts_active_user_id_key", carts.c.user_id, unique=True, postgresql_where=_active)
Index("carts_active_session_id_key", carts.c.session_id, unique=True, postgresql_where=_active)

cart_items = Table(
    "cart_items",
    metadata,
    id_column(),
    Column("cart_id", identifier, ForeignKey(carts.c.id, ondelete="CASCADE"), nullable=False),
    Column(
        "product_variant_id",
        identifier,
        nullable=False,
        index=True,
        info=refers_to(
            "catalogue.product_variants",
            "RESTRICT",
            # What nobody fills any more goes with what is in it.
            while_="cart_id in (select id from orders.carts where status = 'ACTIVE')",
        ),
    ),
    Column("quantity", Integer, nullable=False),
    money("unit_price", digits=12),
    currency(),
    *stamps(),
    CheckConstraint("quantity > 0", name="quantity"),
)
Index("cart_items_cart_id_product_variant_id_key", cart_items.c.cart_id, cart_items.c.product_variant_id, unique=True)

orders = Table(
    "orders",
    metadata,
    id_column(),
    Column("reference", Text, nullable=False, unique=True),
    Column("user_id", identifier, info=refers_to("identity.users", "SET NULL")),
    Column("guest_session_id", identifier, index=True),
    Column("cart_id", identifier, ForeignKey(carts.c.id, ondelete="SET NULL"), unique=True),
    Column("status", order_status, nullable=False, server_default="PENDING"),
    money("total_amount"),
    money("subtotal_amount"),
    money("tax_amount"),
    money("discount_amount"),
    money("shipping_amount", server_default=text("0")),
    Column("prices_include_tax", Boolean, nullable=False, server_default=text("false")),
    currency(server_default="TRY"),
    Column("coupon_code", Text),
    Column(
        "shipping_address_id",
        identifier,
        index=True,
        info=refers_to("identity.addresses", "SET NULL", "shipping_address_snapshot"),
    ),
    Column(
        "billing_address_id",
        identifier,
        index=True,
        info=refers_to("identity.addresses", "SET NULL", "billing_address_snapshot"),
    ),
    Column("shipping_address_snapshot", JSONB, info=personal("address", "kept")),
    Column("billing_address_snapshot", JSONB, info=personal("address", "kept")),
    Column("placed_at", timestamp),
    Column("fulfilled_at", timestamp),
    Column("shipped_at", timestamp),
    Column("delivered_at", timestamp),
    Column("cancelled_at", timestamp),
    Column("notes", Text, info=personal("words of theirs", "blanked")),
    Column("metadata", JSONB, info=personal("words of theirs", "blanked")),
    version(),
    *stamps(),
    CheckConstraint(
        "subtotal_amount >= 0 and tax_amount >= 0 and shipping_amount >= 0 and total_amount >= 0 "
        "and discount_amount between 0 and subtotal_amount "
        "and total_amount = subtotal_amount - discount_amount + shipping_amount "
        "+ case when prices_include_tax then 0 else tax_amount end",
        name="amounts",
    ),
)
Index("orders_status_created_at_idx", orders.c.status, orders.c.created_at)
Index("orders_user_id_status_created_at_idx", orders.c.user_id, orders.c.status, orders.c.created_at)
# A page of somebody's orders, newest first.
Index("orders_user_id_id_idx", orders.c.user_id, orders.c.id)

order_items = Table(
    "order_items",
    metadata,
    id_column(),
    Column("order_id", identifier, ForeignKey(orders.c.id, ondelete="CASCADE"), nullable=False, index=True),
    Column(
        "product_id",
        identifier,
        nullable=False,
        index=True,
        info=refers_to("catalogue.products", "RESTRICT", "title_snapshot"),
    ),
    Column(
        "product_variant_id",
        identifier,
        nullable=False,
        index=True,
        info=refers_to("catalogue.product_variants", "RESTRICT", "title_snapshot", "variant_snapshot"),
    ),
    Column("quantity", Integer, nullable=False),
    money("unit_price", digits=12),
    currency(server_default="TRY"),
    money("total_amount"),
    money("discount_amount", server_default=text("0")),
    money("tax_amount", server_default=text("0")),
    Column("title_snapshot", Text, nullable=False),
    Column("variant_snapshot", JSONB),
    *stamps(),
    CheckConstraint("quantity > 0", name="quantity"),
    CheckConstraint(
        # Whether its tax comes on top or is inside its price, the order says.
        "discount_amount >= 0 and tax_amount >= 0 and total_amount >= 0 "
        "and total_amount - (unit_price * quantity - discount_amount) in (0, tax_amount)",
        name="amounts",
    ),
)

order_status_history = Table(
    "order_status_history",
    metadata,
    id_column(),
    Column("order_id", identifier, ForeignKey(orders.c.id, ondelete="CASCADE"), nullable=False),
    Column("from_status", order_status),
    Column("to_status", order_status, nullable=False),
    Column("version", Integer, nullable=False),
    Column("actor", Text),
    Column("reason", Text, info=personal("words of theirs", "kept")),
    *stamps(),
)
# Each version of an order is reached once; it leads with the foreign key, which so needs no index of its own.
Index(
    "order_status_history_order_id_version_key",
    order_status_history.c.order_id,
    order_status_history.c.version,
    unique=True,
)

checkouts = Table(
    "checkouts",
    metadata,
    id_column(),
    Column("order_id", identifier, nullable=False, unique=True),
    # Unique: one placing of a cart at a time.
    Column("cart_id", identifier, ForeignKey(carts.c.id, ondelete="SET NULL"), unique=True),
    Column("step", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("next_attempt_at", timestamp, nullable=False, index=True),
    Column("error", Text),
    # What the call took and asked for, so that a sweeper can undo or finish it, the answer under its request id.
    Column("coupon_code", Text),
    Column("provider", Text),
    Column("principal", identifier),
    Column("request_id", identifier),
    Column("request_hash", LargeBinary),
    *stamps(),
    CheckConstraint("step in ('RESERVE', 'PAY', 'UNDO', 'RETRY')", name="step"),
)
Index("checkouts_principal_request_id_key", checkouts.c.principal, checkouts.c.request_id, unique=True)

CART = Aggregate("Cart", carts, shows="user_id session_id status currency coupon_code", keys="user_id")
CART_ITEM = Aggregate(
    "Cart", cart_items, id="cart_id", shows="product_variant_id quantity unit_price currency", keys="product_variant_id"
)
ORDER = Aggregate(
    "Order",
    orders,
    shows="reference user_id guest_session_id cart_id status total_amount subtotal_amount tax_amount discount_amount "
    "shipping_amount prices_include_tax currency coupon_code shipping_address_id billing_address_id placed_at "
    "fulfilled_at shipped_at delivered_at cancelled_at",
    keys="user_id",
)
