"""What a run came to: for people, and as rows for programs."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from lumi_faults.run import Outcome


def rows(outcome: Outcome) -> list[dict[str, Any]]:
    """What soak.json holds: `about` (run, orders, faults, violations), `name`, `count`, and a `sample` of a violation;
    seconds have one decimal.
    """
    return [
        {"about": about, "name": name, "count": count, "sample": sample}
        for about, name, count, sample in _told(outcome)
    ]


def save(outcome: Outcome, path: Path) -> None:
    """Write soak.json."""
    path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    path.write_text(json.dumps(rows(outcome), indent=1, default=_plain) + "\n")


def show(console: Console, outcome: Outcome) -> None:
    """The same rows as a table, and the verdict."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("about", "name"):
        table.add_column(column, overflow="fold")
    table.add_column("count", justify="right")
    table.add_column("one of them", overflow="fold")
    for about, name, count, sample in _told(outcome):
        text = "" if sample is None else json.dumps(sample, default=_plain).replace("[", "\\[")
        table.add_row(about, name, str(count) if about == "run" else f"{count:,}", text)
    console.print(table)
    console.print(verdict(outcome), soft_wrap=True)


def verdict(outcome: Outcome) -> str:
    """How many orders, faults by kind and violations, and how to have the same again."""
    plan, kinds = outcome.plan, Counter[str]()
    for (kind, _), count in outcome.faults.items():
        kinds[kind.removesuffix(" of")] += count
    again = f"LUMI_SEED={plan.seed} LUMI_FAULT_SECONDS={plan.seconds:g} make soak"
    faults = ", ".join(f"{kind} {count:,}" for kind, count in sorted(kinds.items()))
    orders = f"{outcome.happened.get('placed', 0):,} orders under {kinds.total():,} faults ({faults})"
    if outcome.violations:
        return f"[bold red]✗ {orders}, {len(outcome.violations)} violations. The same again: {again}[/]"
    return f"[bold green]✓ {orders}, no violation.[/] [dim]The same again: {again}[/]"


def _told(outcome: Outcome) -> Iterator[tuple[str, str, float, Any]]:
    yield "run", "seed", outcome.plan.seed, None
    yield "run", "seconds of faults", outcome.plan.seconds, None
    yield "run", "seconds until the books were right", round(outcome.rest, 1), None
    yield "run", "shoppers", len(outcome.plan.shoppers), None
    for name, count in outcome.happened.items():
        yield "orders", name, count, None
    for (kind, target), count in outcome.faults.items():
        yield "faults", f"{kind} {target}", count, None
    yield "violations", "all", len(outcome.violations), None
    for each in outcome.violations:
        yield "violations", each.says, each.rows, each.sample


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)
