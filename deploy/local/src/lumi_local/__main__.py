"""The stack's command line: `python -m lumi_local up|down|status|logs|rotate|clean`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from datetime import timedelta

from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from lumi_local.parts import NAMES
from lumi_local.process import StackError
from lumi_local.rotation import Progress
from lumi_local.settings import Settings
from lumi_local.stack import Stack


def main() -> int:
    arguments = _parser().parse_args()
    console = Console(highlight=False, soft_wrap=True)
    try:
        stack = Stack(Settings())
        command: Callable[[Stack, Console, argparse.Namespace], int] = arguments.run
        return command(stack, console, arguments)
    except StackError as error:
        console.print("[red]✗[/]", end=" ")
        console.print(str(error), markup=False)
        return 1
    except ValidationError as error:
        for detail in error.errors():
            console.print(f"LUMI_{detail['loc'][0]}".upper(), detail["msg"], sep=": ", markup=False)
        return 1


def up(stack: Stack, console: Console, arguments: argparse.Namespace) -> int:
    """Start what is not running; done when everything is healthy."""
    stack.up(_progress(console), arguments.only)
    if not arguments.quiet:
        console.print(f"\nThe stack is up: {_addresses(stack)}")
        console.print(f"What it can do, to read and to try: http://127.0.0.1:{stack.settings.gateway_port}/docs")
        console.print(f"Addresses and passwords: {stack.home.stack_file}", markup=False)
    return 0


def down(stack: Stack, console: Console, arguments: argparse.Namespace) -> int:
    """Stop everything; the data stays."""
    with console.status("stopping"):
        was_running = stack.down()
    console.print("The stack is down." if was_running else "The stack was not running.")
    return 0


def status(stack: Stack, console: Console, arguments: argparse.Namespace) -> int:
    """Print each part's state; exit 1 unless all are healthy."""
    rows = stack.health()
    if not rows:
        console.print("The stack is not running: `make up` starts it.")
        return 1
    table = Table(box=None, pad_edge=False)
    for column in ("part", "address", "process", "up", "healthy"):
        table.add_column(column)
    for part, state, healthy in rows:
        table.add_row(
            part.name,
            part.address,
            f"{state.pid or '-'} {state.word.lower()}",
            str(timedelta(seconds=state.seconds)),
            "[green]yes[/]" if healthy else "[red]no[/]",
        )
    console.print(table)
    return 0 if all(healthy for _, _, healthy in rows) else 1


def logs(stack: Stack, console: Console, arguments: argparse.Namespace) -> int:
    """Follow the logs of all parts, or of those named."""
    files = [str(stack.home.log(name)) for name in arguments.parts or NAMES if stack.home.log(name).exists()]
    if not files:
        raise StackError(f"no logs in {stack.home.logs}: nothing was started yet")
    os.execvp("tail", ["tail", "-n", "20", "-F", *files])


def rotate(stack: Stack, console: Console, arguments: argparse.Namespace) -> int:
    """New certificates or passwords, while everything goes on."""
    stack.rotate(arguments.what, _progress(console))
    return 0


def clean(stack: Stack, console: Console, arguments: argparse.Namespace) -> int:
    """Stop everything and remove the data."""
    with console.status("stopping"):
        stack.clean()
    console.print(f"Removed {stack.home.root}.", markup=False)
    return 0


def _progress(console: Console) -> Progress:
    def progress(title: str, step: Callable[[], None]) -> None:
        started = time.monotonic()
        with console.status(title):
            step()
        console.print(f"[green]✓[/] {title} [dim]{time.monotonic() - started:.1f} s[/]")

    return progress


def _addresses(stack: Stack) -> str:
    settings = stack.settings
    stores = f"PostgreSQL {settings.postgres_port}, NATS {settings.nats_port}"
    return f"gateway http://127.0.0.1:{settings.gateway_port}, {stores}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lumi_local", description="The whole of Lumi as processes.")
    commands = parser.add_subparsers(required=True)
    for run in (up, down, status, logs, rotate, clean):
        command = commands.add_parser(run.__name__, help=run.__doc__, description=run.__doc__)
        command.set_defaults(run=run)
        if run is up:
            command.add_argument(
                "--only", type=_names, default=NAMES, metavar="PARTS", help=f"of {','.join(NAMES)}, separated by commas"
            )
            command.add_argument("--quiet", action="store_true", help="print the steps alone")
        if run is rotate:
            command.add_argument("what", choices=["certificates", "passwords"])
        if run is logs:
            command.add_argument("parts", nargs="*", choices=[*NAMES, []], metavar="PART")
    return parser


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := set(names) - set(NAMES):
        raise argparse.ArgumentTypeError(f"no such part: {', '.join(sorted(unknown))}")
    return names


if __name__ == "__main__":
    sys.exit(main())
