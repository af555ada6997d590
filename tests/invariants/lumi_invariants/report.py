"""What the checker prints and leaves behind."""

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from lumi_common.db.invariants import Finding
from lumi_invariants.law import NOTES, says


def save(findings: Sequence[Finding], path: Path) -> None:
    """Write the findings as JSON, an array of `id, rows, sample`; of the rows the sample is one, null without any."""
    told = [{"id": each.id, "rows": each.rows, "sample": next(iter(each.sample), None)} for each in findings]
    path.write_text(json.dumps(told, indent=1) + "\n")


def show(console: Console, findings: Sequence[Finding]) -> None:
    """The table, what it does not tell, and what broke."""
    table = Table(box=None, pad_edge=False)
    table.add_column("id", no_wrap=True)
    table.add_column("what must be true")
    table.add_column("rows", justify="right")
    table.add_column("one of them", overflow="fold")
    for finding in findings:
        rows = (
            "[green]0[/]" if finding.holds else f"[bold red]{'?' if finding.rows is None else f'{finding.rows:,}'}[/]"
        )
        sample = json.dumps(finding.sample[0]).replace("[", "\\[") if finding.sample else ""
        table.add_row(finding.id, says(finding.id), rows, sample)
    console.print(table)
    for id, note in NOTES.items():
        console.print(f"[dim]{id}: {note}[/]")
    broken = [finding.id for finding in findings if not finding.holds]
    if broken:
        console.print(f"[bold red]Broken: {', '.join(broken)}.[/]")
    else:
        console.print(f"[bold green]All {len(findings)} invariants hold.[/]")
