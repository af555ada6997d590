"""Add products, variants, stock and categories."""

from alembic import op

from lumi_common.db.steps import create_common_tables, drop_common_tables

revision = "20261122_1600"
down_revision = None

STAMPS = """
            created_at timestamptz not null default now(),
            updated_at timestamptz not null default now()"""


def upgrade() -> None:
    op.execute("create type catalogue.product_status as enum ('DRAFT', 'ACTIVE', 'ARCHIVED')")
    op.execute("create type catalogue.inventory_policy as enum ('TRACK', 'CONTINUE', 'DENY')")
    op.execute("create type catalogue.stock_reservation_state as enum ('HELD', 'COMMITTED', 'RELEASED', 'EXPIRED')")
    _products()
    _stock()
    _categories()
    create_common_tables("catalogue")


def downgrade() -> None:
    drop_common_tables("catalogue")
    for table in (
        "product_categories",
        "categories",
        "stock_movements",
        "stock_reservations",
        "inventories",
        "product_variants",
        "products",
    ):
        op.execute(f"drop table catalogue.{table}")
    for enum in ("stock_reservation_state", "inventory_policy", "product_status"):
        op.execute(f"drop type catalogue.{enum}")


def _products() -> None:
    op.execute(f"""
        create table catalogue.products (
            id text collate "C" not null,
            title text not null,
            slug text not null,
            sku text,
            description text,
            summary text,
            status catalogue.product_status not null default 'DRAFT',
            price numeric(12, 2) not null,
            compare_at_price numeric(12, 2),
            currency text not null default 'TRY',
            inventory_policy catalogue.inventory_policy not null default 'TRACK',
            search_keywords text[] not null default '{{}}',
            attributes jsonb,
            deleted_at timestamptz,
            version integer not null default 1,{STAMPS},
            constraint products_pkey primary key (id)
        )""")
    op.execute("create unique index products_slug_key on catalogue.products (slug) where deleted_at is null")
    op.execute("create unique index products_sku_key on catalogue.products (sku) where deleted_at is null")
    op.execute("create index products_status_created_at_idx on catalogue.products (status, created_at)")
    op.execute("create index products_search_keywords_idx on catalogue.products using gin (search_keywords)")
    op.execute("create index products_deleted_at_idx on catalogue.products (deleted_at)")
    op.execute(f"""
        create table catalogue.product_variants (
            id text collate "C" not null,
            product_id text collate "C" not null,
            title text not null,
            sku text not null,
            price numeric(12, 2) not null,
            compare_at_price numeric(12, 2),
            currency text not null default 'TRY',
            attributes jsonb,
            is_primary boolean not null default false,
            position integer not null default 0,
            version integer not null default 1,{STAMPS},
            constraint product_variants_pkey primary key (id),
            constraint product_variants_sku_key unique (sku),
            constraint product_variants_product_id_fkey
                foreign key (product_id) references catalogue.products (id) on delete cascade
        )""")
    op.execute("create index product_variants_product_id_idx on catalogue.product_variants (product_id)")
    op.execute(
        "create unique index product_variants_primary_key on catalogue.product_variants (product_id) where is_primary"
    )


def _stock() -> None:
    op.execute(f"""
        create table catalogue.inventories (
            id text collate "C" not null,
            product_variant_id text collate "C" not null,
            quantity_available integer not null default 0,
            quantity_reserved integer not null default 0,
            quantity_on_hand integer not null default 0,
            low_stock_threshold integer,
            version integer not null default 1,{STAMPS},
            constraint inventories_pkey primary key (id),
            constraint inventories_product_variant_id_key unique (product_variant_id),
            constraint inventories_product_variant_id_fkey
                foreign key (product_variant_id) references catalogue.product_variants (id) on delete cascade,
            constraint inventories_quantity_available_check
                check (quantity_available = quantity_on_hand - quantity_reserved),
            constraint inventories_quantity_reserved_check check (quantity_reserved >= 0)
        )""")
    op.execute(f"""
        create table catalogue.stock_reservations (
            id text collate "C" not null,
            product_variant_id text collate "C" not null,
            order_id text collate "C" not null,
            quantity integer not null,
            state catalogue.stock_reservation_state not null,
            expires_at timestamptz not null,{STAMPS},
            constraint stock_reservations_pkey primary key (id),
            constraint stock_reservations_order_id_product_variant_id_key unique (order_id, product_variant_id),
            constraint stock_reservations_product_variant_id_fkey
                foreign key (product_variant_id) references catalogue.product_variants (id) on delete cascade,
            constraint stock_reservations_quantity_check check (quantity > 0)
        )""")
    op.execute(
        "create index stock_reservations_product_variant_id_idx on catalogue.stock_reservations (product_variant_id)"
    )
    op.execute(
        "create index stock_reservations_expires_at_idx on catalogue.stock_reservations (expires_at)"
        " where state = 'HELD'"
    )
    op.execute(f"""
        create table catalogue.stock_movements (
            id text collate "C" not null,
            product_variant_id text collate "C" not null,
            delta integer not null,
            reason text not null,
            order_id text collate "C",{STAMPS},
            constraint stock_movements_pkey primary key (id),
            constraint stock_movements_product_variant_id_fkey
                foreign key (product_variant_id) references catalogue.product_variants (id) on delete cascade
        )""")
    op.execute("create index stock_movements_product_variant_id_idx on catalogue.stock_movements (product_variant_id)")


def _categories() -> None:
    op.execute(f"""
        create table catalogue.categories (
            id text collate "C" not null,
            name text not null,
            slug text not null,
            description text,
            parent_id text collate "C",
            position integer not null default 0,{STAMPS},
            constraint categories_pkey primary key (id),
            constraint categories_slug_key unique (slug),
            constraint categories_parent_id_fkey
                foreign key (parent_id) references catalogue.categories (id) on delete set null
        )""")
    op.execute("create index categories_parent_id_idx on catalogue.categories (parent_id)")
    op.execute(f"""
        create table catalogue.product_categories (
            product_id text collate "C" not null,
            category_id text collate "C" not null,
            assigned_at timestamptz not null default now(),{STAMPS},
            constraint product_categories_pkey primary key (product_id, category_id),
            constraint product_categories_product_id_fkey
                foreign key (product_id) references catalogue.products (id) on delete cascade,
            constraint product_categories_category_id_fkey
                foreign key (category_id) references catalogue.categories (id) on delete cascade
        )""")
    op.execute("create index product_categories_category_id_idx on catalogue.product_categories (category_id)")
