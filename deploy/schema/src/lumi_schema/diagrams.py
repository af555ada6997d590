"""The entity-relationship diagrams, as DOT: one per service with every column, one of the whole with the keys."""

from collections import Counter
from collections.abc import Collection, Iterator
from html import escape

from lumi_schema.model import Column, Context, Link, Table

WHOLE = "lumi"
# From left to right in the whole picture: who names stands left of what is named, nearly always.
_COLUMNS = (("payments", "marketing"), ("orders",), ("catalogue", "identity"))
_LAST = len(_COLUMNS) - 1
_COLOURS = {
    "identity": "#3b5b92",
    "catalogue": "#2f7d4f",
    "orders": "#a8571c",
    "payments": "#8a2f4f",
    "marketing": "#6b4a94",
}
_PAPER, _FAINT = "#ffffff", "#6b7280"
_FONT = 'fontname="DejaVu Sans,Verdana,sans-serif"'
_LEGEND = (
    "PK primary key · FK foreign key · REF another service's id (dashed: no foreign key) · UQ unique · ? may be null",
    "A crow's foot stands at the side of which there may be many, a circle where there may be none.",
)
# More than so many tables around one go to both sides of it.
_CROWD = 5


def diagrams(contexts: list[Context]) -> dict[str, str]:
    """DOT texts by name: each service's, and the whole's."""
    drawn = {context.name: _of_service(context) for context in contexts} | {WHOLE: _of_all(contexts)}
    return {name: "\n".join(lines) + "\n" for name, lines in drawn.items()}


def _of_service(context: Context) -> Iterator[str]:
    yield from _head(context.name, f"{context.title}: its tables with all their columns", "nodesep=0.35, ranksep=1.1")
    for table in context.tables:
        yield f"  {_node(table, table.columns)}"
    for target in sorted({link.target for table in context.tables for _, link in table.links if link.crosses}):
        colour = _colour(target)
        yield f'  "{target}" [shape=box, style="rounded,dashed", color="{colour}", fontcolor="{colour}"]'
    yield from _spread(context.tables)
    yield "}"


def _of_all(contexts: list[Context]) -> Iterator[str]:
    yield from _head(WHOLE, "Lumi: the keys of every table, by service", "newrank=true, nodesep=0.3, ranksep=0.9")
    for context in contexts:
        colour = _COLOURS[context.name]
        yield f"  subgraph cluster_{context.name} {{"
        yield f'    graph [label=<<b>{context.title}</b>>, color="{colour}", fontcolor="{colour}", margin=16]'
        for table in context.tables:
            yield f"    {_node(table, [column for column in table.columns if column.in_key or column.link])}"
        yield "  }"
    yield from _in_columns(contexts)
    yield from _across([table for context in contexts for table in context.tables])
    yield "}"


def _head(name: str, title: str, spacing: str) -> Iterator[str]:
    faint = f'<br align="left"/><font point-size="11" color="{_FAINT}">'
    legend = "".join(f"{faint}{escape(line)}</font>" for line in (" ", *_LEGEND, " "))
    yield "// Written by `make generate` from the services' tables; change those."
    yield f"digraph {name} {{"
    yield f'  graph [rankdir=LR, bgcolor="{_PAPER}", {_FONT}, fontsize=18, labelloc=t, labeljust=l, pad=0.3, {spacing}]'
    yield f'  graph [label=<<b>{escape(title)}</b>{legend}<br align="left"/>>]'
    yield f"  node [shape=plain, {_FONT}, fontsize=11]"
    yield '  edge [dir=both, color="#4b5563", penwidth=1.2]'


def _in_columns(contexts: list[Context]) -> Iterator[str]:
    """Invisible points that hold the services of each column between them, by their outermost tables."""
    for place, names in enumerate(_COLUMNS):
        tables = [table for context in contexts if context.name in names for table in context.tables]
        naming = {table.full_name for table in tables if any(not link.crosses for _, link in table.links)}
        named = {link.target for table in tables for _, link in table.links}
        left, right = (naming, named) if place < _LAST else (named, naming)
        yield f"  between{place}, between{place + 1} [shape=point, style=invis]"
        first = " ".join(f'"{table.full_name}"' for table in tables if table.full_name not in right)
        last = " ".join(f'"{table.full_name}"' for table in tables if table.full_name not in left)
        yield f"  between{place} -> {{{first}}} [style=invis, weight=0]"
        yield f"  {{{last}}} -> between{place + 1} [style=invis, weight=0]"


