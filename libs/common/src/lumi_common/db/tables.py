"""Columns that every table shares, and the tables that every schema has."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

NAMING = {
    "pk": "%(table_name)s_pkey",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "ck": "%(table_name)s_%(constraint_name)s_check",
}

timestamp = DateTime(timezone=True)
identifier = Text(collation="C")


def schema(name: str) -> MetaData:
    """A bounded context's metadata: its schema, and names for every constraint."""
    return MetaData(schema=name, naming_convention=NAMING)


def id_column() -> Column[str]:
    """The cuid that the service makes; in collation C, so that ids sort by time of creation."""
    return Column("id", identifier, primary_key=True)


def stamps() -> tuple[Column[Any], Column[Any]]:
    """`created_at` and `updated_at`, by the database's clock."""
    return (
        Column("created_at", timestamp, nullable=False, server_default=func.now()),
        Column("updated_at", timestamp, nullable=False, server_default=func.now()),
    )


def version() -> Column[int]:
    """The optimistic lock: 1 at creation, one more with every recorded change."""
    return Column("version", Integer, nullable=False, server_default=text("1"))


def money(name: str, *, digits: int = 14, **options: Any) -> Column[Any]:
    """An exact amount with two decimals."""
    options.setdefault("nullable", False)
    return Column(name, Numeric(digits, 2), **options)


@dataclass(frozen=True, slots=True)
class CommonTables:
    """The tables that libs/common owns in each schema."""

    outbox: Table
    inbox: Table
    inbox_versions: Table
    dead_letters: Table
    request_ids: Table
    reference_targets: Table
    deletions: Table


def common_tables(metadata: MetaData) -> CommonTables:
    """Declare in this schema what libs/common keeps: events, answers, and what holds references across services."""
    outbox = Table(
        "outbox_events",
        metadata,
        Column("seq", BigInteger, Identity(), primary_key=True),
        Column("id", Uuid, nullable=False, server_default=text("uuidv7()"), unique=True),
        Column("aggregate", Text, nullable=False),
        Column("aggregate_id", identifier, nullable=False),
        Column("version", BigInteger, nullable=False),
        Column("type", Text, nullable=False),
        Column("records", JSONB, nullable=False),
        Column("headers", JSONB, nullable=False),
        Column("created_at", timestamp, nullable=False, server_default=func.now()),
        Column("published_at", timestamp),
    )
    Index("outbox_events_unpublished_idx", outbox.c.seq, postgresql_where=outbox.c.published_at.is_(None))
    inbox = Table(
        "inbox_events",
        metadata,
        Column("consumer", Text, primary_key=True),
        Column("event_id", Uuid, primary_key=True),
        Column("applied_at", timestamp, nullable=False, server_default=func.now()),
    )
    inbox_versions = Table(
        "inbox_versions",
        metadata,
        Column("consumer", Text, primary_key=True),
        Column("aggregate", Text, primary_key=True),
        Column("aggregate_id", identifier, primary_key=True),
        Column("version", BigInteger, nullable=False),
        Column("parked", Boolean, nullable=False, server_default=text("false")),
        *stamps(),
    )
    dead_letters = Table(
        "dead_letters",
        metadata,
        id_column(),
        Column("consumer", Text, nullable=False, index=True),
        Column("event_id", Text, nullable=False),
        Column("subject", Text, nullable=False),
        Column("payload", LargeBinary, nullable=False),
        Column("error", Text, nullable=False),
        Column("attempts", Integer, nullable=False),
        *stamps(),
    )
    request_ids = Table(
        "request_ids",
        metadata,
        Column("principal", identifier, primary_key=True),
        Column("method", identifier, primary_key=True),
        Column("request_id", identifier, primary_key=True),
        Column("request_hash", LargeBinary, nullable=False),
        Column("response", LargeBinary),
        Column("expires_at", timestamp, nullable=False, index=True),
        *stamps(),
    )
    reference_targets = Table(
        "reference_targets",
        metadata,
        Column("kind", Text, primary_key=True),
        Column("id", identifier, primary_key=True),
        Column("gone_at", timestamp),
    )
    deletions = Table(
        "deletions",
        metadata,
        id_column(),
        Column("kind", Text, nullable=False),
        Column("entity_id", identifier, nullable=False),
        Column("step", Text, nullable=False),
        Column("deadline", timestamp, nullable=False, index=True),
        *stamps(),
        CheckConstraint("step in ('FENCE', 'UNFENCE')", name="step"),
    )
    # One deletion of a row at a time.
    Index("deletions_kind_entity_id_key", deletions.c.kind, deletions.c.entity_id, unique=True)
    return CommonTables(outbox, inbox, inbox_versions, dead_letters, request_ids, reference_targets, deletions)
