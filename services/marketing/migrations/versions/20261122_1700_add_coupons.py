"""Coupons and their redemptions."""

from alembic import op

from lumi_common.db.steps import create_common_tables, drop_common_tables

revision = "20261122_1700"
down_revision = None


def upgrade() -> None:
    create_common_tables("marketing")
    op.execute("create type marketing.coupon_type as enum ('PERCENTAGE', 'FIXED_AMOUNT', 'FREE_SHIPPING')")
    op.execute("""
        create table marketing.coupons (
            id text collate "C" not null,
            code extensions.citext not null,
            type marketing.coupon_type not null,
            value numeric(12, 2) not null,
            currency text,
            description text,
            minimum_amount numeric(14, 2),
            maximum_discount numeric(14, 2),
            usage_limit integer,
            usage_count integer not null default 0,
            per_user_limit integer,
            starts_at timestamptz,
            expires_at timestamptz,
            is_active boolean not null default true,
            version integer not null default 1,
            created_at timestamptz not null default now(),
            updated_at timestamptz not null default now(),
            constraint coupons_pkey primary key (id),
            constraint coupons_code_key unique (code),
            constraint coupons_usage_count_check check (usage_count >= 0 and usage_count <= usage_limit),
            constraint coupons_value_check check (value >= 0 and (type <> 'PERCENTAGE' or value <= 100))
        )""")
    op.execute("""
        create table marketing.coupon_usages (
            id text collate "C" not null,
            coupon_id text collate "C" not null,
            user_id text collate "C",
            order_id text collate "C" not null,
            discount_amount numeric(14, 2) not null,
            used_at timestamptz not null default now(),
            created_at timestamptz not null default now(),
            updated_at timestamptz not null default now(),
            constraint coupon_usages_pkey primary key (id),
            constraint coupon_usages_coupon_id_fkey foreign key (coupon_id)
                references marketing.coupons (id) on delete cascade
        )""")
    op.execute(
        "create unique index coupon_usages_coupon_id_order_id_key on marketing.coupon_usages (coupon_id, order_id)"
    )
    for column in ("user_id", "order_id", "used_at"):
        op.execute(f"create index coupon_usages_{column}_idx on marketing.coupon_usages ({column})")


def downgrade() -> None:
    op.execute("drop table marketing.coupon_usages")
    op.execute("drop table marketing.coupons")
    op.execute("drop type marketing.coupon_type")
    drop_common_tables("marketing")
