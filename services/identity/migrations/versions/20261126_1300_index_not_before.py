"""Whose tokens count from a certain moment on, found without reading everybody."""

from alembic import op

revision = "20261126_1300"
down_revision = "20261126_1100"

TABLES = ("users", "user_sessions")


def upgrade() -> None:
    for table in TABLES:
        op.execute(f"create index {table}_not_before_idx on identity.{table} (not_before) where not_before is not null")


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"drop index identity.{table}_not_before_idx")
