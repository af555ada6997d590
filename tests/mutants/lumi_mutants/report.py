"""What became of the bugs: a table for people, rows for programs."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lumi_mutants.runner import Verdict


def show(console: Console, verdicts: Sequence[Verdict]) -> None:
    """A row for each bug, and how many were caught."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("", "planted bug", "what it breaks", "caught by, or why not"):
        table.add_column(column, overflow="fold")
    table.add_column("s", justify="right")
    for each in verdicts:
        mark = "[green]✓[/]" if each.caught else "[red]✗[/]"
        test = each.by.rpartition("::")[2] if each.caught else each.why
        table.add_row(mark, each.mutation.name, each.mutation.breaks, escape(test), f"{each.seconds:.1f}")
    console.print(table)
    caught = sum(each.caught for each in verdicts)
    color = "green" if caught == len(verdicts) else "red"
    console.print(f"[{color}]{caught} of {len(verdicts)} planted bugs were caught[/]")


def rows(verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    """What mutants.json holds; `seconds` has one decimal."""
    return [
        {
            "mutant": each.mutation.name,
            "file": each.mutation.file,
            "caught": each.caught,
            "seconds": round(each.seconds, 1),
            "tests": list(each.mutation.tests),
        }
        for each in verdicts
    ]


def save(verdicts: Sequence[Verdict], file: Path) -> None:
    """Write mutants.json."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(rows(verdicts), indent=1) + "\n")
