from collections import Counter

import protovalidate
import pytest
from lumi.catalogue.v1.product_pb2 import ProductStatus
from lumi.catalogue.v1.transfer_pb2 import ProductRow

from lumi_demo.assortment import Category, Product, Variant
from lumi_demo.convert import cents
from lumi_demo.real_year import Plan
from lumi_demo.rows import first_calls, further_calls

FUEL = Category("Fuel", "fuel")


def product(number: int, variants: int) -> Product:
    offers = tuple(Variant(f"{number}-{price}", price, None, 1) for price in range(1, variants + 1))
    return Product(number, "Gasoline", f"gasoline-{number}", FUEL, {"product_id": str(number)}, offers)


@pytest.fixture(scope="module")
def rows(plan_of_300: Plan) -> list[ProductRow]:
    return [row for call in first_calls(plan_of_300.assortment) for row in call.rows]


def test_every_product_goes_in_once_and_every_variant_with_it(plan_of_300: Plan, rows: list[ProductRow]) -> None:
    assert [row.sku for row in rows] == [str(product.id) for product in plan_of_300.assortment]
    assert sum(len(row.variants) for row in rows) == plan_of_300.assortment.variant_count


def test_rows_keep_to_the_bounds_of_the_contract(rows: list[ProductRow]) -> None:
    assert not [row for row in rows[::50] if protovalidate.collect_violations(row)]
    longest = max(rows, key=lambda row: len(row.title))
    assert not protovalidate.collect_violations(longest)


def test_what_was_never_sold_is_a_draft_without_a_price(rows: list[ProductRow]) -> None:
    drafts = [row for row in rows if row.status == ProductStatus.PRODUCT_STATUS_DRAFT]

    assert drafts
    assert all(cents(row.price) == 0 and not row.variants for row in drafts)
    assert all(row.variants for row in rows if row.status == ProductStatus.PRODUCT_STATUS_ACTIVE)


def test_a_product_with_very_many_prices_takes_several_calls() -> None:
    fuel = [product(1, 2_500), product(2, 1)]

    first = [row for call in first_calls(fuel) for row in call.rows]
    further = [call.rows for call in further_calls(fuel)]

    assert [len(row.variants) for row in first] == [1_000, 1]
    assert [[len(row.variants) for row in rows] for rows in further] == [[1_000], [500]]
    rows = [*first, *(row for rows in further for row in rows)]
    skus = Counter(variant.sku for row in rows for variant in row.variants)
    assert set(skus.values()) == {1}
    assert len(skus) == 2_501
    assert sum(variant.is_primary for row in rows for variant in row.variants) == 2


def test_the_same_rows_have_the_same_request_id() -> None:
    [one], [same], [other] = (list(first_calls([product(1, count)])) for count in (3, 3, 4))

    assert one.request_id == same.request_id
    assert one.request_id != other.request_id
