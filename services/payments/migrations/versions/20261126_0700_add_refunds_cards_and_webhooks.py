"""Money given back, cards to pay with again, and what providers tell."""

from alembic import op

revision = "20261126_0700"
down_revision = "20261122_1700"


def upgrade() -> None:
    op.execute("""
        create table payments.payment_refunds (
            id text collate "C" not null,
            payment_id text collate "C" not null,
            amount numeric(14, 2) not null,
            currency text not null,
            status text not null,
            reason text,
            transaction_id text,
            created_at timestamptz not null default now(),
            updated_at timestamptz not null default now(),
            constraint payment_refunds_pkey primary key (id),
            constraint payment_refunds_payment_id_fkey foreign key (payment_id)
                references payments.payments (id) on delete cascade,
            constraint payment_refunds_amount_check check (amount > 0),
            constraint payment_refunds_status_check check (status in ('PENDING', 'SUCCEEDED', 'FAILED'))
        )""")
    op.execute("create index payment_refunds_payment_id_idx on payments.payment_refunds (payment_id)")
    op.execute("""
        create table payments.saved_cards (
            id text collate "C" not null,
            user_id text collate "C" not null,
            provider payments.payment_provider not null,
            card_token text not null,
            brand text,
            bin text,
            last4 text,
            holder text,
            exp_month smallint,
            exp_year smallint,
            is_default boolean not null default false,
            created_at timestamptz not null default now(),
            updated_at timestamptz not null default now(),
            constraint saved_cards_pkey primary key (id),
            constraint saved_cards_card_token_key unique (card_token)
        )""")
    op.execute("create index saved_cards_user_id_idx on payments.saved_cards (user_id)")
    op.execute("create unique index saved_cards_one_default_key on payments.saved_cards (user_id) where is_default")
    op.execute("""
        create table payments.webhook_events (
            id text collate "C" not null,
            provider payments.payment_provider not null,
            event_id text not null,
            payload jsonb not null,
            applied_at timestamptz,
            created_at timestamptz not null default now(),
            updated_at timestamptz not null default now(),
            constraint webhook_events_pkey primary key (id),
            constraint webhook_events_provider_event_id_key unique (provider, event_id)
        )""")


def downgrade() -> None:
    for table in ("webhook_events", "saved_cards", "payment_refunds"):
        op.execute(f"drop table payments.{table}")
