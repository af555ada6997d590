"""Accounts found by how their e-mail begins, without reading everybody."""

from alembic import op

revision = "20261126_1330"
down_revision = "20261126_1320"


def upgrade() -> None:
    op.execute("create index users_email_prefix_idx on identity.users (lower(email::text) text_pattern_ops)")


def downgrade() -> None:
    op.execute("drop index identity.users_email_prefix_idx")
