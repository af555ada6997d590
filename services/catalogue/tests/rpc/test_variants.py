"""Variants are what is bought."""

import asyncio

import pytest
from lumi.catalogue.v1 import product_pb2, variant_pb2
from lumi.catalogue.v1.variant_pb2_grpc import VariantServiceStub

from lumi_common.cuid import cuid
from lumi_common.errors import AlreadyExists, FailedPrecondition, InvalidArgument, LumiError, NotFound
from services.catalogue.tests.rpc.conftest import Catalogue, Outbox, reserving, usd
from tests.kit.client import Client
from tests.kit.shop import Shop

TRACK, DENY, CONTINUE = (
    product_pb2.INVENTORY_POLICY_TRACK,
    product_pb2.INVENTORY_POLICY_DENY,
    product_pb2.INVENTORY_POLICY_CONTINUE,
)


async def primaries(staff: Catalogue, product_id: str) -> list[str]:
    page = await staff.variants.ListVariants(variant_pb2.ListVariantsRequest(product_id=product_id))
    return [variant.id for variant in page.variants if variant.is_primary]


async def test_a_variant_is_read_as_it_was_made_and_has_an_empty_stock(staff: Catalogue) -> None:
    made = await staff.variant(compare_at_price=usd(250), attributes={"size": "400 g"}, position=3)

    assert await staff.variants.GetVariant(variant_pb2.GetVariantRequest(id=made.id)) == made
    assert made.is_primary and made.etag == "1"
    assert (await staff.stock(made.id)).quantity_on_hand == 0


async def test_a_new_primary_variant_takes_the_place_of_the_old(staff: Catalogue, outbox: Outbox) -> None:
    product = await staff.product()
    first = await staff.variant(product.id)
    plain = await staff.variant(product.id)
    third = await staff.variant(product.id, is_primary=True)

    assert not plain.is_primary
    assert await primaries(staff, product.id) == [third.id]
    assert await outbox.actions(first.id) == ["product_variant.created", "product_variant.updated"]
    assert await outbox.actions((await staff.stock(third.id)).id) == ["inventory.created"]


async def test_of_variants_made_at_once_one_is_primary(staff: Catalogue) -> None:
    product = await staff.product()

    await asyncio.gather(*(staff.variant(product.id, is_primary=i % 2 == 0) for i in range(8)))

    assert len(await primaries(staff, product.id)) == 1


async def test_a_sku_has_one_variant(staff: Catalogue) -> None:
    variant = await staff.variant()

    with pytest.raises(AlreadyExists, match="SKU_TAKEN") as refusal:
        await staff.variant(sku=variant.sku)

    assert refusal.value.field == "variant.sku"


async def test_a_variant_needs_its_product(staff: Catalogue) -> None:
    with pytest.raises(NotFound):
        await staff.variant(cuid())


async def test_prices_are_checked(staff: Catalogue) -> None:
    with pytest.raises(InvalidArgument, match="COMPARE_AT_PRICE_TOO_LOW"):
        await staff.variant(compare_at_price=usd(1))


async def test_a_drafts_variants_are_hidden_from_shoppers(staff: Catalogue, anybody: Catalogue) -> None:
    hidden, shown = await staff.variant(), await staff.on_sale(0)

    with pytest.raises(NotFound):
        await anybody.variants.GetVariant(variant_pb2.GetVariantRequest(id=hidden.id))
    with pytest.raises(NotFound):
        await anybody.variants.ListVariants(variant_pb2.ListVariantsRequest(product_id=hidden.product_id))

    page = await anybody.variants.ListVariants(variant_pb2.ListVariantsRequest(product_id=shown.product_id))
    assert list(page.variants) == [await anybody.variants.GetVariant(variant_pb2.GetVariantRequest(id=shown.id))]


async def test_a_cart_learns_price_and_stock_of_what_is_there(staff: Catalogue, shop: Shop) -> None:
    sold, draft = await staff.on_sale(5, title="Soup"), await staff.variant()
    orders = shop.internal(VariantServiceStub, service="orders")

    answer = await orders.ResolveVariants(variant_pb2.ResolveVariantsRequest(ids=[draft.id, cuid(), sold.id]))

    assert [(each.id, each.is_sellable, each.quantity_available) for each in answer.variants] == [
        (draft.id, False, 0),
        (sold.id, True, 5),
    ]
    assert answer.variants[1].price == usd(199) and answer.variants[1].product_title == "Soup"
    assert answer.variants[1].product_status == product_pb2.PRODUCT_STATUS_ACTIVE


@pytest.mark.parametrize(("policy", "units", "left"), [(TRACK, 2, 0), (DENY, 2, 0), (CONTINUE, 5, -3)])
async def test_a_cart_learns_by_what_policy_and_how_many_are_left(
    staff: Catalogue, orders: Client, shop: Shop, policy: product_pb2.InventoryPolicy, units: int, left: int
) -> None:
    variant = await staff.on_sale(2, inventory_policy=policy)
    await orders.ReserveStock(reserving((variant.id, units)))

    answer = await shop.internal(VariantServiceStub, service="orders").ResolveVariants(
        variant_pb2.ResolveVariantsRequest(ids=[variant.id])
    )

    [told] = answer.variants
    assert (told.inventory_policy, told.quantity_available, told.is_sellable) == (policy, left, True)


@pytest.mark.parametrize("policy", [TRACK, DENY])
async def test_an_order_never_gets_more_than_is_left(
    staff: Catalogue, orders: Client, policy: product_pb2.InventoryPolicy
) -> None:
    variant = await staff.on_sale(2, inventory_policy=policy)

    with pytest.raises(FailedPrecondition, match="INSUFFICIENT_STOCK"):
        await orders.ReserveStock(reserving((variant.id, 3)))


async def test_variants_are_resolved_for_services_only(staff: Catalogue, shop: Shop) -> None:
    request = variant_pb2.ResolveVariantsRequest(ids=[cuid()])

    with pytest.raises(LumiError) as outside:
        await staff.variants.ResolveVariants(request)
    with pytest.raises(LumiError) as others:
        await shop.internal(VariantServiceStub, service="payments").ResolveVariants(request)

    assert (outside.value.code, others.value.code) == ("UNIMPLEMENTED", "PERMISSION_DENIED")
