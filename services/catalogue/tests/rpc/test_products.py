"""Products are made by staff and seen by everybody once they are published."""

import asyncio
from uuid import uuid4

import pytest
from lumi.catalogue.v1 import product_pb2 as pb

from lumi_common.cuid import cuid
from lumi_common.errors import (
    Aborted,
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Unauthenticated,
)
from services.catalogue.tests.rpc.conftest import Catalogue, Outbox, usd


async def test_a_product_is_read_as_it_was_made(staff: Catalogue) -> None:
    soups = await staff.category()
    made = await staff.product(
        sku=f"S-{cuid()}",
        description="A *good* soup.",
        summary="Good.",
        compare_at_price=usd(250),
        inventory_policy=pb.INVENTORY_POLICY_DENY,
        search_keywords=["soup", "tomato"],
        attributes={"brand": "Campbell", "grams": 400, "share": 0.1, "vegan": True, "tags": ["a", 1], "none": None},
        category_ids=[soups.id],
    )

    by_id = await staff.products.GetProduct(pb.GetProductRequest(id=made.id))
    by_slug = await staff.products.GetProductBySlug(pb.GetProductBySlugRequest(slug=made.slug))

    assert made == by_id == by_slug
    assert made.status == pb.PRODUCT_STATUS_DRAFT and made.etag == "1"
    assert made.price == usd(199) and list(made.category_ids) == [soups.id]
    assert dict(made.attributes)["share"] == 0.1 and dict(made.attributes)["vegan"] is True


async def test_a_draft_and_a_missing_product_are_the_same_to_shoppers(staff: Catalogue, anybody: Catalogue) -> None:
    draft = await staff.product()

    with pytest.raises(NotFound) as hidden:
        await anybody.products.GetProductBySlug(pb.GetProductBySlugRequest(slug=draft.slug))
    with pytest.raises(NotFound) as missing:
        await anybody.products.GetProductBySlug(pb.GetProductBySlugRequest(slug=f"{draft.slug}-x"))
    with pytest.raises(NotFound):
        await anybody.products.GetProduct(pb.GetProductRequest(id=draft.id))

    assert (hidden.value.reason, hidden.value.message) == (missing.value.reason, missing.value.message)


async def test_a_published_product_is_seen_by_everybody(staff: Catalogue, anybody: Catalogue, outbox: Outbox) -> None:
    product = await staff.product()
    await staff.variant(product.id)

    first = await staff.products.PublishProduct(pb.PublishProductRequest(id=product.id, etag=product.etag))
    again = await staff.products.PublishProduct(pb.PublishProductRequest(id=product.id))

    assert first == again and first.status == pb.PRODUCT_STATUS_ACTIVE and first.etag == "2"
    assert await anybody.products.GetProduct(pb.GetProductRequest(id=product.id)) == first
    assert await outbox.actions(product.id) == ["product.created", "product.published"]


async def test_a_product_without_a_variant_is_not_published(staff: Catalogue) -> None:
    product = await staff.product()

    with pytest.raises(FailedPrecondition, match="PRODUCT_NOT_PUBLISHABLE"):
        await staff.products.PublishProduct(pb.PublishProductRequest(id=product.id))


async def test_a_stale_etag_is_refused(staff: Catalogue) -> None:
    product = await staff.product()
    await staff.variant(product.id)

    with pytest.raises(Aborted, match="ETAG_MISMATCH"):
        await staff.products.PublishProduct(pb.PublishProductRequest(id=product.id, etag="7"))


async def test_a_slug_and_a_sku_have_one_product(staff: Catalogue) -> None:
    product = await staff.product(sku=f"S-{cuid()}")

    with pytest.raises(AlreadyExists, match="SLUG_TAKEN") as slug:
        await staff.product(slug=product.slug)
    with pytest.raises(AlreadyExists, match="SKU_TAKEN") as sku:
        await staff.product(sku=product.sku)

    assert (slug.value.field, sku.value.field) == ("product.slug", "product.sku")


async def test_of_many_who_take_one_slug_at_once_one_gets_it(staff: Catalogue) -> None:
    slug = f"soup-{cuid()}"

    results = await asyncio.gather(*(staff.product(slug=slug) for _ in range(8)), return_exceptions=True)

    assert sum(isinstance(each, pb.Product) for each in results) == 1
    assert sum(isinstance(each, AlreadyExists) for each in results) == 7


