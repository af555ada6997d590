"""Expected beside found: the table that says whether the books are right."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table


@dataclass(frozen=True, slots=True)
class Row:
    """One figure; amounts are cents."""

    figure: str
    expected: int
    found: int

    @property
    def is_off(self) -> bool:
        return self.expected != self.found


def compare(expected: Mapping[str, int], found: Mapping[str, int]) -> list[Row]:
    """A row for every figure that either side knows, in the order of `expected`; a missing figure counts as 0."""
    figures = [*expected, *(figure for figure in found if figure not in expected)]
    return [Row(figure, expected.get(figure, 0), found.get(figure, 0)) for figure in figures]


def is_right(rows: Sequence[Row]) -> bool:
    return not any(row.is_off for row in rows)


def as_table(rows: Sequence[Row]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("figure")
    table.add_column("expected", justify="right")
    table.add_column("found", justify="right")
    table.add_column("")
    for row in rows:
        mark = f"[red]✗ {row.found - row.expected:+,}[/]" if row.is_off else "[green]✓[/]"
        table.add_row(row.figure, f"{row.expected:,}", f"{row.found:,}", mark)
    return table


def save(rows: Sequence[Row], path: Path) -> None:
    """Write the rows as JSON, an array of `figure, expected, found`."""
    path.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
