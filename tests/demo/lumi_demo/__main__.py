"""Plays the real year on the running stack: `python -m lumi_demo`, or `python -m lumi_demo reconcile` to look again."""

import argparse
import asyncio
import sys

import asyncpg
from lumi_client import Lumi, LumiError, Session
from pydantic import ValidationError
from rich.console import Console

from lumi_demo import report
from lumi_demo.books import Books
from lumi_demo.comparison import is_right, save
from lumi_demo.expected import Figures, expected_figures
from lumi_demo.household import NotBought
from lumi_demo.importer import Importer, RowsRefused
from lumi_demo.pace import Pace
from lumi_demo.progress import bar
from lumi_demo.real_year import Plan, plan
from lumi_demo.reconcile import reconcile, save_left_out
from lumi_demo.settings import NoStack, Settings, Stack
from lumi_demo.shelf import Shelf
from lumi_demo.shopper import buy_all
from lumi_demo.source import data_folder
from lumi_demo.staff import timeline

_PATIENCE = 90.0  # seconds for which what is away is tried again: longer than any part needs to come back

# What can go wrong without a fault in the demo itself; anything else shows its trace.
_TROUBLE = (
    NoStack,
    LumiError,
    RowsRefused,
    NotBought,
    ValidationError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    OSError,
)


async def play(settings: Settings, stack: Stack, console: Console, buying: bool) -> bool:
    """Import, buy (where `buying`) and reconcile; False when a figure is off."""
    planned, figures = read(settings, console)
    async with Lumi(stack.gateway, timeout=_PATIENCE) as shop:
        staff = await shop.sign_in(stack.admin_email, stack.admin_password)
        pace = None
        if buying:
            await bring_in(settings, stack, planned, staff, console)
            pace = await play_shop(settings, stack, planned, shop, console)
        async with Books.opened(stack.postgres, planned.baskets) as books:
            rows, seen = await reconcile(planned, figures, books, staff, console, settings.patience_seconds)
        save(rows, stack.home / "demo.json")
        report.show_rows(console, rows)
        left_out = [*planned.baskets.left_out_lines, *planned.baskets.left_out_baskets]
        left_out_file = stack.home / "demo-left-out.json"
        save_left_out(left_out, left_out_file)
        report.show_left_out(console, left_out, str(left_out_file))
        if pace is not None:
            report.show_pace(console, pace)
            if seen.example is not None:
                report.show_timeline(console, seen.example, await timeline(staff, seen.example))
            report.show_addresses(console, stack)
        return is_right(rows)


def read(settings: Settings, console: Console) -> tuple[Plan, Figures]:
    """The plan, and beside it what it must come to."""
    data = data_folder()
    with bar(console, "reading the year twice: what to do, and what it must come to", 2) as progress:
        planned = plan(data, settings.count)
        progress.advance()
        figures = expected_figures(data, settings.count)
        progress.advance()
    return planned, figures


async def bring_in(settings: Settings, stack: Stack, planned: Plan, staff: Session, console: Console) -> None:
    """The catalogue, the coupons and, where an earlier run chose other baskets, the stock that differs."""
    importer = Importer(staff, settings.imports)
    assortment = planned.assortment
    with bar(console, "categories", len(assortment.categories())) as progress:
        await importer.categories(assortment, progress)
    with bar(console, "products", len(assortment)) as progress:
        await importer.products(assortment, progress)
    coupons = planned.baskets.coupons()
    with bar(console, "coupons", len(coupons)) as progress:
        await importer.coupons(coupons, progress)
    async with Books.opened(stack.postgres, planned.baskets) as books:
        deltas = await books.stock_deltas()
    if deltas:
        with bar(console, "stock for other baskets than before", len(deltas)) as progress:
            await importer.stock(deltas, progress)


async def play_shop(settings: Settings, stack: Stack, planned: Plan, shop: Lumi, console: Console) -> Pace:
    """The households buy."""
    shelf = Shelf(planned.assortment.slugs())
    with bar(console, "baskets bought", len(planned.baskets)) as progress:
        return await buy_all(planned.baskets, shelf, shop, stack.household_password, settings.households, progress)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lumi_demo", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["play", "reconcile"], default="play")
    arguments = parser.parse_args()
    console = Console(highlight=False)
    try:
        right = asyncio.run(play(Settings(), Stack.read(), console, buying=arguments.what == "play"))
        return 0 if right else 1
    except* _TROUBLE as group:
        for error in _leaves(group):
            console.print("[red]✗[/]", end=" ")
            console.print(str(error), markup=False)
    except* KeyboardInterrupt:
        console.print("Stopped; the same command goes on from here.")
    return 1


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    leaves: list[BaseException] = []
    for error in group.exceptions:
        leaves.extend(_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return leaves


if __name__ == "__main__":
    sys.exit(main())