async def test_a_repeat_has_the_first_answer(staff: Catalogue) -> None:
    request = pb.CreateProductRequest(
        product=pb.Product(title="Soup", slug=f"soup-{cuid()}", price=usd(199)), request_id=str(uuid4())
    )

    first, second = await asyncio.gather(*(staff.products.CreateProduct(request) for _ in range(2)))
    request.product.title = "Another soup"

    assert first == second
    with pytest.raises(InvalidArgument, match="REQUEST_ID_REUSED"):
        await staff.products.CreateProduct(request)


async def test_a_category_that_is_not_there_refuses_the_product(staff: Catalogue) -> None:
    slug = f"soup-{cuid()}"

    with pytest.raises(FailedPrecondition, match="CATEGORY_NOT_FOUND") as refusal:
        await staff.product(slug=slug, category_ids=[cuid()])

    assert refusal.value.field == "product.category_ids"
    with pytest.raises(NotFound):
        await staff.products.GetProductBySlug(pb.GetProductBySlugRequest(slug=slug))


async def test_the_record_of_a_new_product_tells_its_categories(staff: Catalogue, outbox: Outbox) -> None:
    soups = await staff.category()

    product = await staff.product(category_ids=[soups.id])

    [record] = await outbox.records(product.id)
    assert record["after"]["category_ids"] == [soups.id] and record["after"]["title"] == product.title


@pytest.mark.parametrize(
    ("facts", "reason", "field"),
    [
        ({"compare_at_price": usd(198)}, "COMPARE_AT_PRICE_TOO_LOW", "product.compare_at_price"),
        ({"price": {"currency_code": "JPY", "units": 5}}, "CURRENCY_UNSUPPORTED", "product.price.currency_code"),
        (
            {"compare_at_price": {"currency_code": "TRY", "units": 5}},
            "CURRENCY_MISMATCH",
            "product.compare_at_price",
        ),
        ({"slug": "Not A Slug"}, "INVALID_REQUEST", "product.slug"),
        ({"title": ""}, "INVALID_REQUEST", "product.title"),
        ({"price": {"currency_code": "USD", "nanos": 1}}, "INVALID_REQUEST", "product.price"),
        ({"attributes": {"deep": {"er": 1}}}, "INVALID_REQUEST", "product.attributes"),
    ],
)
async def test_bad_input_is_refused_with_the_field_at_fault(
    staff: Catalogue, facts: dict[str, object], reason: str, field: str
) -> None:
    with pytest.raises(InvalidArgument, match=reason) as refusal:
        await staff.product(**facts)

    assert refusal.value.field == field


async def test_lists_show_shoppers_what_is_active(staff: Catalogue, anybody: Catalogue) -> None:
    soups = await staff.category()
    draft = await staff.product(category_ids=[soups.id])
    active = []
    for _ in range(3):
        active.append((await staff.on_sale(0, category_ids=[soups.id])).product_id)

    request = pb.ListProductsRequest(category_id=soups.id, page_size=2, status=pb.PRODUCT_STATUS_DRAFT)
    first = await anybody.products.ListProducts(request)
    request.page_token = first.next_page_token
    second = await anybody.products.ListProducts(request)
    drafts = await staff.products.ListProducts(
        pb.ListProductsRequest(category_id=soups.id, status=pb.PRODUCT_STATUS_DRAFT)
    )

    assert [each.id for each in (*first.products, *second.products)] == active[::-1]
    assert not second.next_page_token
    assert [each.id for each in drafts.products] == [draft.id]


async def test_a_page_token_of_another_list_is_refused(staff: Catalogue) -> None:
    await staff.product()
    await staff.product()
    page = await staff.products.ListProducts(pb.ListProductsRequest(page_size=1))

    with pytest.raises(InvalidArgument, match="PAGE_TOKEN_INVALID"):
        await staff.products.ListProducts(
            pb.ListProductsRequest(page_token=page.next_page_token, status=pb.PRODUCT_STATUS_DRAFT)
        )


async def test_only_staff_make_products(anybody: Catalogue, shop: object) -> None:
    with pytest.raises(Unauthenticated):
        await anybody.product()
    somebody = Catalogue(shop, (await shop.user()).token)  # type: ignore[arg-type, attr-defined]
    with pytest.raises(PermissionDenied):
        await somebody.product()
