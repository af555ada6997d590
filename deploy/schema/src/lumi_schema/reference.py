"""The text of docs/schema-reference.md."""

from collections.abc import Iterable, Iterator

from lumi_schema.model import EVERY, Column, Context, Enum, Index, Link, Table

_RULES = {"CASCADE": "goes with it", "SET NULL": "becomes null", "RESTRICT": "refuses"}
_DELETING = {
    "CASCADE": "Deleting a row takes along",
    "SET NULL": "Deleting a row sets to null",
    "RESTRICT": "Deleting a row is refused while it is named by",
}

_INTRODUCTION = """\
# Schema reference

<!-- Written by `make generate` from the services' tables and deploy/schema's words; change those. -->

{models} models and {enums} enums in five schemas, one per service, with the {added} tables that the design adds: what
every column means, what its rows are tied to, and what becomes of them when something is deleted.

- [The whole picture](#the-whole-picture), [models](#models), [what crosses a service](#what-crosses-a-service),
  [enums](#enums), [what holds everywhere](#what-holds-everywhere)
- Table by table: {contexts}, [in every schema](#in-every-schema)

## What holds everywhere

- **A schema belongs to its service.** The role `lumi_<service>` selects, inserts, updates and deletes there and sees no
  other; `lumi_<service>_owner` (no login) owns it and migrates it; `lumi_auditor` reads all of them. `audit_logs` is
  append-only: its service may select and insert, and update `user_id` alone.
- **Ids** are cuids made by the service, as `text` in collation "C" (written `id` below): they sort by time of creation.
- **Stamps**: `created_at` and `updated_at` are `timestamptz`, `now()` by default; `updated_at` moves with every update.
- **Money** is `numeric(14,2)`, a price `numeric(12,2)`; the currency stands beside it.
- **Deleting**: a foreign key's rule is the database's own. A reference across services has no foreign key; its rule is
  kept by the services. *Goes with it* is CASCADE, *becomes null* SET NULL, *refuses* RESTRICT.
- **Indexes**: every foreign key and every reference across services leads one (P1).
- **Soft delete**: where there is a `deleted_at`, repositories see rows only while it is null; it is indexed, and what
  is unique there is unique among live rows.
- **`version`** is the optimistic lock and the etag: 1 at first, one more with every recorded change.
"""


def reference(contexts: list[Context], every: Context) -> str:
    """The whole page, in Markdown."""
    return "\n".join(_lines(contexts, every)) + "\n"


def _lines(contexts: list[Context], every: Context) -> Iterator[str]:
    tables = [table for context in contexts for table in context.tables]
    enums = [(context, enum) for context in contexts for enum in context.enums]
    added = sum(table.model is None for table in tables)
    yield _INTRODUCTION.format(
        models=len(tables) - added,
        enums=sum(not _is_added(enum, tables) for _, enum in enums),
        added=added,
        contexts=", ".join(f"[{context.title}](#{context.name})" for context in contexts),
    )
    yield "## The whole picture\n"
    yield "[![Every table's keys, and what they name](diagrams/lumi.svg)](diagrams/lumi.svg)\n"
    yield "Solid lines are foreign keys, dashed ones cross a service. Each service's own picture has all its columns."
    yield "Sources and PNGs are in [diagrams](diagrams).\n"
    yield "## Models\n"
    yield from _rows(
        "model | table | owner | what it is",
        (_model_row(context, table) for context in contexts for table in context.tables),
    )
    yield "## What crosses a service\n"
    yield "Ids of another service's rows, each with what is kept beside it for when that row is gone.\n"
    crossing = [(table, column, link) for table in tables for column, link in table.links if link.crosses]
    yield from _rows("column | names | when that is deleted | kept beside it", (_crossing_row(*of) for of in crossing))
    yield "## Enums\n"
    yield from _rows(
        "enum | values, in order | owner | says | used by", (_enum_row(context, enum) for context, enum in enums)
    )
    for context in contexts:
        yield from _context(context, tables)
    yield from _context(every, [])


def _context(context: Context, tables: list[Table]) -> Iterator[str]:
    yield f"## {context.title}\n"
    yield f"{context.about}\n"
    if tables:
        picture = f"diagrams/{context.name}.svg"
        yield f"[![The tables of {context.name}]({picture})]({picture})\n"
    for table in context.tables:
        yield from _table(table, tables)


