"""Products that go and come back, and go for good: never while somebody names them."""

import asyncio

import pytest
from lumi.catalogue.v1 import product_pb2, transfer_pb2, variant_pb2
from lumi.orders.v1 import cart_pb2
from lumi.orders.v1.cart_pb2_grpc import CartServiceStub

from lumi_common.cuid import cuid
from lumi_common.errors import Aborted, AlreadyExists, FailedPrecondition, NotFound, PermissionDenied
from services.catalogue.tests.rpc.conftest import Catalogue, Outbox, reserving, usd
from services.catalogue.tests.rpc.deleting import (
    delete_product,
    delete_variant,
    gone,
    listed,
    once_fenced,
    product_of,
    purge_product,
    refused,
    rows,
    undelete_product,
    write_review,
)
from tests.kit.buying import request_id
from tests.kit.client import Client
from tests.kit.shop import Shop


async def test_a_deleted_product_is_there_for_nobody(staff: Catalogue, anybody: Catalogue, outbox: Outbox) -> None:
    soups = await staff.category()
    variant = await staff.on_sale(5, category_ids=[soups.id])
    before = await product_of(staff, variant.product_id)

    deleted = await delete_product(staff, before.id, etag=before.etag)

    assert deleted.HasField("delete_time") and not before.HasField("delete_time")
    assert (deleted.title, list(deleted.category_ids), deleted.etag) == (before.title, [soups.id], "3")
    for someone in (staff, anybody):
        for missing in (
            someone.products.GetProduct(product_pb2.GetProductRequest(id=before.id)),
            someone.products.GetProductBySlug(product_pb2.GetProductBySlugRequest(slug=before.slug)),
            someone.variants.GetVariant(variant_pb2.GetVariantRequest(id=variant.id)),
            someone.variants.ListVariants(variant_pb2.ListVariantsRequest(product_id=before.id)),
        ):
            assert isinstance(await refused(missing), NotFound)
        page = await someone.products.ListProducts(product_pb2.ListProductsRequest(category_id=soups.id))
        assert not page.products
    for missing in (
        delete_product(staff, before.id),
        staff.products.PublishProduct(product_pb2.PublishProductRequest(id=before.id)),
        staff.variant(before.id),
        delete_variant(staff, variant.id),
    ):
        assert isinstance(await refused(missing), NotFound)
    assert await outbox.actions(before.id) == ["product.created", "product.published", "product.deleted"]
    record = (await outbox.records(before.id))[-1]
    assert (record["before"], list(record["after"])) == ({}, ["deleted_at"])


async def test_nothing_of_a_deleted_product_is_sold(shop: Shop, staff: Catalogue, orders: Client) -> None:
    sold, shopper = await staff.on_sale(5), await shop.shopper()
    cart = await shopper.fill((sold.id, 1))
    await delete_product(staff, sold.product_id)

    put = cart_pb2.AddCartItemRequest(
        cart_id=cart.id, product_variant_id=sold.id, quantity=2, etag=cart.etag, request_id=request_id()
    )
    adding = await refused(shopper.stub(CartServiceStub).AddCartItem(put))
    placing = await refused(shopper.place(cart))
    reserving_ = await refused(orders.ReserveStock(reserving((sold.id, 1))))

    assert {each.reason for each in (adding, placing, reserving_)} == {"VARIANT_NOT_SELLABLE"}
    assert {each.facts["product_variant_id"] for each in (adding, placing, reserving_)} == {sold.id}
    await undelete_product(staff, sold.product_id)
    assert (await shopper.place(cart)).order.id


async def test_slug_and_sku_of_a_deleted_product_are_free(staff: Catalogue) -> None:
    first = await staff.product(sku=f"P-{cuid()}")
    await delete_product(staff, first.id)

    second = await staff.product(slug=first.slug, sku=first.sku)

    assert (await product_of(staff, second.id)).slug == first.slug