def _node(table: Table, columns: Collection[Column]) -> str:
    colour = _COLOURS[table.schema]
    model = f'  <font point-size="9">{table.model}</font>' if table.model else ""
    title = f'<font color="{_PAPER}"><b>{table.name}</b>{model}</font>'
    rows = [f'<tr><td colspan="3" bgcolor="{colour}" align="left">{title}</td></tr>', *map(_row, columns)]
    style = f'border="1" cellborder="0" cellspacing="0" cellpadding="3" color="{colour}" bgcolor="{_PAPER}"'
    return f'"{table.full_name}" [label=<<table {style}>{"".join(rows)}</table>>]'


def _row(column: Column) -> str:
    name = f"<b>{column.name}</b>" if column.in_key else column.name
    kind = column.type + ("?" if column.nullable else "")
    if column.link:
        kind += f", {column.link.on_delete.lower()}"
    return (
        f'<tr><td align="left" port="{column.name}_w"><font point-size="8" color="{_FAINT}">{_mark(column)}</font></td>'
        f'<td align="left">{name}</td>'
        f'<td align="left" port="{column.name}_e"><font color="{_FAINT}">{kind}</font></td></tr>'
    )


def _mark(column: Column) -> str:
    marks = ["PK"] if column.in_key else []
    if column.link:
        marks.append("REF" if column.link.crosses else "FK")
    elif column.unique:
        marks.append("UQ")
    return " ".join(marks) or " "


def _spread(tables: Collection[Table]) -> Iterator[str]:
    """What names stands left of what is named, but junctions stand between, and half of a crowd on the other side."""
    around = Counter(link.target for table in tables for _, link in table.links)
    seen: Counter[str] = Counter()
    for table in tables:
        for column, link in table.links:
            seen[link.target] += 1
            of_crowd = around[link.target] > _CROWD and seen[link.target] % 2 == 0 and len(table.links) == 1
            of_junction = len(table.key) > 1 and column.name == table.key[0]
            turned = not link.crosses and (of_crowd or of_junction)
            yield _edge(table, column, link, turned=turned, drawn=not link.crosses)


def _across(tables: Collection[Table]) -> Iterator[str]:
    """In the last column what is named stands left, next to the services that name it."""
    for table in tables:
        for column, link in table.links:
            turned = _place(table.full_name) == _LAST and not (link.crosses or link.target == table.full_name)
            yield _edge(table, column, link, turned=turned, drawn=True)


def _edge(table: Table, column: Column, link: Link, *, turned: bool, drawn: bool) -> str:
    """From the column to the id that it names; `turned` the other way round, which puts what is named left."""
    near, far = "teeodot" if column.unique else "crow", "teeodot" if column.nullable else "tee"
    here, there, leaves, arrives = f'"{table.full_name}":"{column.name}_', f'"{link.target}"', "e", "w"
    look = []
    if link.crosses:
        look = ["style=dashed", f'color="{_colour(link.target)}"']
        if drawn and _place(link.target) <= _place(table.full_name):
            leaves, look = "w", [*look, "constraint=false"]
    elif link.target == table.full_name:
        arrives = "e"
    if turned:
        return f'  {there}:"id_e":e -> {here}w":w [arrowtail={far}, arrowhead={near}]'
    arrival = f'{there}:"id_{arrives}":{arrives}' if drawn else there
    return f'  {here}{leaves}":{leaves} -> {arrival} [{", ".join([f"arrowtail={near}", f"arrowhead={far}", *look])}]'


def _colour(table: str) -> str:
    return _COLOURS[table.partition(".")[0]]


def _place(table: str) -> int:
    return next(place for place, names in enumerate(_COLUMNS) if table.partition(".")[0] in names)
