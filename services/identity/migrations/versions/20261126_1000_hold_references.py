"""What other services' rows are referred to, held by the database; and deletions under way."""

from lumi_common.db.steps import create_reference_tables, drop_reference_tables

revision = "20261126_1000"
down_revision = "20261126_0700"


def upgrade() -> None:
    create_reference_tables("identity")


def downgrade() -> None:
    drop_reference_tables("identity")
