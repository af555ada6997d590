"""What the checker prints and leaves behind."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from lumi_invariants.checker import Finding
from lumi_invariants.law import LAW, NOT_YET


def save(findings: Sequence[Finding], path: Path) -> None:
    """Write the findings as JSON, an array of `id, rows, sample`."""
    path.write_text(json.dumps([asdict(finding) for finding in findings], indent=1) + "\n")


def show(console: Console, findings: Sequence[Finding]) -> None:
    """The table, what cannot be asked yet, and what broke."""
    table = Table(box=None, pad_edge=False)
    table.add_column("id", no_wrap=True)
    table.add_column("what must be true")
    table.add_column("rows", justify="right")
    table.add_column("one of them", overflow="fold")
    for finding in findings:
        rows = "[green]0[/]" if finding.holds else f"[bold red]{finding.rows:,}[/]"
        sample = "" if finding.sample is None else json.dumps(finding.sample).replace("[", "\\[")
        table.add_row(finding.id, LAW[finding.id].says, rows, sample)
    console.print(table)
    for id, why in NOT_YET.items():
        console.print(f"[dim]{id} cannot be asked yet: {why}[/]")
    broken = [finding.id for finding in findings if not finding.holds]
    if broken:
        console.print(f"[bold red]Broken: {', '.join(broken)}.[/]")
    else:
        console.print(f"[bold green]All {len(findings)} invariants hold.[/]")
