"""Holds what the shop's books say against what the year must come to."""

import asyncio
import json
import time
from dataclasses import asdict
from pathlib import Path

from lumi_client import Session
from rich.console import Console

from lumi_demo.audit import Things, Trail, expected_records
from lumi_demo.baskets import LeftOut
from lumi_demo.books import Books
from lumi_demo.comparison import Row, compare, is_right
from lumi_demo.expected import Figures
from lumi_demo.progress import Bar, bar
from lumi_demo.real_year import Plan
from lumi_demo.staff import Listed, listed


def expected_rows(figures: Figures, things: Things) -> dict[str, int]:
    """Every figure that is compared, in the order of the table; amounts in cents."""
    return {
        "orders": figures.orders,
        "orders, by the API": figures.orders,
        "order lines": figures.order_lines,
        "order lines, by the API": figures.order_lines,
        "units": figures.units,
        "subtotal": figures.subtotal,
        "subtotal, by lines": figures.subtotal,
        "discount": figures.discount,
        "discount, by lines": figures.discount,
        "discount, by coupons": figures.discount,
        "total": figures.total,
        "total, by payments": figures.total,
        "total, by the API": figures.total,
        "coupons": figures.coupons,
        "variants sold": figures.variants_sold,
        "products sold": figures.products_sold,
        "stock left at zero": figures.variants_sold,
        "variants at a wrong price": 0,
        "baskets that differ from their order": 0,
        "lines left out": figures.lines_left_out,
        "baskets left out": figures.baskets_left_out,
        **expected_records(figures, things),
    }


async def reconcile(
    plan: Plan, figures: Figures, books: Books, staff: Session, console: Console, patience: float
) -> tuple[list[Row], Listed]:
    """Expected beside found, once the records are filed or nothing has moved for `patience` seconds."""
    expected = expected_rows(figures, Things.of(plan))
    # These two come from the reading of the year; the orders prove the rest of it.
    known = {
        "lines left out": len(plan.baskets.left_out_lines),
        "baskets left out": len(plan.baskets.left_out_baskets),
    }
    trail = await Trail.open(books, plan)
    records = sum(count for figure, count in expected.items() if figure.startswith("audit "))
    in_books = {figure: count for figure, count in expected.items() if figure not in Listed().figures()}
    with bar(console, "waiting for the last records to be filed", records) as progress:
        rows = await _settled(in_books, known, books, trail, progress, patience)
    # Only now: an order whose buyer was killed may have waited for its money until then.
    seen = await listed(staff, {str(basket) for basket in plan.baskets.ids()})
    return compare(expected, {row.figure: row.found for row in rows} | seen.figures()), seen


async def _settled(
    expected: dict[str, int], known: dict[str, int], books: Books, trail: Trail, progress: Bar, patience: float
) -> list[Row]:
    last: list[Row] = []
    moved = time.monotonic()
    while True:
        started = time.monotonic()
        filed = {**await books.figures(), **await trail.records()}
        rows = compare(expected, {**known, **filed})
        progress.reach(sum(row.found for row in rows if row.figure.startswith("audit ")))
        if rows != last:
            last, moved = rows, time.monotonic()
        if is_right(rows) or time.monotonic() - moved > patience:
            return rows
        # The question must not cost more than what it waits for.
        await asyncio.sleep(max(1.0, 2 * (time.monotonic() - started)))


def save_left_out(left_out: list[LeftOut], path: Path) -> None:
    """Write what was left out as JSON, an array of `basket_id, row, product_id, cause`."""
    path.write_text(json.dumps([asdict(each) for each in left_out], indent=1) + "\n")
