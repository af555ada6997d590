"""The schemas as plain facts: what the services' tables say, beside the words that people wrote about them."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import sqlalchemy as sql
from sqlalchemy.dialects import postgresql

from lumi_common.db.references import references
from lumi_common.db.tables import common_tables, identifier, schema
from lumi_schema.words import Words, read_words

CONTEXTS = ("identity", "catalogue", "orders", "payments", "marketing")
EVERY = "every"
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
_SHORT = {"timestamp with time zone": "timestamptz", "boolean": "bool", "integer": "int"}


@dataclass(frozen=True, slots=True)
class Link:
    """What a column's ids name: `target` is `identity.users`; a foreign key unless it `crosses` a service."""

    target: str
    on_delete: str
    crosses: bool = False
    snapshot: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `default` as SQL has it, but for the quotes."""

    name: str
    type: str
    nullable: bool
    default: str | None
    in_key: bool
    unique: bool
    link: Link | None
    about: str


@dataclass(frozen=True, slots=True)
class Index:
    """An index beside the primary key's; `where` is the condition of a partial one."""

    columns: tuple[str, ...]
    unique: bool
    method: str = "btree"
    where: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table; `model` is the seed's name of it, None where the design adds it."""

    schema: str
    name: str
    model: str | None
    about: str
    columns: tuple[Column, ...]
    indexes: tuple[Index, ...]
    checks: tuple[str, ...]

    @property
    def full_name(self) -> str:
        """`identity.users`."""
        return f"{self.schema}.{self.name}"

    @property
    def key(self) -> tuple[str, ...]:
        """The primary key's columns."""
        return tuple(column.name for column in self.columns if column.in_key)

    @property
    def links(self) -> list[tuple[Column, Link]]:
        """The columns that name other rows."""
        return [(column, column.link) for column in self.columns if column.link]


@dataclass(frozen=True, slots=True)
class Enum:
    """A type with its values in order, and the columns that have it."""

    name: str
    values: tuple[str, ...]
    about: str
    used_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Context:
    """A service's schema, without what every schema has."""

    name: str
    title: str
    about: str
    tables: tuple[Table, ...]
    enums: tuple[Enum, ...]


def read_contexts() -> list[Context]:
    """The five services' schemas; UnknownWords where words and tables do not meet."""
    shared = {table.name for table in _every().tables.values()}
    found = []
    for name in CONTEXTS:
        metadata = import_module(f"lumi_{name}.storage.tables").metadata
        own = {table.name: table for table in metadata.tables.values() if table.name not in shared}
        found.append(_context(name, metadata, own))
    return found


def read_every() -> Context:
    """What libs/common adds to each schema."""
    metadata = _every()
    return _context(EVERY, metadata, {table.name: table for table in metadata.tables.values()})


def _every() -> sql.MetaData:
    metadata = schema(EVERY)
    common_tables(metadata)
    return metadata


def _context(name: str, metadata: sql.MetaData, own: dict[str, sql.Table]) -> Context:
    words = read_words(name)
    types = {
        column.type.name: column.type
        for table in own.values()
        for column in table.columns
        if isinstance(column.type, sql.Enum) and column.type.name
    }
    words.expect({table.name: set(table.columns.keys()) for table in own.values()}, set(types))
    crossing = {
        column: Link(reference.target, reference.on_delete, True, reference.snapshot)
        for column, reference in references(metadata)
    }
    enums = tuple(_enum(types[name], about, own.values()) for name, about in words.enums.items())
    return Context(
        name=name,
        title=words.title,
        about=words.about,
        tables=tuple(_table(own[name], words, crossing) for name in words.tables),
        enums=enums,
    )


def _enum(of: sql.Enum, about: str, tables: Collection[sql.Table]) -> Enum:
    used_by = (
        f"{table.name}.{column.name}"
        for table in tables
        for column in table.columns
        if isinstance(column.type, sql.Enum) and column.type.name == of.name
    )
    return Enum(str(of.name), tuple(map(str, of.enums)), about, tuple(used_by))


def _table(table: sql.Table, words: Words, crossing: dict[Any, Link]) -> Table:
    written = words.tables[table.name]
    indexes = tuple(sorted(_indexes(table), key=lambda index: (index.columns, index.unique, index.where or "")))
    alone = {index.columns[0] for index in indexes if index.unique and len(index.columns) == 1 and not index.where}
    columns = tuple(
        Column(
            name=column.name,
            type=_type(column),
            nullable=bool(column.nullable),
            default=_default(column),
            in_key=column.primary_key,
            unique=column.name in alone,
            link=crossing.get(column) or _foreign_key(column),
            about=written.get("columns", {}).get(column.name, ""),
        )
        for column in table.columns
    )
    checks = (_words_of(check.sqltext) for check in table.constraints if isinstance(check, sql.CheckConstraint))
    return Table(
        schema=str(table.schema),
        name=table.name,
        model=written.get("model"),
        about=written["about"].strip(),
        columns=columns,
        indexes=indexes,
        checks=tuple(sorted(checks)),
    )


def _type(column: sql.Column[Any]) -> str:
    if isinstance(column.type, sql.Enum):
        return str(column.type.name)
    if isinstance(column.type, sql.Text) and column.type.collation == identifier.collation:
        return "id"
    name = str(column.type.compile(_DIALECT)).lower().replace(", ", ",")
    return _SHORT.get(name, name)


def _default(column: sql.Column[Any]) -> str | None:
    if column.identity is not None:
        return "identity"
    if not isinstance(column.server_default, sql.DefaultClause):
        return None
    given = column.server_default.arg
    text = str(given.compile(dialect=_DIALECT)) if isinstance(given, sql.ClauseElement) else str(given)
    return text.strip("'")


def _foreign_key(column: sql.Column[Any]) -> Link | None:
    for key in column.foreign_keys:
        return Link(f"{key.column.table.schema}.{key.column.table.name}", key.ondelete or "NO ACTION")
    return None


def _indexes(table: sql.Table) -> Iterator[Index]:
    for constraint in table.constraints:
        if isinstance(constraint, sql.UniqueConstraint):
            yield Index(tuple(constraint.columns.keys()), unique=True)
    for index in table.indexes:
        options = index.dialect_options["postgresql"]
        where = options["where"]
        yield Index(
            columns=tuple(index.columns.keys()),
            unique=bool(index.unique),
            method=options["using"] or "btree",
            where=None if where is None else _words_of(where),
        )


def _words_of(expression: sql.ColumnElement[Any] | sql.TextClause) -> str:
    """SQL on one line, columns without their table."""
    compiler = _DIALECT.statement_compiler(_DIALECT, None)
    text = compiler.process(expression, include_table=False, literal_binds=True)
    return " ".join(
        text.replace(" IS NULL", " is null").replace(" IS NOT NULL", " is not null").replace("!=", "<>").split()
    )
