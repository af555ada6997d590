"""Payments and their steps."""

from alembic import op

from lumi_common.db.steps import create_common_tables, drop_common_tables

revision = "20261122_1700"
down_revision = None


def upgrade() -> None:
    create_common_tables("payments")
    op.execute("create type payments.payment_provider as enum ('IYZICO', 'STRIPE', 'PAYPAL', 'MANUAL')")
    op.execute("""
        create type payments.payment_status as enum ('INITIATED', 'AUTHORIZED', 'SETTLED', 'FAILED', 'REFUNDED')""")
    op.execute("""
        create table payments.payments (
            id text collate "C" not null,
            order_id text collate "C" not null,
            user_id text collate "C",
            provider payments.payment_provider not null,
            status payments.payment_status not null default 'INITIATED',
            transaction_id text,
            conversation_id text,
            amount numeric(14, 2) not null,
            currency text not null default 'TRY',
            authorized_amount numeric(14, 2) not null default 0,
            captured_amount numeric(14, 2) not null default 0,
            refunded_amount numeric(14, 2) not null default 0,
            installments smallint,
            card_brand text,
            card_bin text,
            card_last4 text,
            card_holder text,
            card_family text,
            card_association text,
            card_exp_month smallint,
            card_exp_year smallint,
            fraud_score numeric(5, 2),
            risk_flags jsonb,
            authorized_at timestamptz,
            settled_at timestamptz,
            failed_at timestamptz,
            failure_code text,
            failure_message text,
            raw_payload jsonb,
            order_reference text not null,
            version integer not null default 1,
            created_at timestamptz not null default now(),
            updated_at timestamptz not null default now(),
            constraint payments_pkey primary key (id),
            constraint payments_captured_check check
                (0 <= refunded_amount and refunded_amount <= captured_amount and captured_amount <= amount),
            constraint payments_authorized_check check (0 <= authorized_amount and authorized_amount <= amount)
        )""")
    op.execute("create index payments_order_id_idx on payments.payments (order_id)")
    op.execute("create index payments_user_id_idx on payments.payments (user_id)")
    op.execute(
        "create unique index payments_provider_transaction_id_key on payments.payments (provider, transaction_id)"
    )
    op.execute("create unique index payments_open_key on payments.payments (order_id) where status <> 'FAILED'")
    op.execute("""
        create table payments.payment_steps (
            id text collate "C" not null,
            payment_id text collate "C" not null,
            kind text not null,
            amount numeric(14, 2),
            provider_event_id text,
            payload jsonb,
            created_at timestamptz not null default now(),
            updated_at timestamptz not null default now(),
            constraint payment_steps_pkey primary key (id),
            constraint payment_steps_payment_id_fkey foreign key (payment_id)
                references payments.payments (id) on delete cascade
        )""")
    op.execute("create index payment_steps_payment_id_idx on payments.payment_steps (payment_id)")


def downgrade() -> None:
    op.execute("drop table payments.payment_steps")
    op.execute("drop table payments.payments")
    op.execute("drop type payments.payment_status")
    op.execute("drop type payments.payment_provider")
    drop_common_tables("payments")
