"""Variants go for good: never while an order, a cart or held stock names them."""

import asyncio
from typing import Any
from uuid import uuid4

from lumi.catalogue.v1 import variant_pb2
from lumi.orders.v1 import cart_pb2
from lumi.orders.v1.cart_pb2_grpc import CartServiceStub

from lumi_common.errors import FailedPrecondition, NotFound, Unavailable
from services.catalogue.tests.rpc.conftest import Catalogue, Outbox, releasing, reserving
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
)
from services.catalogue.tests.rpc.test_orders_word import write_order
from tests.kit.buying import Shopper, request_id
from tests.kit.client import Client
from tests.kit.shop import Shop


async def test_a_deleted_variant_is_gone_with_its_stock(shop: Shop, staff: Catalogue, outbox: Outbox) -> None:
    variant = await staff.on_sale(5)
    stock, product = await staff.stock(variant.id), await product_of(staff, variant.product_id)

    await delete_variant(staff, variant.id, etag=variant.etag)

    assert await listed(staff, variant.product_id) == {}
    assert isinstance(await refused(staff.stock(variant.id)), NotFound)
    assert isinstance(await refused(delete_variant(staff, variant.id)), NotFound)
    assert await rows(shop, "stock_movements", product_variant_id=variant.id) == 0
    end = (await outbox.records(variant.id))[-1]
    assert (end["action"], end["before"]["sku"], "after" in end) == ("product_variant.deleted", variant.sku, False)
    assert (await outbox.actions(stock.id))[-1] == "inventory.deleted"
    assert await product_of(staff, variant.product_id) == product
    assert await gone(shop, variant.id) == {variant.id: True}
    # The SKU is free, and the product's next variant is its primary one.
    again = await staff.variant(variant.product_id, sku=variant.sku)
    assert again.is_primary


async def test_the_next_variant_takes_the_place_of_the_primary_one(staff: Catalogue, outbox: Outbox) -> None:
    product = await staff.product()
    first = await staff.variant(product.id)
    late, soon = await staff.variant(product.id, position=2), await staff.variant(product.id, position=1)

    await delete_variant(staff, late.id)
    assert await listed(staff, product.id) == {first.id: True, soon.id: False}
    third = await staff.variant(product.id, position=1)
    await delete_variant(staff, first.id)

    assert await listed(staff, product.id) == {soon.id: True, third.id: False}
    assert await outbox.actions(soon.id) == ["product_variant.created", "product_variant.updated"]
    assert (await staff.variants.GetVariant(variant_pb2.GetVariantRequest(id=soon.id))).etag == "2"


async def test_of_variants_that_go_and_come_at_once_one_is_primary(staff: Catalogue) -> None:
    product = await staff.product()
    going = [await staff.variant(product.id) for _ in range(4)]

    await asyncio.gather(
        *(delete_variant(staff, variant.id) for variant in going), *(staff.variant(product.id) for _ in range(4))
    )

    left = await listed(staff, product.id)
    assert len(left) == 4 and not left.keys() & {variant.id for variant in going}
    assert list(left.values()).count(True) == 1


async def cart_with(shop: Shop, *variants: str) -> tuple[Shopper, cart_pb2.Cart]:
    shopper = await shop.shopper()
    return shopper, await shopper.fill(*((variant, 1) for variant in variants))


async def test_a_variant_stays_while_a_cart_that_is_being_filled_has_it(shop: Shop, staff: Catalogue) -> None:
    variant = await staff.on_sale(5)
    shopper, cart = await cart_with(shop, variant.id)

    refusal = await refused(delete_variant(staff, variant.id))

    assert isinstance(refusal, FailedPrecondition) and refusal.reason == "REFERENCED"
    assert refusal.facts["reference"] == "orders.cart_items.product_variant_id"
    assert await gone(shop, variant.id) == {variant.id: False}
    placed = await shopper.place(cart)
    refusal = await refused(delete_variant(staff, variant.id))
    assert refusal.facts["reference"] == "orders.order_items.product_variant_id"
    assert placed.order.items[0].product_variant_id == variant.id


async def test_a_variant_that_left_the_cart_can_go(shop: Shop, staff: Catalogue) -> None:
    variant = await staff.on_sale(5)
    shopper, cart = await cart_with(shop, variant.id)
    assert (await refused(delete_variant(staff, variant.id))).reason == "REFERENCED"
    await shopper.stub(CartServiceStub).ClearCart(cart_pb2.ClearCartRequest(id=cart.id, request_id=request_id()))

    await delete_variant(staff, variant.id)

    assert await listed(staff, variant.product_id) == {}


async def test_carts_that_nobody_fills_lose_a_variant_that_goes(shop: Shop, staff: Catalogue) -> None:
    goes, stays = await staff.on_sale(5), await staff.on_sale(5)
    _, cart = await cart_with(shop, goes.id, stays.id)
    async with shop.database("orders") as database:
        await database.execute("update carts set status = 'ABANDONED', version = version + 1 where id = $1", cart.id)

    await delete_variant(staff, goes.id)

    async with shop.database("orders") as database:
        left = await database.fetch("select product_variant_id from cart_items where cart_id = $1", cart.id)
        told = await database.fetchval(
            "select type from outbox_events where aggregate_id = $1 order by seq desc limit 1", cart.id
        )
    assert ([row[0] for row in left], told) == ([stays.id], "cart.item_removed")


