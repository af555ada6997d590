"""The CHECKs of the two steps before hold for what was there already; read while others write."""

from alembic import op

revision = "20261126_0702"
down_revision = "20261126_0701"


def upgrade() -> None:
    op.execute("alter table orders.orders validate constraint orders_amounts_check")
    op.execute("alter table orders.order_items validate constraint order_items_amounts_check")


def downgrade() -> None:
    """Nothing: what is valid stays so."""
