"""Progress, the table, and the rows in a file."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from lumi_bench.measure import Figure, Result, Spread

_SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def bar(console: Console, title: str, total: int) -> Iterator[Callable[[], None]]:
    """A progress bar whose step is to be called `total` times; now and then a line where nobody watches."""
    started = time.monotonic()
    if console.is_terminal:
        text = TextColumn("{task.description}")
        columns = (SpinnerColumn(), text, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task(title, total=total)
            yield lambda: progress.advance(task)
    else:
        yield _lines(console, title, total)
    console.print(f"[green]✓[/] {title} [dim]{time.monotonic() - started:.1f} s[/]")


def _lines(console: Console, title: str, total: int) -> Callable[[], None]:
    done, said = 0, time.monotonic()

    def step() -> None:
        nonlocal done, said
        done += 1
        if time.monotonic() - said > _SECONDS_BETWEEN_LINES:
            said = time.monotonic()
            console.print(f"  {title} {done}/{total}")

    return step


def show(console: Console, results: Sequence[Result], rounds: int) -> None:
    """The table, each figure a median with how far rounds were from it, and the verdict."""
    title = f"Medians of {rounds} interleaved rounds, with the furthest that any round was from them"
    table = Table(title=title, title_justify="left", box=SIMPLE)
    table.add_column("case", max_width=48)
    for column in ("in flight", "ceiling", "lumi", "ratio", "CPU ms", "p50 ms", "p99 ms"):
        table.add_column(column, justify="right")
    table.add_column("budget")
    figures: tuple[Figure, ...] = ("ceiling", "lumi", "ratio", "cpu_ms", "p50_ms", "p99_ms")
    before = ""
    for result in results:
        if before and _kind(result.case) != _kind(before):
            table.add_section()
        verdict = "" if result.budget is None else f"{'[green]✓' if result.kept else '[red]✗'} {result.budget}[/]"
        cells = (_cell(result.spreads[figure]) for figure in figures)
        number = "" if result.in_flight is None else str(result.in_flight)
        table.add_row("" if result.case == before else result.case, number, *cells, verdict)
        before = result.case
    console.print(table)
    missed = [result for result in results if not result.kept]
    if missed:
        console.print(f"[bold red]{len(missed)} of {len(results)} are over budget.[/]")
    else:
        console.print("[bold green]Every budget is kept.[/]")


def save(results: Sequence[Result], path: Path) -> None:
    """Write the rows as JSON, an array of `case, in_flight, ceiling, lumi, ratio, cpu_ms, p50_ms, p99_ms`."""
    path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    path.write_text(json.dumps([result.row() for result in results], indent=1) + "\n")


def _kind(case: str) -> str:
    """`memory of orders, MB` and `memory of payments, MB` are of one kind."""
    return case.partition(" of ")[0]


def _cell(spread: Spread | None) -> str:
    if spread is None:
        return ""
    if not spread.middle or spread.low == spread.high:
        return _number(spread.middle)
    return f"{_number(spread.middle)} [dim]±{spread.furthest / abs(spread.middle):.0%}[/]"


def _number(value: float) -> str:
    if abs(value) >= 20:
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 0.1 or not value else f"{value:.4f}"
