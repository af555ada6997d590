"""What of a schema is about a person, declared beside the column that holds it.

From the declarations, the references and the foreign keys follow what somebody is shown of themselves, what erasing
them takes, and what there must be nothing of afterwards.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal, NamedTuple, TypeAlias

from sqlalchemy import (
    Column,
    ColumnElement,
    Integer,
    LargeBinary,
    MetaData,
    Select,
    Table,
    Text,
    bindparam,
    case,
    false,
    func,
    literal_column,
    null,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB

from lumi_common.db.references import references
from lumi_common.db.statement import Statement

PERSON = "identity.users"
Erasing: TypeAlias = Literal["goes", "blanked", "kept"]
_KEY = "personal"


@dataclass(frozen=True, slots=True)
class Personal:
    """What a column tells of somebody: `what` in a word or two, and what erasing them does to it.

    It `goes` with its row, is `blanked` when the row is nobody's any more, or is `kept` as long as the law wants the
    row whole, until a job blanks it. What is not `shown` is a secret of ours, not news to its person.
    """

    what: str
    erasing: Erasing
    shown: bool = True


def personal(what: str, erasing: Erasing = "goes", *, shown: bool = True) -> dict[str, Any]:
    """The `info` of such a column: `Column("phone", Text, info=personal("phone number"))`."""
    return {_KEY: Personal(what, erasing, shown)}


def declared(table: Table) -> Iterator[tuple[Column[Any], Personal]]:
    """The personal columns of a table."""
    for column in table.columns:
        if _KEY in column.info:
            yield column, column.info[_KEY]


def blanked(table: Table) -> dict[str, None]:
    """The columns that are emptied when a row of this table is nobody's any more, as an update's values."""
    return {column.name: None for column, of in declared(table) if of.erasing == "blanked"}


def kept(table: Table) -> dict[str, None]:
    """The columns that are emptied when the time is over for which they have to be kept, as an update's values."""
    return {column.name: None for column, of in declared(table) if of.erasing == "kept"}


class Key(NamedTuple):
    """Where an export stands: the table and the key of the row that came last."""

    table: str
    key: str


# Rows for which the condition is true are shown without the columns.
Withheld: TypeAlias = tuple[ColumnElement[bool], Collection[Column[Any]]]


class Shown(NamedTuple):
    """A row about somebody; what is no JSON is text in it, numbers with a fraction too."""

    table: str
    key: str
    row: dict[str, Any]


class People:
    """What one schema has of people.

    `impersonal` names the columns, by table, that may hold text and yet tell of nobody. `of` says for tables that
    neither refer to a user nor go with a row that does, which of their rows are about `user_id`. `withheld` has, by
    table, which rows are shown without some of their columns.
    """

    def __init__(
        self,
        metadata: MetaData,
        impersonal: Mapping[str, str],
        *,
        of: Mapping[str, ColumnElement[bool]] | None = None,
        withheld: Mapping[str, Withheld] | None = None,
    ) -> None:
        self.metadata, self.impersonal = metadata, {name: each.split() for name, each in impersonal.items()}
        self._about = dict(_about(metadata))
        self._about |= {metadata.tables[f"{metadata.schema}.{name}"]: which for name, which in (of or {}).items()}
        self._named = [(table, column) for table, column in _naming(metadata) if table in self._about]
        # Sorted by their names: an export goes on where it was, whatever is declared meanwhile.
        self._shown = {
            table.name: Statement(_rows(table, about, (withheld or {}).get(table.name)))
            for table, about in sorted(self._about.items(), key=lambda each: each[0].name)
        }
        counts = [
            select(literal_column(f"'{table.name}'", Text).label("name"), func.count().label("rows")).where(
                column == _USER_ID
            )
            for table, column in self._named
        ]
        self.naming = Statement(union_all(*counts)) if counts else None
        """How many rows name `user_id` still: `name`, of the table, and `rows`."""

    @property
    def tables(self) -> list[Table]:
        """Those that have rows about somebody."""
        return list(self._about)

    def about(self, table: Table) -> ColumnElement[bool]:
        """Which rows of one of them are about `user_id`."""
        return self._about[table]

    async def shown(self, on: Any, user_id: str, after: Key, limit: int) -> list[Shown]:
        """So many rows about somebody, in the order of tables and keys, beginning behind `after`."""
        found: list[Shown] = []
        for name, statement in self._shown.items():
            if name < after.table:
                continue
            key = after.key if name == after.table else ""
            rows = await on.fetch(statement, user_id=user_id, after=key, limit=limit - len(found))
            found += [Shown(name, row["key"], row["row"]) for row in rows]
            if len(found) == limit:
                break
        return found

    def faults(self) -> Iterator[str]:
        """What is not declared, or cannot be kept, in words."""
        ours = [table for table in self.metadata.sorted_tables if table.name not in _COMMON_TABLES]
        for table in ours:
            yield from self._faults(table)
        for name, columns in self.impersonal.items():
            known = self.metadata.tables.get(f"{self.metadata.schema}.{name}")
            for each in columns:
                if known is None or each not in known.c:
                    yield f"{name}.{each} is said to be about nobody, and is not there"

    def _faults(self, table: Table) -> Iterator[str]:
        said = {column.name: of for column, of in declared(table)}
        for column in table.columns:
            name, of = f"{table.name}.{column.name}", said.get(column.name)
            if of is None:
                if holds_text(column) and column.name not in self.impersonal.get(table.name, ()):
                    yield f"{name} does not say whether it is about a person"
                continue
            if column.name in self.impersonal.get(table.name, ()):
                yield f"{name} is said to be personal, and to be about nobody"
            if of.erasing != "goes" and not column.nullable:
                yield f"{name} is to be emptied, and must be nullable"
            if table not in self._about:
                yield f"{name} is personal, and nothing says whose it is"
            elif (of.erasing == "goes") != goes(table):
                yield f"{name} {'stays' if of.erasing == 'goes' else 'goes'} when its person goes"


