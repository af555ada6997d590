"""Which rows of an import are taken, and what they come to."""

from collections.abc import Collection
from decimal import Decimal
from typing import Any

import pytest

from lumi_catalogue.domain.errors import Reason
from lumi_catalogue.domain.importing import Known, Plan, ProductRow, VariantRow
from lumi_catalogue.domain.price import Price
from lumi_catalogue.domain.product import InventoryPolicy, Product, ProductStatus
from lumi_catalogue.domain.variant import Variant
from lumi_common.errors import LumiError
from services.catalogue.tests.kit import a_product, a_variant

PRICE = Price(Decimal("1.99"), "USD")


def variant_row(sku: str, **facts: Any) -> VariantRow:
    given: dict[str, Any] = {"title": "Tin", "sku": sku, "price": PRICE, "attributes": {"size": "400 g"}}
    return VariantRow(**given | facts)


def row(slug: str = "soup", **facts: Any) -> ProductRow:
    given: dict[str, Any] = {"line": 1, "title": "Tomato soup", "slug": slug, "price": PRICE}
    return ProductRow(**given | facts)


def plan(
    products: list[Product] | None = None, variants: list[Variant] | None = None, backordered: Collection[str] = ()
) -> Plan:
    return Plan(Known(products or [], variants or [], {"soups": "c-soups", "tins": "c-tins"}, backordered))


def refusal(plan: Plan, row: ProductRow) -> tuple[str, str | None]:
    with pytest.raises(LumiError) as caught:
        plan.take(row)
    return caught.value.reason, caught.value.field


def test_a_new_row_makes_a_draft_whose_first_variant_is_primary() -> None:
    taken = plan().take(row(category_slugs=["soups"], variants=[variant_row("a"), variant_row("b")]))

    assert (taken.is_new, taken.status, taken.new_category_ids) == (True, ProductStatus.DRAFT, ["c-soups"])
    assert [(new.row.sku, new.is_primary) for new in taken.new_variants] == [("a", True), ("b", False)]


def test_a_row_marks_its_primary_variant() -> None:
    taken = plan().take(row(variants=[variant_row("a"), variant_row("b", is_primary=True)]))

    assert [new.is_primary for new in taken.new_variants] == [False, True]


def test_the_same_row_again_changes_nothing() -> None:
    product = a_product(slug="soup", category_ids=["c-soups"])
    variant = a_variant(product, sku="a", is_primary=True)

    taken = plan([product], [variant]).take(row(category_slugs=["soups"], variants=[variant_row("a")]))

    assert not (taken.is_new or taken.is_changed or taken.new_variants or taken.changed_variants)
    assert taken.variants_unchanged == 1


def test_a_row_without_a_status_leaves_the_products_own() -> None:
    taken = plan([a_product(slug="soup", status=ProductStatus.ARCHIVED)]).take(row(title="Soup"))

    assert (taken.is_changed, taken.status) == (True, ProductStatus.ARCHIVED)


def test_another_category_changes_the_product_and_takes_none_away() -> None:
    taken = plan([a_product(slug="soup", category_ids=["c-soups"], status="DRAFT")]).take(row(category_slugs=["tins"]))

    assert taken.is_changed and taken.old_category_ids == ["c-soups"] and taken.new_category_ids == ["c-tins"]


def test_a_new_primary_variant_makes_the_old_one_step_back() -> None:
    product = a_product(slug="soup")
    old = a_variant(product, sku="old", is_primary=True)

    taken = plan([product], [old]).take(row(variants=[variant_row("new", is_primary=True)]))

    [back] = taken.changed_variants
    assert (back.id, back.row.title, back.is_primary) == (old.id, old.title, False)


def test_a_product_is_found_by_its_sku_and_renamed() -> None:
    product = a_product(slug="soup", sku="S1", status="DRAFT")

    taken = plan([product]).take(row("tomato-soup", sku="S1"))

    assert taken.product_id == product.id and taken.is_changed


def test_a_product_that_owes_units_goes_on_selling_below_zero() -> None:
    product = a_product(slug="soup", status="DRAFT", inventory_policy=InventoryPolicy.CONTINUE)
    plan_ = plan([product], backordered={product.id})

    assert refusal(plan_, row()) == (Reason.STOCK_BACKORDERED, "inventory_policy")
    assert plan_.take(row(title="Soup", inventory_policy=InventoryPolicy.CONTINUE)).is_changed


def test_a_second_row_of_one_product_is_refused() -> None:
    plan_ = plan([a_product(slug="soup", sku="S1", status="DRAFT")])
    plan_.take(row("soup"))

    assert refusal(plan_, row("other", sku="S1")) == (Reason.ROW_REPEATED, "sku")
    assert refusal(plan_, row("soup")) == (Reason.ROW_REPEATED, "slug")


def test_a_sku_that_an_earlier_row_has_is_refused() -> None:
    plan_ = plan()
    plan_.take(row("one", variants=[variant_row("a")]))

    assert refusal(plan_, row("two", variants=[variant_row("b"), variant_row("a")])) == (
        Reason.ROW_REPEATED,
        "variants[1].sku",
    )


def test_a_refused_row_stands_in_nobodys_way() -> None:
    plan_ = plan()
    refusal(plan_, row("one", category_slugs=["none"]))

    assert plan_.take(row("one")).is_new


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"category_slugs": ["soups", "none"]}, (Reason.CATEGORY_NOT_FOUND, "category_slugs[1]")),
        ({"status": ProductStatus.ACTIVE}, (Reason.PRODUCT_NOT_PUBLISHABLE, "status")),
        ({"slug": "taken", "sku": "new"}, (Reason.SLUG_TAKEN, "slug")),
        ({"slug": "taken", "sku": "S1"}, (Reason.ROW_CONFLICT, "sku")),
        ({"variants": [variant_row("others")]}, (Reason.ROW_CONFLICT, "variants[0].sku")),
        ({"variants": [variant_row("a"), variant_row("a")]}, (Reason.ROW_REPEATED, "variants[1].sku")),
        (
            {"variants": [variant_row("a", is_primary=True), variant_row("b", is_primary=True)]},
            (Reason.ROW_CONFLICT, "variants"),
        ),
    ],
)
def test_a_row_that_cannot_be_is_refused_with_the_field_at_fault(facts: dict[str, Any], expected: Any) -> None:
    others = a_product(slug="taken")
    plan_ = plan([others, a_product(slug="else", sku="S1")], [a_variant(others, sku="others", is_primary=True)])

    assert refusal(plan_, row(**facts)) == expected
