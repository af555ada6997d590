"""The tree that products are found by."""

import pytest
from lumi.catalogue.v1 import category_pb2 as pb

from lumi_common.cuid import cuid
from lumi_common.errors import AlreadyExists, FailedPrecondition, NotFound
from services.catalogue.tests.rpc.conftest import Catalogue, Outbox


async def test_categories_form_a_tree(staff: Catalogue, anybody: Catalogue, outbox: Outbox) -> None:
    food = await staff.category(name="Food", description="To eat.", position=2)
    soups = await staff.category(parent_id=food.id)
    stews = await staff.category(parent_id=food.id)

    page = await anybody.categories.ListCategories(pb.ListCategoriesRequest(parent_id=food.id))

    assert list(page.categories) == [soups, stews]
    assert await anybody.categories.GetCategory(pb.GetCategoryRequest(id=food.id)) == food
    assert await outbox.actions(food.id) == ["category.created"]


async def test_a_slug_has_one_category(staff: Catalogue) -> None:
    soups = await staff.category()

    with pytest.raises(AlreadyExists, match="SLUG_TAKEN") as refusal:
        await staff.category(slug=soups.slug)

    assert refusal.value.field == "category.slug"


async def test_a_parent_has_to_be_there(staff: Catalogue) -> None:
    with pytest.raises(FailedPrecondition, match="CATEGORY_NOT_FOUND") as refusal:
        await staff.category(parent_id=cuid())

    assert refusal.value.field == "category.parent_id"


async def test_a_missing_category_is_not_found(anybody: Catalogue) -> None:
    with pytest.raises(NotFound):
        await anybody.categories.GetCategory(pb.GetCategoryRequest(id=cuid()))
