"""The catalogue in bulk: good rows go in, bad ones are listed, and the same rows again change nothing."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from lumi.catalogue.v1 import product_pb2, transfer_pb2, variant_pb2

from lumi_common.cuid import cuid
from lumi_common.errors import InvalidArgument, NotFound, PermissionDenied, Unauthenticated
from services.catalogue.tests.rpc.conftest import Catalogue, Outbox, reserving, usd
from tests.kit.client import Client
from tests.kit.shop import Shop

ACTIVE = product_pb2.PRODUCT_STATUS_ACTIVE


def variant_row(**facts: Any) -> transfer_pb2.VariantRow:
    given: dict[str, Any] = {"title": "Tin", "sku": f"T-{cuid()}", "price": usd(199), "initial_quantity": 7} | facts
    return transfer_pb2.VariantRow(**given)


def row(**facts: Any) -> transfer_pb2.ProductRow:
    given: dict[str, Any] = {
        "title": "Soup",
        "slug": f"soup-{cuid()}",
        "price": usd(199),
        "variants": [variant_row()],
    } | facts
    return transfer_pb2.ProductRow(**given)


async def product_of(staff: Catalogue, row: transfer_pb2.ProductRow) -> product_pb2.Product:
    product: product_pb2.Product = await staff.products.GetProductBySlug(
        product_pb2.GetProductBySlugRequest(slug=row.slug)
    )
    return product


async def variants_of(staff: Catalogue, row: transfer_pb2.ProductRow) -> list[variant_pb2.ProductVariant]:
    product = await product_of(staff, row)
    page = await staff.variants.ListVariants(variant_pb2.ListVariantsRequest(product_id=product.id))
    return list(page.variants)


async def rows_of_the_outbox(shop: Shop) -> int:
    async with shop.database("catalogue") as database:
        count: int = await database.fetchval("select count(*) from outbox_events where type = 'product.imported'")
    return count


async def test_a_row_becomes_a_product_with_variants_stock_and_categories(
    staff: Catalogue, anybody: Catalogue, outbox: Outbox
) -> None:
    soups = await staff.category()
    big = variant_row(compare_at_price=usd(300), attributes={"size": "big"}, position=1)
    given = row(
        status=ACTIVE,
        sku=f"S-{cuid()}",
        description="Good.",
        search_keywords=["soup", "tomato, red"],
        attributes={"brand": "Campbell", "grams": 0.5},
        category_slugs=[soups.slug],
        variants=[variant_row(), big],
    )

    answer = await staff.bring_in(given)

    assert (answer.rows_taken, answer.products_created, answer.variants_created) == (1, 1, 2)
    product = await product_of(anybody, given)
    assert list(product.category_ids) == [soups.id] and product.sku == given.sku
    assert product.attributes == given.attributes and product.search_keywords == given.search_keywords
    first, second = await variants_of(staff, given)
    assert (first.is_primary, second.is_primary) == (True, False)
    assert (second.sku, second.compare_at_price, second.attributes) == (big.sku, usd(300), big.attributes)
    stock = await staff.stock(second.id)
    assert (stock.quantity_on_hand, stock.quantity_available) == (7, 7)
    [record] = await outbox.records(product.id)
    assert (record["action"], record["audit"], record["after"]["category_ids"]) == ("product.created", True, [soups.id])
    assert await outbox.actions(first.id) == ["product_variant.created"]
    assert await outbox.actions(stock.id) == ["inventory.created"]


async def test_the_same_rows_again_change_nothing_and_tell_nothing(
    staff: Catalogue, shop: Shop, outbox: Outbox
) -> None:
    soups = await staff.category()
    rows = [
        row(status=ACTIVE, category_slugs=[soups.slug], attributes={"share": 0.1, "few": [1.5, "a"]}),
        row(variants=[variant_row(attributes={"share": 0.1}), variant_row(is_primary=True)]),
        row(variants=[]),
    ]
    await staff.bring_in(*rows)
    first = (await variants_of(staff, rows[0]))[0]
    await staff.adjust(first.id, -5)
    before = await rows_of_the_outbox(shop)

    answer = await staff.bring_in(*rows)

    assert (answer.rows_taken, answer.products_unchanged, answer.variants_unchanged) == (3, 3, 3)
    assert (answer.products_created, answer.products_updated, answer.variants_updated) == (0, 0, 0)
    assert await rows_of_the_outbox(shop) == before
    assert (await staff.stock(first.id)).quantity_on_hand == 2


async def test_a_changed_row_changes_what_differs(staff: Catalogue, outbox: Outbox) -> None:
    soups, stews = await staff.category(), await staff.category()
    given = row(category_slugs=[soups.slug])
    await staff.bring_in(given)
    product, [variant] = await product_of(staff, given), await variants_of(staff, given)

    given.title, given.category_slugs[:] = "Stew", [stews.slug]
    given.variants[0].price.CopyFrom(usd(250))
    given.variants.append(variant_row())
    answer = await staff.bring_in(given)

    assert (answer.products_updated, answer.variants_updated, answer.variants_created) == (1, 1, 1)
    changed = await product_of(staff, given)
    assert (changed.title, changed.etag, sorted(changed.category_ids)) == ("Stew", "2", sorted([soups.id, stews.id]))
    _, record = await outbox.records(product.id)
    assert record["before"] == {"title": "Soup", "category_ids": [soups.id]}
    assert record["after"] == {"title": "Stew", "category_ids": [soups.id, stews.id]}
    assert (await variants_of(staff, given))[0].price == usd(250)
    assert await outbox.actions(variant.id) == ["product_variant.created", "product_variant.updated"]


async def test_the_primary_variant_moves_to_a_new_one_and_back(staff: Catalogue, outbox: Outbox) -> None:
    old, new = variant_row(), variant_row(is_primary=True)
    given = row(variants=[old])
    await staff.bring_in(given)

    await staff.bring_in(row(slug=given.slug, variants=[new]))
    moved = {variant.sku: variant.is_primary for variant in await variants_of(staff, given)}
    old.is_primary, new.is_primary = True, False
    await staff.bring_in(row(slug=given.slug, variants=[new, old]))
    back = await variants_of(staff, given)

    assert moved == {old.sku: False, new.sku: True}
    assert {variant.sku: variant.is_primary for variant in back} == {old.sku: True, new.sku: False}
    assert await outbox.actions(back[0].id) == ["product_variant.created", *["product_variant.updated"] * 2]


async def test_bad_rows_are_listed_and_the_rest_goes_in(staff: Catalogue) -> None:
    good, taken = row(line=10), await staff.product()
    rows = [
        good,
        row(line=11, title=""),
        row(line=12, variants=[variant_row(), variant_row(sku="not a sku")]),
        row(line=13, slug=good.slug),
        row(line=14, compare_at_price=usd(1)),
        row(line=15, price={"currency_code": "JPY", "units": 1}),
        row(line=16, category_slugs=["nowhere"]),
        row(line=17, variants=[variant_row(compare_at_price={"currency_code": "TRY", "units": 900})]),
        row(line=18, variants=[variant_row(sku=good.variants[0].sku)]),
        row(line=19, slug=taken.slug, sku=f"S-{cuid()}"),
        row(line=20, status=ACTIVE, variants=[]),
        row(line=21, title="nul \0"),
        row(line=22),
    ]

    answer = await staff.bring_in(*rows)

    assert (answer.rows_taken, answer.rows_refused) == (2, 11)
    assert [(error.line, error.field, error.reason) for error in answer.errors] == [
        (11, "title", "INVALID_REQUEST"),
        (12, "variants[1].sku", "INVALID_REQUEST"),
        (13, "slug", "ROW_REPEATED"),
        (14, "compare_at_price", "COMPARE_AT_PRICE_TOO_LOW"),
        (15, "price.currency_code", "CURRENCY_UNSUPPORTED"),
        (16, "category_slugs[0]", "CATEGORY_NOT_FOUND"),
        (17, "variants[0].compare_at_price", "CURRENCY_MISMATCH"),
        (18, "variants[0].sku", "ROW_REPEATED"),
        (19, "slug", "SLUG_TAKEN"),
        (20, "status", "PRODUCT_NOT_PUBLISHABLE"),
        (21, "title", "INVALID_REQUEST"),
    ]
    assert all(error.message for error in answer.errors)
    assert await product_of(staff, rows[-1])
    with pytest.raises(NotFound):
        await product_of(staff, rows[6])


async def test_a_product_that_owes_units_keeps_its_policy_until_they_are_there(
    staff: Catalogue, orders: Client
) -> None:
    given = row(status=ACTIVE, inventory_policy=product_pb2.INVENTORY_POLICY_CONTINUE)
    await staff.bring_in(given)
    [variant] = await variants_of(staff, given)
    await orders.ReserveStock(reserving((variant.id, 9)))
    given.inventory_policy = product_pb2.INVENTORY_POLICY_UNSPECIFIED

    dry = await staff.bring_in(given, dry_run=True)
    real = await staff.bring_in(given)
    await staff.adjust(variant.id, 2)
    covered = await staff.bring_in(given)

    assert dry == real and real.rows_taken == 0
    assert [(error.field, error.reason) for error in real.errors] == [("inventory_policy", "STOCK_BACKORDERED")]
    assert covered.products_updated == 1
    assert (await product_of(staff, given)).inventory_policy == product_pb2.INVENTORY_POLICY_TRACK


async def test_rows_without_a_line_are_told_by_their_place(staff: Catalogue) -> None:
    answer = await staff.bring_in(row(), row(title=""))

    assert [error.line for error in answer.errors] == [2]


async def test_a_dry_run_says_what_would_happen_and_writes_nothing(staff: Catalogue, shop: Shop) -> None:
    there, new = row(), row()
    await staff.bring_in(there)
    before = await rows_of_the_outbox(shop)
    there.title = "Stew"

    answer = await staff.bring_in(there, new, row(title=""), dry_run=True)

    assert (answer.products_created, answer.products_updated, answer.rows_refused) == (1, 1, 1)
    assert await rows_of_the_outbox(shop) == before
    assert (await product_of(staff, there)).title == "Soup"


async def test_a_repeat_has_the_first_answer(staff: Catalogue) -> None:
    given, request_id = row(), str(uuid4())

    answers = await asyncio.gather(*(staff.bring_in(given, request_id=request_id) for _ in range(2)))

    assert [answer.products_created for answer in answers] == [1, 1]
    with pytest.raises(InvalidArgument, match="REQUEST_ID_REUSED"):
        await staff.bring_in(row(), request_id=request_id)


async def test_many_rows_are_told_in_messages_of_bounded_size(staff: Catalogue, shop: Shop) -> None:
    before = await rows_of_the_outbox(shop)

    answer = await staff.bring_in(*(row(description="x" * 2_000) for _ in range(400)))

    assert answer.products_created == 400
    async with shop.database("catalogue") as database:
        sizes = await database.fetch(
            "select octet_length(records::text) as size from outbox_events where type = 'product.imported'"
            " order by seq desc limit $1",
            await rows_of_the_outbox(shop) - before,
        )
    assert len(sizes) > 2 and max(row["size"] for row in sizes) < 800_000


async def test_only_who_may_import_imports(anybody: Catalogue, shop: Shop) -> None:
    somebody = Catalogue(shop, (await shop.user("inventory.adjust")).token)

    with pytest.raises(PermissionDenied):
        await somebody.bring_in(row())
    with pytest.raises(Unauthenticated):
        await anybody.bring_in(row())