def _table(table: Table, tables: list[Table]) -> Iterator[str]:
    yield f"### {_title(table)}\n"
    yield f"{_whereabouts(table)}. {table.about}\n"
    yield from _rows("column | type | default | notes", (_column_row(column, table) for column in table.columns))
    facts = [*_keys(table), *_checks(table), *_deleting(table, tables)]
    yield from (f"- {fact}" for fact in facts)
    if facts:
        yield ""


def _model_row(context: Context, table: Table) -> tuple[str, ...]:
    name = table.model or "*added*"
    return name, f"[`{table.name}`](#{_anchor(table)})", context.name, table.about.partition(". ")[0].rstrip(".") + "."


def _crossing_row(table: Table, column: Column, link: Link) -> tuple[str, ...]:
    kept = ", ".join(f"`{name}`" for name in link.snapshot)
    return f"`{table.full_name}.{column.name}`", f"`{link.target}`", f"{link.on_delete}: {_RULES[link.on_delete]}", kept


def _enum_row(context: Context, enum: Enum) -> tuple[str, ...]:
    values = " ".join(f"`{value}`" for value in enum.values)
    return f"`{enum.name}`", values, context.name, enum.about, ", ".join(f"`{name}`" for name in enum.used_by)


def _column_row(column: Column, table: Table) -> tuple[str, ...]:
    default = "" if column.default is None else f"`{column.default}`"
    return (
        f"`{column.name}`",
        f"`{column.type}`" + ("?" if column.nullable else ""),
        default,
        "; ".join(_notes(column, table)),
    )


def _notes(column: Column, table: Table) -> Iterator[str]:
    if column.in_key:
        yield "**PK**"
    if column.link:
        target = column.link.target if column.link.crosses else column.link.target.partition(".")[2]
        sort = "⇢" if column.link.crosses else "→"
        yield f"{sort} `{target}`, {column.link.on_delete}"
    if column.unique:
        yield "unique"
    if column.about:
        yield column.about


def _keys(table: Table) -> Iterator[str]:
    if len(table.key) > 1:
        yield f"Primary key ({', '.join(table.key)})"
    plain = [_spelled(index) for index in table.indexes if not index.unique]
    unique = [_spelled(index) for index in table.indexes if index.unique]
    if unique:
        yield f"Unique: {'; '.join(unique)}"
    if plain:
        yield f"Indexes: {'; '.join(plain)}"


def _spelled(index: Index) -> str:
    method = "" if index.method == "btree" else f" {index.method.upper()}"
    where = f" where `{index.where}`" if index.where else ""
    return f"({', '.join(index.columns)}){method}{where}"


def _checks(table: Table) -> Iterator[str]:
    yield from (f"Check: `{check}`" for check in table.checks)


def _deleting(table: Table, tables: list[Table]) -> Iterator[str]:
    """What becomes of the rows that name one of this table's: the other side of every foreign key and reference."""
    naming = [(o, column, link) for o in tables for column, link in o.links if link.target == table.full_name]
    for rule, words in _DELETING.items():
        names = [_far_end(*of) for of in naming if of[2].on_delete == rule]
        if names:
            yield f"{words} ({rule}): {', '.join(names)}"


def _far_end(table: Table, column: Column, link: Link) -> str:
    name = f"`{table.full_name if link.crosses else table.name}.{column.name}`"
    at_most_one = column.unique or table.key == (column.name,)
    return f"{name} (at most one)" if at_most_one else name


def _whereabouts(table: Table) -> str:
    if table.schema == EVERY:
        return f"`{table.name}`"
    return f"`{table.full_name}`" + ("" if table.model else ", added by the design")


def _title(table: Table) -> str:
    return table.model or table.name


def _anchor(table: Table) -> str:
    return _title(table).lower()


def _is_added(enum: Enum, tables: list[Table]) -> bool:
    """Whether only tables of the design have it."""
    used = {name.partition(".")[0] for name in enum.used_by}
    return all(table.model is None for table in tables if table.name in used)


def _rows(head: str, rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    names = head.split(" | ")
    yield f"| {head} |"
    yield "|" + " --- |" * len(names)
    yield from (f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows)
    yield ""
