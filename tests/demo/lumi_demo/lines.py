"""The year's lines as columns: money in cents, and how each line is sold.

Columns and not objects, because the whole year is a million and a half lines.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

_MONEY = ["sales_value", "retail_disc", "coupon_disc", "coupon_match_disc"]
_COLUMNS = [
    "household_id",
    "store_id",
    "basket_id",
    "product_id",
    "quantity",
    *_MONEY,
    "transaction_timestamp",
]


def read_transactions(data: Path) -> pa.Table:
    """Every line of the year in file order; money as whole cents (int64), `row` its place in the file from 1."""
    table = pq.read_table(data / "transactions.parquet", columns=_COLUMNS)
    for name in _MONEY:
        cents = pc.cast(pc.round(pc.multiply(table[name], 100.0)), pa.int64())
        table = table.set_column(table.column_names.index(name), name, cents)
    # Seconds are all that the source holds; nanoseconds would ask for pandas on their way to Python.
    seconds = table["transaction_timestamp"].cast(pa.timestamp("s"))
    table = table.set_column(table.column_names.index("transaction_timestamp"), "transaction_timestamp", seconds)
    return table.append_column("row", pa.array(range(1, table.num_rows + 1), pa.int64()))


def baskets_in_order(transactions: pa.Table) -> pa.Table:
    """One row a basket, in order of first timestamp and id: `basket_id, household_id, store_id, time`."""
    baskets = transactions.group_by("basket_id").aggregate(
        [("household_id", "min"), ("store_id", "min"), ("transaction_timestamp", "min")]
    )
    baskets = baskets.select(
        ["basket_id", "household_id_min", "store_id_min", "transaction_timestamp_min"]
    ).rename_columns(["basket_id", "household_id", "store_id", "time"])
    return baskets.sort_by([("time", "ascending"), ("basket_id", "ascending")])


def counts(transactions: pa.Table) -> pa.ChunkedArray:
    """Which lines count: those with a quantity and a sales value above zero."""
    return pc.and_(pc.greater(transactions["quantity"], 0), pc.greater(transactions["sales_value"], 0))


def sold_lines(counted: pa.Table) -> pa.Table:
    """How counted lines are sold: `basket_id, product_id, units, cents, compare_cents, coupon_cents`.

    `cents` is the price of one unit, `compare_cents` what it was before the shop's own discount (null where
    there was none or it does not divide), `coupon_cents` the line's part of the basket's coupon.
    """
    charged = pc.add(counted["sales_value"], counted["coupon_match_disc"])
    quantity = counted["quantity"]
    # What does not divide is sold as one unit (fuel comes in thousandths of a gallon).
    units = pc.if_else(_divides(charged, quantity), quantity, 1)
    before = pc.add(charged, counted["retail_disc"])
    compared = pc.and_(pc.greater(counted["retail_disc"], 0), _divides(before, units))
    nothing = pa.scalar(None, pa.int64())
    return pa.table(
        {
            "basket_id": counted["basket_id"],
            "product_id": counted["product_id"],
            "units": units,
            "cents": pc.divide(charged, units),
            "compare_cents": pc.if_else(compared, pc.divide(before, units), nothing),
            "coupon_cents": pc.add(counted["coupon_disc"], counted["coupon_match_disc"]),
        }
    )


def _divides(amount: pa.ChunkedArray, parts: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.equal(pc.multiply(pc.divide(amount, parts), parts), amount)
