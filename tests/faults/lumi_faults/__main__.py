"""Has people shop while the stack breaks, then looks at the books: `python -m lumi_faults`.

Brings up a stack of its own and removes it. LUMI_FAULT_SECONDS (90) is for how long there are faults, LUMI_SEED which
run it is: the same seed plans the same. Exit 1 on a violation.
"""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console

from lumi_faults import report
from lumi_faults.plan import Plan
from lumi_faults.run import ENVIRONMENT, Outcome, run
from lumi_faults.settings import Settings
from lumi_local.process import StackError
from lumi_local.settings import Settings as LocalSettings
from lumi_local.testing import own_environment, running_stack

_WIDTH_OF_A_FILE = 170


def carry_out(plan: Plan, console: Console) -> Outcome:
    """The plan on a stack of its own; raises StackError where that does not come up."""
    console.print(str(plan), markup=False)
    with own_environment() as environment, running_stack(environment | ENVIRONMENT) as stack:
        console.print("the stack is up")
        return asyncio.run(run(stack, plan, lambda text: console.print(text, markup=False)))


def main() -> int:
    argparse.ArgumentParser(prog="python -m lumi_faults", description=__doc__).parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # by which the stack is removed too
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH_OF_A_FILE
    try:
        settings = Settings()
        outcome = carry_out(Plan.of(settings.seed, settings.fault_seconds), console)
    except (StackError, ValidationError) as error:
        console.print("[red]✗[/]", end=" ")
        console.print(str(error), markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("Stopped; nothing of it is left.")
        return 1
    return conclude(outcome, LocalSettings().home / "soak.json", console)


def conclude(outcome: Outcome, file: Path, console: Console) -> int:
    """Show and keep what the run came to; the exit code."""
    report.show(console, outcome)
    report.save(outcome, file)
    console.print(f"[dim]{file}[/]", soft_wrap=True)
    return 1 if outcome.violations else 0


if __name__ == "__main__":
    sys.exit(main())
