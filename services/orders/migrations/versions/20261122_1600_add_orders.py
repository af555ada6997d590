"""Carts, orders and the checkouts between them."""

from alembic import op

from lumi_common.db.steps import create_common_tables, drop_common_tables

revision = "20261122_1600"
down_revision = None


def upgrade() -> None:
    create_common_tables("orders")
    op.execute("create type orders.cart_status as enum ('ACTIVE', 'CHECKED_OUT', 'ABANDONED')")
    op.execute(
        "create type orders.order_status as enum ('PENDING', 'PAID', 'FULFILLED', 'SHIPPED', 'DELIVERED', 'CANCELLED')"
    )
    create_carts()
    create_orders()
    create_checkouts()


def create_carts() -> None:
    op.execute("""
        create table orders.carts (
            id text collate "C" not null,
            user_id text collate "C",
            session_id text collate "C",
            status orders.cart_status not null default 'ACTIVE',
            currency text not null default 'TRY',
            coupon_code text,
            shipping_address jsonb,
            billing_address jsonb,
            version integer not null default 1,
            created_at timestamptz not null default now(),
            updated_at timestamptz not null default now(),
            constraint carts_pkey primary key (id)
        )""")
    op.execute("create index carts_user_id_idx on orders.carts (user_id)")
    op.execute("create index carts_session_id_idx on orders.carts (session_id)")
    op.execute("create index carts_status_updated_at_idx on orders.carts (status, updated_at)")
    for column in ("user_id", "session_id"):
        op.execute(f"create unique index carts_active_{column}_key on orders.carts ({column}) where status = 'ACTIVE'")
    op.execute("""
        create table orders.cart_items (
            id text collate "C" not null,
            cart_id text collate "C" not null,
            product_variant_id text collate "C" not null,
            quantity integer not null,
            unit_price numeric(12, 2) not null,
            currency text not null,
            created_at timestamptz not null default now(),
            updated_at timestamptz not null default now(),
            constraint cart_items_pkey primary key (id),
            constraint cart_items_cart_id_fkey foreign key (cart_id)
                references orders.carts (id) on delete cascade,
            constraint cart_items_quantity_check check (quantity > 0)
        )""")
    op.execute(
        "create unique index cart_items_cart_id_product_variant_id_key "
        "on orders.cart_items (cart_id, product_variant_id)"
    )
    op.execute("create index cart_items_product_variant_id_idx on orders.cart_items (product_variant_id)")


def create_orders() -> None:
    op.execute("""
        create table orders.orders (
            id text collate "C" not null,
            reference text not null,
            user_id text collate "C",
            guest_session_id text collate "C",
            cart_id text collate "C",
            status orders.order_status not null default 'PENDING',
            total_amount numeric(14, 2) not null,
            subtotal_amount numeric(14, 2) not null,
            tax_amount numeric(14, 2) not null,
            discount_amount numeric(14, 2) not null,
            shipping_amount numeric(14, 2) not null default 0,
            currency text not null default 'TRY',
            coupon_code text,
            shipping_address_id text collate "C",
            billing_address_id text collate "C",
            shipping_address_snapshot jsonb,
            billing_address_snapshot jsonb,
            placed_at timestamptz,
            fulfilled_at timestamptz,
            shipped_at timestamptz,
            delivered_at timestamptz,
            cancelled_at timestamptz,
            notes text,
            metadata jsonb,
            version integer not null default 1,
            created_at timestamptz not null default now(),
            updated_at timestamptz not null default now(),
            constraint orders_pkey primary key (id),
            constraint orders_reference_key unique (reference),
            constraint orders_cart_id_key unique (cart_id),
            constraint orders_cart_id_fkey foreign key (cart_id)
                references orders.carts (id) on delete set null,
            constraint orders_amounts_check check (
                subtotal_amount >= 0 and tax_amount >= 0 and shipping_amount >= 0 and total_amount >= 0
                and discount_amount between 0 and subtotal_amount)
        )""")
    op.execute("create index orders_user_id_id_idx on orders.orders (user_id, id)")
    op.execute("create index orders_user_id_status_created_at_idx on orders.orders (user_id, status, created_at)")
    op.execute("create index orders_status_created_at_idx on orders.orders (status, created_at)")
    for column in ("guest_session_id", "shipping_address_id", "billing_address_id"):
        op.execute(f"create index orders_{column}_idx on orders.orders ({column})")
    op.execute("""
        create table orders.order_items (
            id text collate "C" not null,
            order_id text collate "C" not null,
            product_id text collate "C" not null,
            product_variant_id text collate "C" not null,
            quantity integer not null,
            unit_price numeric(12, 2) not null,
            currency text not null default 'TRY',
            total_amount numeric(14, 2) not null,
            discount_amount numeric(14, 2) not null default 0,
            tax_amount numeric(14, 2) not null default 0,
            title_snapshot text not null,
            variant_snapshot jsonb,
            created_at timestamptz not null default now(),
            updated_at timestamptz not null default now(),
            constraint order_items_pkey primary key (id),
            constraint order_items_order_id_fkey foreign key (order_id)
                references orders.orders (id) on delete cascade,
            constraint order_items_quantity_check check (quantity > 0),
            constraint order_items_amounts_check check (
                discount_amount >= 0 and tax_amount >= 0 and total_amount >= 0
                and total_amount = unit_price * quantity - discount_amount + tax_amount)
        )""")
    for column in ("order_id", "product_id", "product_variant_id"):
        op.execute(f"create index order_items_{column}_idx on orders.order_items ({column})")
    op.execute("""
        create table orders.order_status_history (
            id text collate "C" not null,
            order_id text collate "C" not null,
            from_status orders.order_status,
            to_status orders.order_status not null,
            version integer not null,
            actor text,
            reason text,
            created_at timestamptz not null default now(),
            updated_at timestamptz not null default now(),
            constraint order_status_history_pkey primary key (id),
            constraint order_status_history_order_id_fkey foreign key (order_id)
                references orders.orders (id) on delete cascade
        )""")
    op.execute(
        "create unique index order_status_history_order_id_version_key "
        "on orders.order_status_history (order_id, version)"
    )


def create_checkouts() -> None:
    op.execute("""
        create table orders.checkouts (
            id text collate "C" not null,
            order_id text collate "C" not null,
            cart_id text collate "C",
            step text not null,
            attempts integer not null default 0,
            next_attempt_at timestamptz not null,
            error text,
            coupon_code text,
            provider text,
            principal text collate "C",
            request_id text collate "C",
            request_hash bytea,
            created_at timestamptz not null default now(),
            updated_at timestamptz not null default now(),
            constraint checkouts_pkey primary key (id),
            constraint checkouts_order_id_key unique (order_id),
            constraint checkouts_cart_id_key unique (cart_id),
            constraint checkouts_cart_id_fkey foreign key (cart_id)
                references orders.carts (id) on delete set null,
            constraint checkouts_step_check check (step in ('RESERVE', 'PAY', 'UNDO'))
        )""")
    op.execute("create index checkouts_next_attempt_at_idx on orders.checkouts (next_attempt_at)")
    op.execute("create unique index checkouts_principal_request_id_key on orders.checkouts (principal, request_id)")


def downgrade() -> None:
    for table in ("checkouts", "order_status_history", "order_items", "orders", "cart_items", "carts"):
        op.execute(f"drop table orders.{table}")
    op.execute("drop type orders.order_status")
    op.execute("drop type orders.cart_status")
    drop_common_tables("orders")