@pytest.mark.parametrize("taken", ["slug", "sku"])
async def test_a_product_whose_name_is_taken_does_not_come_back(staff: Catalogue, taken: str) -> None:
    first = await staff.product(sku=f"P-{cuid()}")
    deleted = await delete_product(staff, first.id)
    second = await staff.product(**{taken: getattr(first, taken)})

    refusal = await refused(undelete_product(staff, first.id))

    assert isinstance(refusal, AlreadyExists)
    assert (refusal.reason, refusal.field) == (f"{taken.upper()}_TAKEN", f"product.{taken}")
    await delete_product(staff, second.id)
    assert (await undelete_product(staff, first.id, etag=deleted.etag)).etag == "3"


async def test_a_product_that_is_back_is_as_it_was(staff: Catalogue, anybody: Catalogue, outbox: Outbox) -> None:
    soups = await staff.category()
    variant = await staff.on_sale(5, category_ids=[soups.id])
    before = await product_of(staff, variant.product_id)
    await delete_product(staff, before.id)

    back = await undelete_product(staff, before.id)

    assert await product_of(anybody, before.id) == back
    assert await anybody.variants.GetVariant(variant_pb2.GetVariantRequest(id=variant.id)) == variant
    before.etag = back.etag
    before.update_time.CopyFrom(back.update_time)
    assert back == before
    assert await undelete_product(staff, before.id) == back
    assert (await outbox.actions(before.id))[2:] == ["product.deleted", "product.undeleted"]


async def test_stale_etags_change_nothing(staff: Catalogue) -> None:
    variant = await staff.on_sale(0)
    product = await product_of(staff, variant.product_id)

    for stale in (
        delete_product(staff, product.id, etag="1"),
        delete_variant(staff, variant.id, etag="2"),
    ):
        assert (await refused(stale)).reason == "ETAG_MISMATCH"
    assert await product_of(staff, product.id) == product
    await delete_product(staff, product.id, etag=product.etag)
    for stale in (
        undelete_product(staff, product.id, etag=product.etag),
        purge_product(staff, product.id, etag=product.etag),
    ):
        refusal = await refused(stale)
        assert isinstance(refusal, Aborted) and refusal.reason == "ETAG_MISMATCH"
    await undelete_product(staff, product.id, etag="3")


async def test_a_product_is_deleted_once(staff: Catalogue, outbox: Outbox) -> None:
    product = await staff.product()

    told = await asyncio.gather(*(delete_product(staff, product.id) for _ in range(8)), return_exceptions=True)

    assert sorted(type(each).__name__ for each in told) == ["NotFound"] * 7 + ["Product"]
    assert (await outbox.actions(product.id)).count("product.deleted") == 1


async def test_a_purged_product_is_gone_with_all_that_is_its(shop: Shop, staff: Catalogue, outbox: Outbox) -> None:
    soups = await staff.category()
    variant = await staff.on_sale(5, category_ids=[soups.id])
    product_id = variant.product_id
    other, stock = await staff.variant(product_id), await staff.stock(variant.id)
    review = await write_review(shop, product_id)
    bystander = await staff.on_sale(1, category_ids=[soups.id])
    deleted = await delete_product(staff, product_id)

    await purge_product(staff, product_id, etag=deleted.etag)

    for table in ("product_variants", "product_categories", "reviews"):
        assert await rows(shop, table, product_id=product_id) == 0
    for table in ("inventories", "stock_movements"):
        assert await rows(shop, table, product_variant_id=variant.id) == 0
    assert isinstance(await refused(undelete_product(staff, product_id)), NotFound)
    assert isinstance(await refused(purge_product(staff, product_id)), NotFound)
    ends = [(await outbox.records(id))[-1] for id in (product_id, variant.id, other.id, stock.id, review)]
    assert [end["action"] for end in ends] == [
        "product.purged",
        "product_variant.purged",
        "product_variant.purged",
        "inventory.purged",
        "review.purged",
    ]
    assert all("before" in end and "after" not in end for end in ends)
    assert ends[3]["before"]["quantity_on_hand"] == 5
    assert ends[4]["before"]["title"] == "[redacted]"
    assert await gone(shop, product_id, variant.id, other.id) == dict.fromkeys([product_id, variant.id, other.id], True)
    assert await rows(shop, "deletions", entity_id=product_id) == 0
    assert await listed(staff, bystander.product_id) == {bystander.id: True}