_USER_ID = bindparam("user_id", type_=Text)
_COMMON_TABLES = frozenset(
    ("outbox_events", "inbox_events", "inbox_versions", "dead_letters", "request_ids", "reference_targets", "deletions")
)


def holds_text(column: Column[Any]) -> bool:
    """Whether anything could be written into a column: ids, numbers, times and enums are not asked about."""
    kind = column.type
    if isinstance(kind, Text):
        return kind.collation != "C"
    return isinstance(kind, (JSONB, LargeBinary)) or kind.__class__.__name__ in ("CITEXT", "ARRAY")


def goes(table: Table) -> bool:
    """Whether a row of this table goes when the person that it is about does."""
    if table.fullname == PERSON:
        return True
    rules = [rule for _, rule in _rules(table)]
    return any(rule == "CASCADE" for rule in rules) or (not rules and _goes_with_another(table))


def _goes_with_another(table: Table) -> bool:
    parents = [key.column.table for key in table.foreign_keys if key.ondelete == "CASCADE"]
    # What neither refers to a user nor goes with a row is erased by who knows whose it is.
    return not parents or any(goes(parent) for parent in parents if parent is not table)


def _rules(table: Table) -> Iterator[tuple[Column[Any], str]]:
    """The columns of a table that name a user, and what becomes of the row when that goes."""
    for column in table.columns:
        for key in column.foreign_keys:
            if key.column.table.fullname == PERSON:
                yield column, str(key.ondelete)
    for column, reference in references(table.metadata):
        if column.table is table and reference.target == PERSON:
            yield column, reference.on_delete


def _naming(metadata: MetaData) -> Iterator[tuple[Table, Column[Any]]]:
    for table in metadata.sorted_tables:
        for column, _ in _rules(table):
            yield table, column


def _about(metadata: MetaData) -> Iterator[tuple[Table, ColumnElement[bool]]]:
    """The tables with rows about somebody, and which of them are about `user_id`; parents before children."""
    known: dict[Table, ColumnElement[bool]] = {}
    for table in metadata.sorted_tables:
        if table.fullname == PERSON:
            known[table] = table.c.id == _USER_ID
        elif own := [column for column, _ in _rules(table)]:
            known[table] = own[0] == _USER_ID
        else:
            for key in sorted(table.foreign_keys, key=lambda each: each.parent.name):
                parent = key.column.table
                if key.ondelete == "CASCADE" and parent in known:
                    known[table] = key.parent.in_(select(parent.c.id).where(known[parent]))
                    break
    yield from known.items()


def _rows(table: Table, about: ColumnElement[bool], withheld: Withheld | None) -> Select[Any]:
    """A page of a table's rows about somebody: `key`, and `row` without what is not shown."""
    key: ColumnElement[Any] = func.concat_ws("/", *table.primary_key.columns)
    if len(table.primary_key.columns) == 1:
        key = next(iter(table.primary_key.columns))
    told = [column for column in table.columns if getattr(column.info.get(_KEY), "shown", True)]
    when, hidden = withheld or (false(), ())
    # PostgreSQL takes a hundred arguments: fifty columns, which no table of ours has.
    pairs: Iterator[Any] = chain.from_iterable(
        (literal_column(f"'{column.name}'"), case((when, null()), else_=column) if column in hidden else column)
        for column in told
    )
    row = func.jsonb_strip_nulls(func.jsonb_build_object(*pairs, type_=JSONB), type_=JSONB)
    return (
        select(key.label("key"), row.label("row"))
        .where(about, key > bindparam("after", type_=Text))
        .order_by(key)
        .limit(bindparam("limit", type_=Integer))
    )
