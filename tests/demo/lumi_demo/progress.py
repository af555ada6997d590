"""Progress for people at a terminal and for logs."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

_SECONDS_BETWEEN_LINES = 5.0


class Bar:
    """One thing being worked through."""

    def __init__(self, console: Console, title: str, total: int, progress: Progress | None) -> None:
        self._console, self._title, self._total, self._progress = console, title, total, progress
        self._task = progress.add_task(title, total=total) if progress else None
        self._done = 0
        self._said = time.monotonic()

    def advance(self, steps: int = 1) -> None:
        self.reach(self._done + steps)

    def reach(self, done: int, note: str = "") -> None:
        """Say that `done` of the total are done; `note` replaces the title."""
        self._done = done
        title = note or self._title
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done, description=title)
        elif time.monotonic() - self._said > _SECONDS_BETWEEN_LINES:
            self._said = time.monotonic()
            self._console.print(f"  {title} {done:,}/{self._total:,}")


@contextmanager
def bar(console: Console, title: str, total: int) -> Iterator[Bar]:
    """A progress bar, or now and then a line where nobody watches; ends with a line that says how long it took."""
    started = time.monotonic()
    if console.is_terminal:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=console, transient=True) as progress:
            yield Bar(console, title, total, progress)
    else:
        console.print(f"  {title} …")
        yield Bar(console, title, total, None)
    console.print(f"[green]✓[/] {title} [dim]{time.monotonic() - started:.1f} s[/]")
