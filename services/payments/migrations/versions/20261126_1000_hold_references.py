"""What other services' rows are referred to, held by the database; and deletions under way."""

from lumi_common.db.steps import create_reference_tables, drop_reference_tables, hold_reference, release_reference

revision = "20261126_1000"
down_revision = "20261126_0700"

# Table, column, and whose ids it holds.
HELD = (
    ("payments", "order_id", "orders.orders"),
    ("payments", "user_id", "identity.users"),
    ("saved_cards", "user_id", "identity.users"),
)


def upgrade() -> None:
    create_reference_tables("payments")
    for table, column, target in HELD:
        hold_reference("payments", table, column, target)


def downgrade() -> None:
    for table, column, _ in HELD:
        release_reference("payments", table, column)
    drop_reference_tables("payments")