async def test_a_variant_stays_while_stock_of_it_is_held(shop: Shop, staff: Catalogue, orders: Client) -> None:
    variant = await staff.on_sale(5)
    request = reserving((variant.id, 2))
    await write_order(shop, request.order_id, "PENDING")
    await orders.ReserveStock(request)

    refusal = await refused(delete_variant(staff, variant.id))

    assert isinstance(refusal, FailedPrecondition) and refusal.reason == "REFERENCED"
    assert refusal.facts["reference"] == "catalogue.stock_reservations.product_variant_id"
    await orders.ReleaseReservation(releasing(request.order_id))
    await delete_variant(staff, variant.id)
    assert await rows(shop, "stock_reservations", product_variant_id=variant.id) == 0


async def test_stock_that_is_reserved_after_orders_agreed_keeps_its_variant(
    shop: Shop, staff: Catalogue, orders: Client
) -> None:
    variant = await staff.on_sale(5)
    request = reserving((variant.id, 2))
    await write_order(shop, request.order_id, "PENDING")

    async with once_fenced(shop, lambda: orders.ReserveStock(request)):
        refusal = await refused(delete_variant(staff, variant.id))

    assert refusal.facts["reference"] == "catalogue.stock_reservations.product_variant_id"
    assert await gone(shop, variant.id) == {variant.id: False}
    assert (await staff.stock(variant.id)).quantity_reserved == 2


async def test_of_reserving_and_deleting_one_comes_first(shop: Shop, staff: Catalogue, orders: Client) -> None:
    for _ in range(10):
        variant = await staff.on_sale(50)
        requests = [reserving((variant.id, 1)) for _ in range(6)]
        for request in requests:
            await write_order(shop, request.order_id, "PENDING")

        told = await asyncio.gather(
            *(orders.ReserveStock(request) for request in requests[:3]), delete_variant(staff, variant.id),
            *(orders.ReserveStock(request) for request in requests[3:]), return_exceptions=True,
        )  # fmt: skip

        reasons = [getattr(each, "reason", "") for each in told]
        deleted, reserved = reasons.pop(3), reasons
        assert deleted in ("", "REFERENCED")
        assert set(reserved) <= ({"VARIANT_NOT_SELLABLE"} if deleted == "" else {""})
        assert await rows(shop, "product_variants", id=variant.id) == (0 if deleted == "" else 1)


async def test_a_variant_is_deleted_once(shop: Shop, staff: Catalogue, outbox: Outbox) -> None:
    variant = await staff.on_sale(5)

    told = await asyncio.gather(*(delete_variant(staff, variant.id) for _ in range(8)), return_exceptions=True)

    reasons = [getattr(each, "reason", "") for each in told]
    assert reasons.count("") == 1
    assert set(reasons) <= {"", "NOT_FOUND", "DELETION_UNDER_WAY"}
    assert (await outbox.actions(variant.id)).count("product_variant.deleted") == 1
    # Those who came too late do not take back that it is gone.
    assert await gone(shop, variant.id) == {variant.id: True}
    assert await rows(shop, "deletions", entity_id=variant.id) == 0


async def test_who_came_too_late_to_delete_leaves_it_gone(shop: Shop, staff: Catalogue) -> None:
    variant = await staff.on_sale(5)
    deletions = shop.runtimes["catalogue"].deletions
    intend, first = deletions._intend, True

    async def after_another(*args: Any) -> Any:
        nonlocal first
        if first:
            first = False
            await delete_variant(staff, variant.id)
        return await intend(*args)

    deletions._intend = after_another  # type: ignore[method-assign]
    try:
        refusal = await refused(delete_variant(staff, variant.id))
    finally:
        deletions._intend = intend  # type: ignore[method-assign]

    assert isinstance(refusal, NotFound)
    assert await gone(shop, variant.id) == {variant.id: True}


async def test_a_repeat_of_a_delete_is_answered_though_nothing_is_there(staff: Catalogue, shop: Shop) -> None:
    variant, id = await staff.on_sale(5), str(uuid4())
    await delete_variant(staff, variant.id, request_id=id)
    await delete_product(staff, variant.product_id)
    await purge_product(staff, variant.product_id, request_id=id)

    await delete_variant(staff, variant.id, request_id=id)
    await purge_product(staff, variant.product_id, request_id=id)

    assert await gone(shop, variant.id, variant.product_id) == {variant.id: True, variant.product_id: True}
    refusal = await refused(delete_variant(staff, variant.id, request_id=id, etag="7"))
    assert refusal.reason == "REQUEST_ID_REUSED"


async def test_when_the_answer_of_orders_is_lost_nothing_goes_and_nothing_stays_fenced(
    shop: Shop, staff: Catalogue
) -> None:
    variant = await staff.on_sale(5)

    async def lost() -> None:
        raise Unavailable("UNAVAILABLE", "the answer was lost")

    async with once_fenced(shop, lost):
        refusal = await refused(delete_variant(staff, variant.id))

    assert isinstance(refusal, Unavailable)
    assert await gone(shop, variant.id) == {variant.id: False}
    await delete_variant(staff, variant.id)
    assert await gone(shop, variant.id) == {variant.id: True}
