"""What other services' rows are referred to, held by the database; and deletions under way."""

from lumi_common.db.steps import create_reference_tables, drop_reference_tables, hold_reference, release_reference

revision = "20261126_1000"
down_revision = "20261126_0702"

# Table, column, and whose ids it holds.
HELD = (
    ("carts", "user_id", "identity.users"),
    ("cart_items", "product_variant_id", "catalogue.product_variants"),
    ("orders", "user_id", "identity.users"),
    ("orders", "shipping_address_id", "identity.addresses"),
    ("orders", "billing_address_id", "identity.addresses"),
    ("order_items", "product_id", "catalogue.products"),
    ("order_items", "product_variant_id", "catalogue.product_variants"),
)


def upgrade() -> None:
    create_reference_tables("orders")
    for table, column, target in HELD:
        hold_reference("orders", table, column, target)


def downgrade() -> None:
    for table, column, _ in HELD:
        release_reference("orders", table, column)
    drop_reference_tables("orders")
