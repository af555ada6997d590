"""The hand-written description in `seed/`, read; and the DDL that it stands for, so that PostgreSQL spells it."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SEED = Path(__file__).parent / "seed"
CONTEXTS = ("identity", "catalogue", "orders", "payments", "marketing")

RULES = {"C": "CASCADE", "N": "SET NULL", "R": "RESTRICT"}
TYPES = {"id": 'text collate "C"', "money": "numeric(14,2)"}
_WORDS = {"true", "false"}
_COLUMN = re.compile(
    r"""(?P<name>\w+) \s+ (?P<type>[\w(),\[\]]+) (?P<nullable>\?)?
    (?:\s+ (?P<identity>identity))?
    (?:\s+ =(?P<default>\S+))?
    (?:\s+ →(?P<parent>\w+) \s (?P<parent_rule>[CNR]))?
    (?:\s+ ⇢(?P<target>\w+\.\w+) \s (?P<target_rule>[CNR]) (?:\s \((?P<snapshot>[\w, ]+)\))?)?
    (?:\s+ (?P<unique>!))?
    (?:\s+ (?P<leads>\*))?""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Column:
    """A line of `columns`."""

    name: str
    type: str
    nullable: bool = False
    default: str | None = None
    identity: bool = False
    unique: bool = False
    leads: bool = False
    parent: tuple[str, str] | None = None  # a table of the same schema, and the delete rule
    reference: tuple[str, str, tuple[str, ...]] | None = None  # another service's table, the rule, the snapshots


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a schema as described."""

    schema: str
    name: str
    model: str | None
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    indexes: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    seed_indexes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class Described:
    """A schema as described: its enums with their values in order, and its tables."""

    name: str
    enums: dict[str, tuple[str, ...]] = field(default_factory=dict)
    tables: tuple[Table, ...] = ()
    functions: tuple[str, ...] = ()
    triggers: dict[str, str] = field(default_factory=dict)


def described() -> dict[str, Described]:
    """Every schema by its name."""
    common = _tables_of("common")
    return {context: _schema(context, common) for context in CONTEXTS}


def ddl(schema: Described) -> Iterator[str]:
    """Statements that make the described schema where there is an empty one of that name."""
    yield f"set search_path = {schema.name}, extensions"
    for name, values in schema.enums.items():
        yield f"create type {name} as enum ({', '.join(map(_quoted, values))})"
    for table in schema.tables:
        parts = [*map(_column, table.columns), f"primary key ({', '.join(table.key)})"]
        parts += [f"check ({check})" for check in table.checks]
        yield f"create table {table.name} ({', '.join(parts)})"
        yield from (_index(table, index) for index in [*table.indexes, *_marked(table)])
    for function in schema.functions:
        yield f"create function {function} returns void language sql as ''"
    for name, watched in schema.triggers.items():
        yield from _watched(name, watched, insert="insert")
    for table in schema.tables:
        for column in table.columns:
            if column.parent:
                parent, rule = column.parent
                key = f"foreign key ({column.name}) references {parent} (id) on delete {rule}"
                yield f"alter table {table.name} add {key}"
            if column.reference:
                name = f"{table.name}_{column.name}_reference"
                yield from _watched(name, table.name, insert="insert", update=f"update of {column.name}")


def _watched(name: str, table: str, **events: str) -> Iterator[str]:
    """What looks at a table's new rows; only the names are compared, what it does is tried elsewhere."""
    yield f"create function {name}() returns trigger language plpgsql as 'begin return null; end'"
    for event, of in events.items():
        yield f"create trigger {name}_{event} after {of} on {table} for each row execute function {name}()"


def _schema(context: str, common: dict[str, Any]) -> Described:
    content = tomllib.loads((SEED / f"{context}.toml").read_text(encoding="utf-8"))
    tables = tuple(_table(context, name, of) for name, of in (content["tables"] | common).items())
    enums = {name: tuple(values.split()) for name, values in content["enums"].items()}
    return Described(context, enums, tables, tuple(content.get("functions", ())), content.get("triggers", {}))


def _tables_of(file: str) -> dict[str, Any]:
    return tomllib.loads((SEED / f"{file}.toml").read_text(encoding="utf-8"))["tables"]


def _table(schema: str, name: str, of: dict[str, Any]) -> Table:
    written = [parse_column(line) for line in of["columns"].strip().splitlines()]
    names = {column.name for column in written}
    implied = [
        *(["id id"] if "key" not in of else []),
        *(["assigned_at timestamptz =now()"] if of.get("junction") else []),
        *(["created_at timestamptz =now()", "updated_at timestamptz =now()"] if of.get("stamps", True) else []),
    ]
    columns = (*written, *(column for column in map(parse_column, implied) if column.name not in names))
    return Table(
        schema=schema,
        name=name,
        model=of.get("model"),
        key=_names(of.get("key", "id")),
        columns=columns,
        indexes=tuple(of.get("indexes", ())),
        checks=tuple(of.get("checks", ())),
        seed_indexes=tuple(of.get("seed_indexes", ())),
    )


def parse_column(line: str) -> Column:
    """A line of `columns`, read."""
    found = _COLUMN.fullmatch(line.strip())
    assert found, f"not a column: {line}"
    parent, target = found["parent"], found["target"]
    return Column(
        name=found["name"],
        type=found["type"],
        nullable=bool(found["nullable"]),
        default=found["default"],
        identity=bool(found["identity"]),
        unique=bool(found["unique"]),
        leads=bool(found["leads"]),
        parent=(parent, RULES[found["parent_rule"]]) if parent else None,
        reference=(target, RULES[found["target_rule"]], _names(found["snapshot"] or "")) if target else None,
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _column(column: Column) -> str:
    words = [column.name, TYPES.get(column.type, column.type)]
    if not column.nullable:
        words.append("not null")
    if column.default is not None:
        words.append(f"default {_value(column.default)}")
    if column.identity:
        words.append("generated by default as identity")
    if column.unique:
        words.append("unique")
    return " ".join(words)


def _value(text: str) -> str:
    plain = text in _WORDS or text.endswith("()") or text.lstrip("-").isdigit()
    return text if plain else _quoted(text)


def _quoted(text: str) -> str:
    return f"'{text}'"


def _index(table: Table, index: str) -> str:
    rest, _, condition = index.partition(" where ")
    unique, rest = ("unique ", rest.removeprefix("unique ")) if rest.startswith("unique ") else ("", rest)
    method, rest = ("gin", rest.removeprefix("gin ")) if rest.startswith("gin ") else ("btree", rest)
    where = f" where {condition}" if condition else ""
    return f"create {unique}index on {table.name} using {method} ({rest}){where}"


def _marked(table: Table) -> Iterator[str]:
    """The indexes of columns marked `*` that no other index leads with."""
    led = {table.key[0], *map(_leading, table.indexes)}
    yield from (column.name for column in table.columns if column.leads and not column.unique | (column.name in led))


def _leading(index: str) -> str:
    return index.removeprefix("unique ").removeprefix("gin ").split(" where ")[0].split(",")[0].strip()
