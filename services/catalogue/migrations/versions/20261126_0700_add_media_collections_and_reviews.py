"""Add media, collections and reviews, and let the stock of an order come back once."""

from alembic import op

revision = "20261126_0700"
down_revision = "20261122_1600"

STAMPS = """
            created_at timestamptz not null default now(),
            updated_at timestamptz not null default now()"""
POSITION = "position integer not null default 0,"


def upgrade() -> None:
    op.execute("create type catalogue.media_type as enum ('IMAGE', 'VIDEO', 'DOCUMENT')")
    op.execute("create type catalogue.media_provider as enum ('CLOUDINARY', 'S3')")
    op.execute("create type catalogue.review_status as enum ('PENDING', 'APPROVED', 'REJECTED')")
    _collections()
    _media()
    _reviews()
    _junction("product_collections", ("product_id", "products"), ("collection_id", "collections"), POSITION)
    _junction("product_media", ("product_id", "products"), ("media_id", "media"), POSITION)
    _junction("variant_media", ("variant_id", "product_variants"), ("media_id", "media"), POSITION)
    _junction("review_media", ("review_id", "reviews"), ("media_id", "media"))
    # No such row is there yet: movements wait for one pass over their table, at most as long as a statement may take.
    op.execute(
        "create unique index stock_movements_restocked_key on catalogue.stock_movements (order_id, product_variant_id)"
        " where reason = 'restocked'"
    )


def downgrade() -> None:
    op.execute("drop index catalogue.stock_movements_restocked_key")
    for table in (
        "review_media",
        "variant_media",
        "product_media",
        "product_collections",
        "reviews",
        "media",
        "collections",
    ):
        op.execute(f"drop table catalogue.{table}")
    for enum in ("review_status", "media_provider", "media_type"):
        op.execute(f"drop type catalogue.{enum}")


def _collections() -> None:
    op.execute(f"""
        create table catalogue.collections (
            id text collate "C" not null,
            title text not null,
            slug text not null,
            description text,
            is_active boolean not null default true,{STAMPS},
            constraint collections_pkey primary key (id),
            constraint collections_slug_key unique (slug)
        )""")


def _media() -> None:
    op.execute(f"""
        create table catalogue.media (
            id text collate "C" not null,
            asset_id text not null,
            url text not null,
            type catalogue.media_type not null,
            provider catalogue.media_provider not null,
            mime_type text not null,
            width integer,
            height integer,
            size_bytes bigint,
            alt text,{STAMPS},
            constraint media_pkey primary key (id),
            constraint media_asset_id_key unique (asset_id)
        )""")


def _reviews() -> None:
    op.execute(f"""
        create table catalogue.reviews (
            id text collate "C" not null,
            product_id text collate "C" not null,
            user_id text collate "C" not null,
            order_id text collate "C",
            rating smallint not null,
            title text,
            body text,
            status catalogue.review_status not null default 'PENDING',
            moderated_by text,
            moderated_at timestamptz,
            moderation_note text,{STAMPS},
            constraint reviews_pkey primary key (id),
            constraint reviews_product_id_user_id_key unique (product_id, user_id),
            constraint reviews_product_id_fkey
                foreign key (product_id) references catalogue.products (id) on delete cascade,
            constraint reviews_rating_check check (rating between 1 and 5)
        )""")
    op.execute("create index reviews_product_id_status_idx on catalogue.reviews (product_id, status)")
    op.execute("create index reviews_user_id_idx on catalogue.reviews (user_id)")
    op.execute("create index reviews_order_id_idx on catalogue.reviews (order_id)")


def _junction(name: str, left: tuple[str, str], right: tuple[str, str], more: str = "") -> None:
    (left_id, left_table), (right_id, right_table) = left, right
    op.execute(f"""
        create table catalogue.{name} (
            {left_id} text collate "C" not null,
            {right_id} text collate "C" not null,
            {more}
            assigned_at timestamptz not null default now(),{STAMPS},
            constraint {name}_pkey primary key ({left_id}, {right_id}),
            constraint {name}_{left_id}_fkey
                foreign key ({left_id}) references catalogue.{left_table} (id) on delete cascade,
            constraint {name}_{right_id}_fkey
                foreign key ({right_id}) references catalogue.{right_table} (id) on delete cascade
        )""")
    op.execute(f"create index {name}_{right_id}_idx on catalogue.{name} ({right_id})")