async def test_only_a_deleted_product_is_purged(shop: Shop, staff: Catalogue) -> None:
    product = await staff.product()

    refusal = await refused(purge_product(staff, product.id))

    assert isinstance(refusal, FailedPrecondition) and refusal.reason == "PRODUCT_NOT_DELETED"
    assert await gone(shop, product.id) == {}


async def test_who_may_delete_may_not_purge(shop: Shop, staff: Catalogue) -> None:
    product = await staff.product()
    await delete_product(staff, product.id)
    other = Catalogue(shop, (await shop.user("products.write")).token)

    assert isinstance(await refused(purge_product(other, product.id)), PermissionDenied)


async def test_a_product_stays_while_an_order_names_one_of_its_variants(shop: Shop, staff: Catalogue) -> None:
    sold, shopper = await staff.on_sale(5), await shop.shopper()
    other = await staff.variant(sold.product_id)
    order = (await shopper.place(await shopper.fill((sold.id, 1)))).order
    await delete_product(staff, sold.product_id)

    refusal = await refused(purge_product(staff, sold.product_id))

    assert isinstance(refusal, FailedPrecondition) and refusal.reason == "REFERENCED"
    assert refusal.facts["reference"] in ("orders.order_items.product_id", "orders.order_items.product_variant_id")
    assert order.items[0].product_variant_id == sold.id
    # What was fenced until then is free again at once.
    assert not any((await gone(shop, sold.product_id, sold.id, other.id)).values())
    await undelete_product(staff, sold.product_id)
    assert (await shopper.place(await shopper.fill((sold.id, 1)))).order.id


async def test_a_variant_that_came_while_the_others_were_asked_about_is_not_purged(
    shop: Shop, staff: Catalogue
) -> None:
    variant = await staff.on_sale(0)
    await delete_product(staff, variant.product_id)
    came: list[str] = []

    async def back_for_a_while() -> None:
        await undelete_product(staff, variant.product_id)
        came.append((await staff.variant(variant.product_id)).id)
        await delete_product(staff, variant.product_id)

    async with once_fenced(shop, back_for_a_while):
        refusal = await refused(purge_product(staff, variant.product_id))

    assert isinstance(refusal, Aborted) and refusal.reason == "ETAG_MISMATCH"
    assert await rows(shop, "product_variants", product_id=variant.product_id) == 2
    assert not any((await gone(shop, variant.product_id, variant.id)).values())
    await purge_product(staff, variant.product_id)
    assert all((await gone(shop, variant.product_id, variant.id, *came)).values())


async def test_a_product_that_came_back_meanwhile_is_not_purged(shop: Shop, staff: Catalogue) -> None:
    variant = await staff.on_sale(3)
    await delete_product(staff, variant.product_id)

    async with once_fenced(shop, lambda: undelete_product(staff, variant.product_id)):
        refusal = await refused(purge_product(staff, variant.product_id))

    assert refusal.reason == "PRODUCT_NOT_DELETED"
    shopper = await shop.shopper()
    assert (await shopper.place(await shopper.fill((variant.id, 1)))).order.id


async def test_no_variant_comes_to_a_product_that_is_being_deleted(staff: Catalogue) -> None:
    products = [await staff.product() for _ in range(5)]

    for product in products:
        told = await asyncio.gather(
            staff.variant(product.id), delete_product(staff, product.id), staff.variant(product.id),
            return_exceptions=True,
        )  # fmt: skip
        for each in told:
            assert not isinstance(each, BaseException) or isinstance(each, NotFound), each
        assert isinstance(await refused(staff.variant(product.id)), NotFound)


async def test_an_import_makes_a_deleted_products_row_anew(staff: Catalogue) -> None:
    first = await staff.product(sku=f"P-{cuid()}")
    await delete_product(staff, first.id)

    answer = await staff.bring_in(transfer_pb2.ProductRow(title="Soup", slug=first.slug, sku=first.sku, price=usd(100)))

    assert (answer.products_created, len(answer.errors)) == (1, 0)
