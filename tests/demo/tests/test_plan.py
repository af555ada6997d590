from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from lumi_demo.baskets import Baskets
from lumi_demo.expected import Figures
from lumi_demo.real_year import Plan


def figures_of(baskets: Baskets) -> Figures:
    orders = order_lines = units = subtotal = discount = coupons = 0
    skus: set[str] = set()
    products: set[int] = set()
    for basket in baskets:
        orders += 1
        order_lines += len(basket.lines)
        units += sum(line.units for line in basket.lines)
        subtotal += basket.subtotal
        discount += basket.coupon_cents
        coupons += basket.coupon_code is not None
        skus.update(line.sku for line in basket.lines)
        products.update(line.product_id for line in basket.lines)
    return Figures(
        orders=orders,
        order_lines=order_lines,
        units=units,
        subtotal=subtotal,
        discount=discount,
        total=subtotal - discount,
        coupons=coupons,
        variants_sold=len(skus),
        products_sold=len(products),
        lines_left_out=len(baskets.left_out_lines),
        baskets_left_out=len(baskets.left_out_baskets),
    )


def columns_of(baskets: Baskets) -> Figures:
    """The same from the columns, for a number of baskets that objects would take too long for."""
    lines = baskets.lines
    subtotal = pc.sum(pc.multiply(lines["units"], lines["cents"])).as_py()
    discount = sum(cents for _, cents in baskets.coupons())
    return Figures(
        orders=len(baskets),
        order_lines=lines.num_rows,
        units=pc.sum(lines["units"]).as_py(),
        subtotal=subtotal,
        discount=discount,
        total=subtotal - discount,
        coupons=len(baskets.coupons()),
        variants_sold=len(baskets.stock()),
        products_sold=pc.count_distinct(lines["product_id"]).as_py(),
        lines_left_out=len(baskets.left_out_lines),
        baskets_left_out=len(baskets.left_out_baskets),
    )


def test_the_plan_of_the_whole_year_comes_to_the_expected_figures(
    transactions: Any, table: dict[int | None, Figures]
) -> None:
    assert columns_of(Baskets(transactions, None)) == table[None]


@pytest.mark.parametrize("count", [10, 300, 3000])
def test_the_plan_comes_to_the_expected_figures(
    transactions: Any, table: dict[int | None, Figures], count: int
) -> None:
    assert figures_of(Baskets(transactions, count)) == table[count]


def test_stock_is_exactly_what_the_baskets_take(plan_of_300: Plan) -> None:
    taken: Counter[str] = Counter()
    for basket in plan_of_300.baskets:
        for line in basket.lines:
            taken[line.sku] += line.units

    stock = {variant.sku: variant.stock for product in plan_of_300.assortment for variant in product.variants}

    assert {sku: units for sku, units in stock.items() if units} == dict(taken)


def test_every_product_of_the_year_is_in_the_catalogue_once(data: Path, plan_of_300: Plan) -> None:
    products = pq.read_table(data / "products.parquet", columns=["product_id"])["product_id"].to_pylist()
    named = pq.read_table(data / "transactions.parquet", columns=["product_id"])["product_id"].to_pylist()

    ids = [product.id for product in plan_of_300.assortment]

    assert len(products) == 92_331
    assert sorted(ids) == sorted({*products, *named})


def test_slugs_and_skus_are_unique(plan_of_300: Plan) -> None:
    products = list(plan_of_300.assortment)
    skus = [variant.sku for product in products for variant in product.variants]

    assert len({product.slug for product in products}) == len(products)
    assert len(set(skus)) == len(skus) == plan_of_300.assortment.variant_count


def test_a_product_outside_the_baskets_has_its_usual_price_of_the_year(data: Path, plan_of_300: Plan) -> None:
    """Read again in plain Python, for a handful of products that the baskets do not hold."""
    watched = [product for product in plan_of_300.assortment if product.sold and not product.variants[0].stock][::7000]
    prices: dict[int, Counter[int]] = {product.id: Counter() for product in watched}
    columns = ["product_id", "quantity", "sales_value", "coupon_match_disc"]
    chosen = [("product_id", "in", list(prices))]
    table = pq.read_table(data / "transactions.parquet", columns=columns, filters=chosen)
    for product, quantity, sales, match in zip(*(column.to_pylist() for column in table.columns), strict=True):
        if quantity > 0 and sales > 0:
            charged = round(sales * 100) + round(match * 100)
            prices[product][charged if charged % quantity else charged // quantity] += 1

    for product in watched:
        [variant] = product.variants
        most = max(prices[product.id].values())
        assert variant.cents == min(cents for cents, times in prices[product.id].items() if times == most)


def test_every_product_hangs_in_the_category_tree(plan_of_300: Plan) -> None:
    tree = {category.slug: category for category in plan_of_300.assortment.categories()}

    assert all(tree[product.category.slug] == product.category for product in plan_of_300.assortment)
    assert all(category.parent in tree for category in tree.values() if category.parent)


def test_parents_come_before_their_children(plan_of_300: Plan) -> None:
    seen = {""}
    for category in plan_of_300.assortment.categories():
        assert category.parent in seen
        seen.add(category.slug)


def test_a_compare_at_price_is_above_the_price(plan_of_300: Plan) -> None:
    variants = [variant for product in plan_of_300.assortment for variant in product.variants]

    assert all(variant.cents > 0 for variant in variants)
    assert all(variant.compare_cents > variant.cents for variant in variants if variant.compare_cents is not None)


def test_what_is_left_out_has_a_cause(transactions: Any) -> None:
    baskets = Baskets(transactions, 3000)

    assert {left_out.cause for left_out in baskets.left_out_lines} <= {"no quantity", "no sales value"}
    assert {left_out.cause for left_out in baskets.left_out_baskets} == {"no line counts"}
    assert not {left_out.basket_id for left_out in baskets.left_out_baskets} & set(baskets.ids())


def test_a_households_baskets_are_in_order(plan_of_300: Plan) -> None:
    households = plan_of_300.baskets.by_household()

    assert sum(map(len, households.values())) == len(plan_of_300.baskets)
    for household, indices in households.items():
        baskets = [plan_of_300.baskets[index] for index in indices]
        assert {basket.household_id for basket in baskets} == {household}
        assert [basket.time for basket in baskets] == sorted(basket.time for basket in baskets)
