"""Who tried to sign in too often, and how often a challenge was answered wrongly."""

from alembic import op

revision = "20261126_1310"
down_revision = "20261126_1300"

ID = 'text collate "C"'
STAMPS = "created_at timestamptz not null default now(), updated_at timestamptz not null default now()"


def upgrade() -> None:
    op.execute(f"""
        create table identity.sign_in_attempts (
            account_key text not null,
            source_key text not null,
            user_id {ID},
            failures integer not null,
            counts_until timestamptz not null,
            blocked_until timestamptz,
            known_until timestamptz,
            expires_at timestamptz not null,
            {STAMPS},
            constraint sign_in_attempts_pkey primary key (account_key, source_key),
            constraint sign_in_attempts_user_id_fkey foreign key (user_id) references identity.users (id)
                on delete cascade
        )""")
    op.execute("create index sign_in_attempts_user_id_idx on identity.sign_in_attempts (user_id)")
    op.execute("create index sign_in_attempts_expires_at_idx on identity.sign_in_attempts (expires_at)")
    op.execute("alter table identity.one_time_tokens add column tries integer not null default 0")


def downgrade() -> None:
    op.execute("alter table identity.one_time_tokens drop column tries")
    op.execute("drop table identity.sign_in_attempts")
