"""What other services' rows are referred to, held by the database; and deletions under way."""

from lumi_common.db.steps import create_reference_tables, drop_reference_tables, hold_reference, release_reference

revision = "20261126_1000"
down_revision = "20261122_1700"

# Table, column, and whose ids it holds.
HELD = (
    ("coupon_usages", "user_id", "identity.users"),
    ("coupon_usages", "order_id", "orders.orders"),
)


def upgrade() -> None:
    create_reference_tables("marketing")
    for table, column, target in HELD:
        hold_reference("marketing", table, column, target)


def downgrade() -> None:
    for table, column, _ in HELD:
        release_reference("marketing", table, column)
    drop_reference_tables("marketing")
