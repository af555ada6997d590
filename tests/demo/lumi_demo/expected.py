"""What a number of baskets must come to, read line by line from the parquet files.

This is the second opinion on the importer's plan: plain Python that shares nothing with it, so that a
mistake in either shows as a difference.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of the year; amounts are cents."""

    orders: int
    order_lines: int
    units: int
    subtotal: int
    discount: int
    total: int
    coupons: int
    variants_sold: int
    products_sold: int
    lines_left_out: int
    baskets_left_out: int


_LINE_COLUMNS = ["basket_id", "product_id", "quantity", "sales_value", "coupon_disc", "coupon_match_disc"]


def expected_figures(data: Path, baskets: int | None) -> Figures:
    """The figures of the first `baskets` baskets of the year, or of all of them for None."""
    transactions = data / "transactions.parquet"
    chosen = _first_baskets(transactions, baskets)
    charged: dict[int, int] = dict.fromkeys(chosen, 0)
    coupon: dict[int, int] = dict.fromkeys(chosen, 0)
    counted: dict[int, int] = dict.fromkeys(chosen, 0)
    units: dict[int, int] = dict.fromkeys(chosen, 0)
    prices: set[tuple[int, int]] = set()
    left_out = 0
    for basket, product, quantity, sales, coupon_disc, coupon_match in _rows(transactions):
        if basket not in chosen:
            continue
        if quantity <= 0 or sales <= 0:
            left_out += 1
            continue
        match = round(coupon_match * 100)
        amount = round(sales * 100) + match
        sold_as = quantity if amount % quantity == 0 else 1
        charged[basket] += amount
        coupon[basket] += round(coupon_disc * 100) + match
        counted[basket] += 1
        units[basket] += sold_as
        prices.add((product, amount // sold_as))
    # No basket of the year has a coupon above its charge, so every basket with a line is bought and no
    # price has to be taken back; were that to change, this refuses rather than guesses.
    if any(coupon[basket] > charged[basket] for basket in chosen):
        raise ValueError("a coupon exceeds the charge of its basket")
    bought = [basket for basket in chosen if counted[basket]]
    discounts = [coupon[basket] for basket in bought if coupon[basket] > 0]
    subtotal = sum(charged[basket] for basket in bought)
    return Figures(
        orders=len(bought),
        order_lines=sum(counted[basket] for basket in bought),
        units=sum(units[basket] for basket in bought),
        subtotal=subtotal,
        discount=sum(discounts),
        total=subtotal - sum(discounts),
        coupons=len(discounts),
        variants_sold=len(prices),
        products_sold=len({product for product, _ in prices}),
        lines_left_out=left_out,
        baskets_left_out=len(chosen) - len(bought),
    )


def _first_baskets(transactions: Path, baskets: int | None) -> set[int]:
    first: dict[int, datetime] = {}
    for batch in _batches(transactions, ["basket_id", "transaction_timestamp"]):
        # Seconds are all that the source holds; without the cast, nanoseconds would ask for pandas.
        times = batch.column(1).cast(pa.timestamp("s")).to_pylist()
        for basket, time in zip(batch.column(0).to_pylist(), times, strict=True):
            known = first.get(basket)
            if known is None or time < known:
                first[basket] = time
    in_order = sorted(first, key=lambda basket: (first[basket], basket))
    return set(in_order if baskets is None else in_order[:baskets])


def _rows(transactions: Path) -> Iterator[tuple[int, int, int, float, float, float]]:
    for batch in _batches(transactions, _LINE_COLUMNS):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _batches(transactions: Path, columns: list[str]) -> Iterator[Any]:
    yield from pq.ParquetFile(transactions).iter_batches(batch_size=50_000, columns=columns)
