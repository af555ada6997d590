"""A category goes, and what stood in it and under it stays."""

import asyncio

from lumi.catalogue.v1 import category_pb2, product_pb2, transfer_pb2

from lumi_common.cuid import cuid
from lumi_common.db.removal import ROWS_AT_ONCE
from lumi_common.errors import LumiError, NotFound
from services.catalogue.tests.rpc.conftest import Catalogue, Outbox, usd
from services.catalogue.tests.rpc.deleting import delete_product, product_of, refused, rows, undelete_product
from tests.kit.shop import Shop


async def test_a_categorys_products_and_branches_are_there_without_it(
    shop: Shop, staff: Catalogue, outbox: Outbox
) -> None:
    food = await staff.category()
    soups, stews = await staff.category(parent_id=food.id), await staff.category(parent_id=food.id)
    both = await staff.product(category_ids=[food.id, soups.id])
    hidden = await staff.product(category_ids=[food.id])
    await delete_product(staff, hidden.id)
    other = await staff.product(category_ids=[stews.id])

    await staff.categories.DeleteCategory(category_pb2.DeleteCategoryRequest(id=food.id))

    assert isinstance(
        await refused(staff.categories.GetCategory(category_pb2.GetCategoryRequest(id=food.id))), NotFound
    )
    for branch in (soups, stews):
        left = await staff.categories.GetCategory(category_pb2.GetCategoryRequest(id=branch.id))
        assert left.parent_id == ""
        [_, told] = await outbox.records(branch.id)
        assert (told["action"], told["before"], told["after"]) == ("category.updated", {"parent_id": food.id}, {})
    end = (await outbox.records(food.id))[-1]
    assert (end["action"], "after" in end) == ("category.deleted", False)
    found = await product_of(staff, both.id)
    assert (list(found.category_ids), found.etag) == ([soups.id], "2")
    told = (await outbox.records(both.id))[-1]
    assert (told["action"], told["before"], told["after"]) == (
        "product.updated",
        {"category_ids": sorted([food.id, soups.id])},
        {"category_ids": [soups.id]},
    )
    assert await outbox.actions(hidden.id) == ["product.created", "product.deleted", "product.updated"]
    assert (await undelete_product(staff, hidden.id)).etag == "4"
    assert await outbox.actions(other.id) == ["product.created"]
    assert await rows(shop, "product_categories", category_id=food.id) == 0


async def test_a_category_of_many_products_goes_with_a_record_of_each(
    shop: Shop, staff: Catalogue, outbox: Outbox
) -> None:
    food, key = await staff.category(), cuid()
    await staff.bring_in(
        *(
            transfer_pb2.ProductRow(
                title="Soup", slug=f"soup-{number}-{key}", price=usd(100), category_slugs=[food.slug]
            )
            for number in range(ROWS_AT_ONCE + 1)
        )
    )

    await staff.categories.DeleteCategory(category_pb2.DeleteCategoryRequest(id=food.id))

    async with shop.database("catalogue") as database:
        told = await database.fetch(
            "select o.type, count(*) from outbox_events o cross join jsonb_array_elements(o.records) r"
            " where r->'before'->'category_ids' = jsonb_build_array($1::text) group by o.seq, o.type order by o.seq",
            food.id,
        )
        versions = await database.fetch(
            "select distinct version from products where slug like 'soup-%-' || $1::text", key
        )
    assert [tuple(row) for row in told] == [("product.updated", ROWS_AT_ONCE), ("product.updated", 1)]
    assert [row[0] for row in versions] == [2]
    assert await rows(shop, "categories", id=food.id) == 0


async def test_a_category_that_is_not_there_is_not_found(staff: Catalogue) -> None:
    food = await staff.category()
    await staff.categories.DeleteCategory(category_pb2.DeleteCategoryRequest(id=food.id))

    again = await refused(staff.categories.DeleteCategory(category_pb2.DeleteCategoryRequest(id=food.id)))

    assert isinstance(again, NotFound)
    assert (await refused(staff.product(category_ids=[food.id]))).reason == "CATEGORY_NOT_FOUND"
    assert (await refused(staff.category(parent_id=food.id))).reason == "CATEGORY_NOT_FOUND"


async def test_of_putting_products_into_a_category_and_deleting_it_one_comes_first(
    shop: Shop, staff: Catalogue
) -> None:
    for _ in range(5):
        food = await staff.category()
        made = [
            await staff.product(category_ids=[food.id]),
            *await asyncio.gather(
                *(staff.product(category_ids=[food.id]) for _ in range(4)),
                staff.categories.DeleteCategory(category_pb2.DeleteCategoryRequest(id=food.id)),
                *(staff.product(category_ids=[food.id]) for _ in range(4)),
                return_exceptions=True,
            ),
        ]
        for each in made:
            if isinstance(each, LumiError):
                assert each.reason == "CATEGORY_NOT_FOUND"
            elif isinstance(each, product_pb2.Product):
                assert list((await product_of(staff, each.id)).category_ids) == []
            else:
                assert not isinstance(each, BaseException), each
        assert await rows(shop, "categories", id=food.id) == 0
