"""Plants bugs in a copy of the sources, one at a time, and sees the tests catch them: `python -m lumi_mutants`.

Exit 1 when one survived, does not apply any more, or broke the sources instead of making them wrong.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from lumi_demo.progress import bar
from lumi_local.settings import CHECKOUT, Settings
from lumi_local.testing import temporary_folder
from lumi_mutants import report
from lumi_mutants.mutation import Mutation
from lumi_mutants.planted import PLANTED
from lumi_mutants.runner import CopyFails, Verdict, check_unchanged, plant_all
from lumi_mutants.sources import copy_checkout

_WIDTH_OF_A_FILE = 170


def run(checkout: Path, mutations: Sequence[Mutation], console: Console) -> list[Verdict]:
    """The verdict on each bug, planted in a copy of the checkout; raises CopyFails."""
    with temporary_folder("mutants") as copy:
        with bar(console, "the sources copied", 1) as progress:
            copy_checkout(checkout, copy)
            progress.advance()
        with bar(console, "the tests pass on the unchanged copy", 1) as progress:
            check_unchanged(copy, mutations)
            progress.advance()
        with bar(console, "bugs planted", len(mutations)) as progress:
            return plant_all(copy, mutations, lambda _: progress.advance())


def main() -> int:
    names = [mutation.name for mutation in PLANTED]
    parser = argparse.ArgumentParser(prog="python -m lumi_mutants", description=__doc__)
    parser.add_argument(
        "--only", metavar="NAME", action="append", choices=names, help="this bug alone; may be repeated"
    )
    chosen = parser.parse_args().only or names
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH_OF_A_FILE
    try:
        verdicts = run(CHECKOUT, [each for each in PLANTED if each.name in chosen], console)
    except CopyFails as error:
        console.print("[red]✗[/]", end=" ")
        console.print(str(error), markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("Stopped; your sources are as they were.")
        return 1
    return conclude(verdicts, Settings().home / "mutants.json", console)


def conclude(verdicts: Sequence[Verdict], file: Path, console: Console) -> int:
    """Show and keep what became of the bugs; the exit code."""
    report.show(console, verdicts)
    report.save(verdicts, file)
    console.print(f"[dim]{file}[/]")
    return 0 if all(each.caught for each in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
