"""The marketing schema, as Alembic compares it."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Enum,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import CITEXT

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
from lumi_marketing.domain.coupon import CouponType

metadata = schema("marketing")
common = common_tables(metadata)

coupons = Table(
    "coupons",
    metadata,
    id_column(),
    Column("code", CITEXT, nullable=False, unique=True),
    Column("type", Enum(CouponType, name="coupon_type", schema="marketing"), nullable=False),
    money("value", digits=12),
    Column("currency", Text),
    Column("description", Text),
    money("minimum_amount", nullable=True),
    money("maximum_discount", nullable=True),
    Column("usage_limit", Integer),
    Column("usage_count", Integer, nullable=False, server_default=text("0")),
    Column("per_user_limit", Integer),
    Column("starts_at", timestamp),
    Column("expires_at", timestamp),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    version(),
    *stamps(),
    CheckConstraint("usage_count >= 0 and usage_count <= usage_limit", name="usage_count"),
    CheckConstraint("value >= 0 and (type <> 'PERCENTAGE' or value <= 100)", name="value"),
)

coupon_usages = Table(
    "coupon_usages",
    metadata,
    id_column(),
    Column("coupon_id", identifier, ForeignKey(coupons.c.id, ondelete="CASCADE"), nullable=False),
    Column("user_id", identifier, index=True, info=refers_to("identity.users", "CASCADE")),
    Column("order_id", identifier, nullable=False, index=True, info=refers_to("orders.orders", "CASCADE")),
    money("discount_amount"),
    Column("used_at", timestamp, nullable=False, server_default=func.now(), index=True),
    *stamps(),
)
# One redemption per coupon and order; it leads with the foreign key, which so needs no index of its own (P1).
Index("coupon_usages_coupon_id_order_id_key", coupon_usages.c.coupon_id, coupon_usages.c.order_id, unique=True)

# `usage_count` is derived from the redemptions, whose records tell of it.
COUPON = Aggregate(
    "Coupon",
    coupons,
    shows="code type value currency description minimum_amount maximum_discount usage_limit per_user_limit "
    "starts_at expires_at is_active",
)
COUPON_USAGE = Aggregate(
    "CouponUsage",
    coupon_usages,
    shows="coupon_id user_id order_id discount_amount used_at",
    keys="coupon_id order_id user_id",
)
