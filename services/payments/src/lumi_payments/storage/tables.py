"""The payments schema, as Alembic compares it."""

from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Enum,
    ForeignKey,
    Index,
    Numeric,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from lumi_common.db.personal import personal
from lumi_common.db.record import Aggregate
from lumi_common.db.references import refers_to
from lumi_common.db.tables import common_tables, id_column, identifier, money, schema, stamps, timestamp, version
from lumi_payments.domain.payment import Provider, Status

metadata = schema("payments")
common = common_tables(metadata)

payment_provider = Enum(Provider, name="payment_provider", schema="payments")


def _amount(name: str) -> Column[Any]:
    return money(name, server_default=text("0"))


payments = Table(
    "payments",
    metadata,
    id_column(),
    Column(
        "order_id",
        identifier,
        nullable=False,
        index=True,
        info=refers_to("orders.orders", "RESTRICT", "order_reference"),
    ),
    Column("user_id", identifier, index=True, info=refers_to("identity.users", "SET NULL")),
    Column("provider", payment_provider, nullable=False),
    Column(
        "status", Enum(Status, name="payment_status", schema="payments"), nullable=False, server_default="INITIATED"
    ),
    Column("transaction_id", Text),
    Column("conversation_id", Text),
    money("amount"),
    Column("currency", Text, nullable=False, server_default="TRY"),
    _amount("authorized_amount"),
    _amount("captured_amount"),
    _amount("refunded_amount"),
    Column("installments", SmallInteger),
    *(
        Column(f"card_{name}", Text, info=personal("card", "kept"))
        for name in ("brand", "bin", "last4", "holder", "family", "association")
    ),
    Column("card_exp_month", SmallInteger, info=personal("card", "kept")),
    Column("card_exp_year", SmallInteger, info=personal("card", "kept")),
    Column("fraud_score", Numeric(5, 2)),
    Column("risk_flags", JSONB, info=personal("provider's view of them", "kept")),
    Column("authorized_at", timestamp),
    Column("settled_at", timestamp),
    Column("failed_at", timestamp),
    Column("failure_code", Text),
    Column("failure_message", Text, info=personal("provider's words", "kept")),
    Column("raw_payload", JSONB, info=personal("provider's words", "kept")),
    Column("order_reference", Text, nullable=False),
    version(),
    *stamps(),
    CheckConstraint(
        "0 <= refunded_amount and refunded_amount <= captured_amount and captured_amount <= amount", name="captured"
    ),
    CheckConstraint("0 <= authorized_amount and authorized_amount <= amount", name="authorized"),
)
# A transaction id is its provider's own; another's may be the same.
Index("payments_provider_transaction_id_key", payments.c.provider, payments.c.transaction_id, unique=True)
# Of an order's payments one at most can still take money or has it (M5).
Index("payments_open_key", payments.c.order_id, unique=True, postgresql_where=payments.c.status != text("'FAILED'"))

payment_steps = Table(
    "payment_steps",
    metadata,
    id_column(),
    Column("payment_id", identifier, ForeignKey(payments.c.id, ondelete="CASCADE"), nullable=False, index=True),
    Column("kind", Text, nullable=False),
    money("amount", nullable=True),
    Column("provider_event_id", Text),
    Column("payload", JSONB, info=personal("provider's words", "kept")),
    *stamps(),
)

payment_refunds = Table(
    "payment_refunds",
    metadata,
    id_column(),
    Column("payment_id", identifier, ForeignKey(payments.c.id, ondelete="CASCADE"), nullable=False, index=True),
    money("amount"),
    Column("currency", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text, info=personal("words of theirs", "kept")),
    Column("transaction_id", Text),
    *stamps(),
    CheckConstraint("amount > 0", name="amount"),
    CheckConstraint("status in ('PENDING', 'SUCCEEDED', 'FAILED')", name="status"),
)

# Of a card, what a shopper tells it by: never its number.
saved_cards = Table(
    "saved_cards",
    metadata,
    id_column(),
    Column("user_id", identifier, nullable=False, index=True, info=refers_to("identity.users", "CASCADE")),
    Column("provider", payment_provider, nullable=False),
    Column("card_token", Text, nullable=False, unique=True, info=personal("card", shown=False)),
    *(Column(name, Text, info=personal("card")) for name in ("brand", "bin", "last4", "holder")),
    Column("exp_month", SmallInteger),
    Column("exp_year", SmallInteger),
    Column("is_default", Boolean, nullable=False, server_default=text("false")),
    *stamps(),
)
Index("saved_cards_one_default_key", saved_cards.c.user_id, unique=True, postgresql_where=saved_cards.c.is_default)

webhook_events = Table(
    "webhook_events",
    metadata,
    id_column(),
    Column("provider", payment_provider, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("payload", JSONB, nullable=False, info=personal("provider's words", shown=False)),
    Column("applied_at", timestamp),
    *stamps(),
    UniqueConstraint("provider", "event_id"),
)

PAYMENT = Aggregate(
    "Payment",
    payments,
    shows="order_id order_reference user_id provider status transaction_id amount currency authorized_amount "
    "captured_amount refunded_amount authorized_at settled_at failed_at failure_code",
    keys="order_id user_id status amount currency",
)
SAVED_CARD = Aggregate("SavedCard", saved_cards, shows="user_id provider brand is_default", keys="user_id")
# Why money goes back is told to its owner and to staff who look, not to whoever hears of it.
PAYMENT_REFUND = Aggregate(
    "PaymentRefund",
    payment_refunds,
    shows="payment_id amount currency status transaction_id",
    keys="payment_id",
)
