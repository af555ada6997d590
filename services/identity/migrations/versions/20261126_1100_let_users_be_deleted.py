"""Which status a deleted user comes back to, and the one way to forget where a purged one was."""

from alembic import op

revision = "20261126_1100"
down_revision = "20261126_1000"


def upgrade() -> None:
    op.execute("alter table identity.users add column status_before_deletion identity.user_status")
    # The service may not change what is filed: this may, and only so far.
    op.execute("""
        create function identity.forget_origins(of_user text) returns void
        language sql security definer set search_path = '' as $$
            update identity.audit_logs set user_id = null, ip_address = null, user_agent = null, updated_at = now()
            where user_id = of_user;
            update identity.security_events set user_id = null, ip_address = null, user_agent = null, updated_at = now()
            where user_id = of_user;
        $$""")
    op.execute("revoke all on function identity.forget_origins(text) from public")
    op.execute("grant execute on function identity.forget_origins(text) to lumi_identity")


def downgrade() -> None:
    op.execute("drop function identity.forget_origins(text)")
    op.execute("alter table identity.users drop column status_before_deletion")
