"""Checks every invariant of the running stack's books: `python -m lumi_invariants`, `--now` without waiting."""

import argparse
import asyncio
import sys

import asyncpg
from pydantic import ValidationError
from rich.console import Console

from lumi_invariants import report
from lumi_invariants.checker import PATIENCE_SECONDS, books, check
from lumi_invariants.settings import NoStack, Settings

# What can go wrong without a fault in the checker itself; anything else shows its trace.
_TROUBLE = (NoStack, ValidationError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)


async def run(settings: Settings, console: Console, patience: float) -> bool:
    """Check, save and show; False when an invariant is broken."""
    async with books(settings.dsn()) as connection:
        findings = await check(connection, patience=patience)
    settings.home.mkdir(mode=0o711, parents=True, exist_ok=True)
    report.save(findings, settings.home / "invariants.json")
    report.show(console, findings)
    return all(finding.holds for finding in findings)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lumi_invariants", description=__doc__)
    parser.add_argument("--now", action="store_true", help="do not wait for messages in flight and orders under way")
    arguments = parser.parse_args()
    console = Console(highlight=False)
    try:
        return 0 if asyncio.run(run(Settings(), console, 0 if arguments.now else PATIENCE_SECONDS)) else 1
    except _TROUBLE as error:
        console.print("[red]✗[/]", end=" ")
        console.print(str(error), markup=False)
    return 1


if __name__ == "__main__":
    sys.exit(main())
