"""A small model with everything the data path has words for: owner, version, soft delete, a private column."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Column, Table, Text

from lumi_common.db.record import Aggregate
from lumi_common.db.repository import Repository
from lumi_common.db.tables import (
    common_tables,
    id_column,
    identifier,
    money,
    schema,
    stamps,
    timestamp,
    version,
)

metadata = schema("orders")
common = common_tables(metadata)
widgets = Table(
    "widgets",
    metadata,
    id_column(),
    Column("user_id", identifier),
    Column("name", Text, nullable=False, unique=True),
    Column("secret", Text),
    money("price"),
    Column("deleted_at", timestamp),
    version(),
    *stamps(),
)
notes = Table("notes", metadata, id_column(), Column("body", Text), *stamps())

WIDGET = Aggregate("Widget", widgets, shows="name price deleted_at user_id", keys="user_id")
NOTE = Aggregate("Note", notes, shows="body")


@dataclass
class Widget:
    id: str
    user_id: str | None
    name: str
    secret: str | None
    price: Decimal
    deleted_at: datetime | None = None
    version: int = 1


@dataclass
class Note:
    id: str
    body: str


class WidgetRepository(Repository[Widget]):
    aggregate, common, entity, owner = WIDGET, common, Widget, "user_id"


class NoteRepository(Repository[Note]):
    aggregate, common, entity = NOTE, common, Note
