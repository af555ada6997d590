"""Who is erased in every service, how far that has come, and where they were as staff and as guests forgotten too."""

from alembic import op

revision = "20261126_1320"
down_revision = "20261126_1310"

ID = 'text collate "C"'
STAMPS = "created_at timestamptz not null default now(), updated_at timestamptz not null default now()"


def upgrade() -> None:
    op.execute(f"""
        create table identity.erasures (
            id {ID} not null,
            subject_id {ID} not null,
            requested_by {ID} not null,
            step text not null,
            guest_ids jsonb not null default '[]',
            cart_ids jsonb not null default '[]',
            services jsonb not null default '{{}}',
            next_attempt_at timestamptz not null default now(),
            completed_at timestamptz,
            {STAMPS},
            constraint erasures_pkey primary key (id),
            constraint erasures_subject_id_key unique (subject_id),
            constraint erasures_step_check check (step in ('COUNT', 'ERASE', 'COMPLETE'))
        )""")
    op.execute("create index erasures_due_idx on identity.erasures (next_attempt_at) where step <> 'COMPLETE'")
    # In place of `forget_origins`, which stays for the release before. Beside what they did as themselves: what they
    # did to others' accounts, and what they did before they signed in, to their own account and to the carts of the
    # guests that they were.
    op.execute("""
        create function identity.forget_person(of_user text, carts text[]) returns void
        language sql security definer set search_path = '' as $$
            update identity.audit_logs set user_id = null, ip_address = null, user_agent = null, updated_at = now()
            where user_id = of_user
                or (entity = 'User' and entity_id = of_user and actor_type = 'anonymous')
                or (entity = 'Cart' and entity_id = any(carts) and actor_type = 'guest');
            update identity.security_events set user_id = null, ip_address = null, user_agent = null, updated_at = now()
            where user_id = of_user;
            update identity.security_events set ip_address = null, user_agent = null, updated_at = now()
            where payload ->> 'by' = of_user;
        $$""")
    op.execute("revoke all on function identity.forget_person(text, text[]) from public")
    op.execute("grant execute on function identity.forget_person(text, text[]) to lumi_identity")


def downgrade() -> None:
    op.execute("drop function identity.forget_person(text, text[])")
    op.execute("drop table identity.erasures")
