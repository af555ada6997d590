"""The chosen baskets: what is bought, by whom, and what is left out and why."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from lumi_demo.lines import baskets_in_order, counts, sold_lines


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a basket: so many units of a variant; prices are cents, told to the catalogue only."""

    product_id: int
    units: int
    cents: int
    compare_cents: int | None

    @property
    def sku(self) -> str:
        return variant_sku(self.product_id, self.cents)


@dataclass(frozen=True, slots=True)
class Basket:
    """One visit of a household to a store, as it will be ordered; `time` is the store's own clock."""

    id: int
    household_id: int
    store_id: int
    time: datetime
    lines: tuple[Line, ...]
    coupon_cents: int

    @property
    def subtotal(self) -> int:
        return sum(line.units * line.cents for line in self.lines)

    @property
    def coupon_code(self) -> str | None:
        return coupon_code(self.id) if self.coupon_cents else None

    @property
    def metadata(self) -> dict[str, str]:
        return {
            "basket_id": str(self.id),
            "store_id": str(self.store_id),
            "transaction_timestamp": self.time.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A line that is not sold (`row` is its place in the file, from 1) or a basket that is not bought (None)."""

    basket_id: int
    row: int | None
    product_id: int | None
    cause: str


def variant_sku(product_id: int, cents: int) -> str:
    return f"{product_id}-{cents}"


def coupon_code(basket_id: int) -> str:
    return f"CJ-{basket_id}"


class Baskets:
    """The first `count` baskets of the year (all for None), in order, made into objects one at a time."""

    def __init__(self, transactions: pa.Table, count: int | None) -> None:
        chosen = baskets_in_order(transactions)
        if count is not None:
            chosen = chosen.slice(0, count)
        rows = transactions.filter(pc.is_in(transactions["basket_id"], value_set=_values(chosen["basket_id"])))
        counted = counts(rows)
        lines = sold_lines(rows.filter(counted))
        sums = lines.append_column("charge", pc.multiply(lines["units"], lines["cents"]))
        sums = sums.group_by("basket_id").aggregate([("charge", "sum"), ("coupon_cents", "sum")])
        place = pc.index_in(chosen["basket_id"], value_set=_values(sums["basket_id"]))
        charge = pc.take(sums["charge_sum"], place)
        coupon = pc.take(sums["coupon_cents_sum"], place)
        bought = pc.fill_null(pc.less_equal(coupon, charge), False)

        self.left_out_lines = _left_out_lines(rows.filter(pc.invert(counted)))
        self.left_out_baskets = _left_out_baskets(chosen.append_column("charge", charge).filter(pc.invert(bought)))
        self._baskets = chosen.append_column("coupon_cents", coupon).filter(bought)
        ids = _values(self._baskets["basket_id"])
        position = pc.index_in(lines["basket_id"], value_set=ids)
        lines = lines.append_column("position", position).filter(pc.is_valid(position))
        # The sort is stable, so a basket's lines keep the order of the file.
        self.lines = lines.sort_by("position")
        self._offsets = _offsets(self.lines["position"], len(ids))

    def __len__(self) -> int:
        return int(self._baskets.num_rows)

    def __iter__(self) -> Iterator[Basket]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Basket:
        [row] = self._baskets.slice(index, 1).to_pylist()
        start, end = self._offsets[index], self._offsets[index + 1]
        lines = self.lines.slice(start, end - start).select(["product_id", "units", "cents", "compare_cents"])
        columns = (column.to_pylist() for column in lines.columns)
        return Basket(
            id=row["basket_id"],
            household_id=row["household_id"],
            store_id=row["store_id"],
            time=row["time"],
            lines=tuple(map(Line, *columns)),
            coupon_cents=row["coupon_cents"],
        )

    def by_household(self) -> dict[int, list[int]]:
        """The indices of each household's baskets, in order; households in order of their first basket."""
        households: dict[int, list[int]] = {}
        for index, household in enumerate(self._baskets["household_id"].to_pylist()):
            households.setdefault(household, []).append(index)
        return households

    def ids(self) -> list[int]:
        ids: list[int] = self._baskets["basket_id"].to_pylist()
        return ids

    def stock(self) -> list[tuple[str, int]]:
        """SKU and units of every variant that the baskets take."""
        taken = self.lines.group_by(["product_id", "cents"]).aggregate([("units", "sum")])
        columns = (taken[name].to_pylist() for name in ("product_id", "cents", "units_sum"))
        return [(variant_sku(product, cents), units) for product, cents, units in zip(*columns, strict=True)]

    def coupons(self) -> list[tuple[int, int]]:
        """Basket id and cents of each basket that redeems a coupon."""
        with_coupon = self._baskets.filter(pc.greater(self._baskets["coupon_cents"], 0))
        return list(zip(with_coupon["basket_id"].to_pylist(), with_coupon["coupon_cents"].to_pylist(), strict=True))


def _left_out_lines(rows: pa.Table) -> list[LeftOut]:
    columns = rows.select(["basket_id", "row", "product_id", "quantity"]).columns
    return [
        LeftOut(basket, row, product, "no quantity" if quantity <= 0 else "no sales value")
        for basket, row, product, quantity in zip(*(column.to_pylist() for column in columns), strict=True)
    ]


def _left_out_baskets(rows: pa.Table) -> list[LeftOut]:
    pairs = zip(rows["basket_id"].to_pylist(), rows["charge"].to_pylist(), strict=True)
    return [
        LeftOut(basket, None, None, "no line counts" if charge is None else "its coupon exceeds its charge")
        for basket, charge in pairs
    ]


def _offsets(positions: pa.ChunkedArray, count: int) -> list[int]:
    """Where each basket's lines start in the sorted lines; one entry more than there are baskets."""
    sizes = dict.fromkeys(range(count), 0)
    for entry in pc.value_counts(positions).to_pylist():
        sizes[entry["values"]] = entry["counts"]
    offsets = [0]
    for size in sizes.values():
        offsets.append(offsets[-1] + size)
    return offsets


def _values(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks()
