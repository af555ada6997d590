"""The catalogue that the baskets need: every product with its variants, categories and starting stock."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lumi_demo.baskets import variant_sku
from lumi_demo.lines import counts, sold_lines

OTHER = "Other"
_PRODUCT_COLUMNS = [
    "product_id",
    "manufacturer_id",
    "department",
    "brand",
    "product_category",
    "product_type",
]


@dataclass(frozen=True, slots=True)
class Category:
    """A department (`parent` empty) or a category of one; `slug` is unique in the whole tree."""

    name: str
    slug: str
    parent: str = ""


@dataclass(frozen=True, slots=True)
class Variant:
    """One price at which a product is sold, in cents, and the units that it starts with."""

    sku: str
    cents: int
    compare_cents: int | None
    stock: int


@dataclass(frozen=True, slots=True)
class Product:
    """One product of the year; its first variant is the primary one, and without any it is a draft."""

    id: int
    title: str
    slug: str
    category: Category
    attributes: dict[str, str]
    variants: tuple[Variant, ...]

    @property
    def sold(self) -> bool:
        return bool(self.variants)


class Assortment:
    """All products of the year, for chosen baskets that take `lines` (see `lines.sold_lines`)."""

    def __init__(self, data: Path, transactions: pa.Table, lines: pa.Table) -> None:
        table = pq.read_table(data / "products.parquet", columns=[*_PRODUCT_COLUMNS, "package_size"])
        listed = table["product_id"].combine_chunks()
        named = pc.unique(transactions["product_id"])
        unlisted = named.filter(pc.invert(pc.is_in(named, value_set=listed)))
        # What only transactions name is made from its id: the other columns become null.
        table = pa.concat_tables([table, pa.table({"product_id": unlisted})], promote_options="default")
        self._products = table.sort_by("product_id")
        self._variants = _variants(transactions, lines)
        self.variant_count = sum(len(variants) for variants in self._variants.values())

    def __len__(self) -> int:
        return int(self._products.num_rows)

    def __iter__(self) -> Iterator[Product]:
        for batch in self._products.to_batches(max_chunksize=5_000):
            for row in batch.to_pylist():
                yield _product(row, self._variants.get(row["product_id"], ()))

    def slugs(self) -> dict[int, str]:
        """The slug of every product that the chosen baskets take."""
        return {product.id: product.slug for product in self if any(each.stock for each in product.variants)}

    def categories(self) -> list[Category]:
        """The category tree, each parent before its children."""
        pairs = self._products.group_by(["department", "product_category"]).aggregate([]).to_pylist()
        leaves = {_category(row["department"], row["product_category"]) for row in pairs}
        parents = {_department(row["department"]) for row in pairs}
        return [*sorted(parents, key=_slug), *sorted(leaves - parents, key=_slug)]


def _variants(transactions: pa.Table, lines: pa.Table) -> dict[int, tuple[Variant, ...]]:
    """By product: a variant for each price in the chosen baskets, or else one at the year's usual price."""
    chosen = _prices(lines).to_pylist()
    taken = pc.unique(lines["product_id"])
    others = transactions.filter(counts(transactions))
    others = others.filter(pc.invert(pc.is_in(others["product_id"], value_set=taken)))
    variants: dict[int, list[Variant]] = {}
    for row in chosen:
        variants.setdefault(row["product_id"], []).append(_variant(row, stock=row["stock"]))
    for row in _prices(sold_lines(others)).to_pylist():
        if row["product_id"] not in variants:
            variants[row["product_id"]] = [_variant(row, stock=0)]
    return {product: tuple(found) for product, found in variants.items()}


def _prices(lines: pa.Table) -> pa.Table:
    """One row a product and unit price, most frequent first: `product_id, cents, stock, compare_cents`.

    A variant has one compare-at price, its lines may have had several: the most frequent one stands, the
    lower of two that are as frequent.
    """
    key = ["product_id", "cents"]
    prices = lines.group_by(key).aggregate([("units", "sum"), ("units", "count")])
    compared = lines.filter(pc.is_valid(lines["compare_cents"]))
    compared = compared.group_by([*key, "compare_cents"]).aggregate([("units", "count")])
    compared = compared.sort_by([("units_count", "descending"), ("compare_cents", "ascending")])
    usual = compared.group_by(key, use_threads=False).aggregate([("compare_cents", "first")])
    prices = prices.join(usual, keys=key, join_type="left outer").rename_columns(
        {"units_sum": "stock", "units_count": "lines", "compare_cents_first": "compare_cents"}
    )
    return prices.sort_by([("product_id", "ascending"), ("lines", "descending"), ("cents", "ascending")])


def _variant(row: dict[str, Any], stock: int) -> Variant:
    return Variant(variant_sku(row["product_id"], row["cents"]), row["cents"], row["compare_cents"], stock)


def _product(row: dict[str, Any], variants: tuple[Variant, ...]) -> Product:
    number = row["product_id"]
    kind = row["product_type"] or row["product_category"] or row["department"]
    title = kind.title() if kind else f"Product {number}"
    if row["package_size"]:
        title = f"{title}, {row['package_size'].lower()}"
    attributes = {name: str(row[name]) for name in ("manufacturer_id", "brand", "package_size") if row[name]}
    return Product(
        id=number,
        title=title,
        slug=f"{_slugged(kind)}-{number}" if kind else f"product-{number}",
        category=_category(row["department"], row["product_category"]),
        attributes={"product_id": str(number), **attributes},
        variants=variants,
    )


def _department(name: str | None) -> Category:
    name = name or OTHER
    return Category(name.title(), _slugged(name))


def _category(department: str | None, name: str | None) -> Category:
    parent = _department(department)
    if department is None:
        return parent
    name = name or OTHER
    return Category(name.title(), f"{parent.slug}-{_slugged(name)}", parent.slug)


def _slug(category: Category) -> str:
    return category.slug


def _slugged(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
