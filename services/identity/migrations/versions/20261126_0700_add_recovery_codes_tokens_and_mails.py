"""Recovery codes, one-time tokens, and mails that wait to be sent."""

from alembic import op

revision = "20261126_0700"
down_revision = "20261122_1600"

ID = 'text collate "C"'
STAMPS = "created_at timestamptz not null default now(), updated_at timestamptz not null default now()"


def upgrade() -> None:
    op.execute(f"""
        create table identity.recovery_codes (
            id {ID} not null,
            user_id {ID} not null,
            code_hash text not null,
            used_at timestamptz,
            {STAMPS},
            constraint recovery_codes_pkey primary key (id),
            constraint recovery_codes_user_id_fkey foreign key (user_id) references identity.users (id)
                on delete cascade
        )""")
    op.execute("create index recovery_codes_user_id_idx on identity.recovery_codes (user_id)")
    op.execute(f"""
        create table identity.one_time_tokens (
            id {ID} not null,
            user_id {ID} not null,
            purpose text not null,
            token_hash text not null,
            expires_at timestamptz not null,
            used_at timestamptz,
            {STAMPS},
            constraint one_time_tokens_pkey primary key (id),
            constraint one_time_tokens_token_hash_key unique (token_hash),
            constraint one_time_tokens_user_id_fkey foreign key (user_id) references identity.users (id)
                on delete cascade
        )""")
    op.execute("create index one_time_tokens_user_id_idx on identity.one_time_tokens (user_id)")
    op.execute(f"""
        create table identity.mails (
            id {ID} not null,
            recipient text not null,
            template text not null,
            payload jsonb not null,
            attempts integer not null default 0,
            next_attempt_at timestamptz not null,
            {STAMPS},
            constraint mails_pkey primary key (id)
        )""")
    op.execute("create index mails_next_attempt_at_idx on identity.mails (next_attempt_at)")


def downgrade() -> None:
    for table in ("mails", "one_time_tokens", "recovery_codes"):
        op.execute(f"drop table identity.{table}")
