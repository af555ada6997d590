"""What a service says of its references to others' rows; and that only their owner may close them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from lumi.catalogue.v1.operations_pb2_grpc import OperationsServiceStub as CatalogueOperations
from lumi.common.v1 import references_pb2 as pb
from lumi.orders.v1.cart_pb2 import ClearCartRequest
from lumi.orders.v1.cart_pb2_grpc import CartServiceStub
from lumi.orders.v1.operations_pb2_grpc import OperationsServiceStub as OrdersOperations

from lumi_common.cuid import cuid
from lumi_common.errors import FailedPrecondition, InvalidArgument, PermissionDenied
from lumi_common.rpc.convert import time_to_proto
from tests.kit.buying import request_id
from tests.kit.shop import Shop

VARIANTS, ITEMS = "catalogue.product_variants", "orders.cart_items.product_variant_id"


async def report(shop: Shop, start: str, **asked: Any) -> dict[str, pb.ReferenceReport]:
    """Orders' report of what was named since then, by column."""
    operator = await shop.user("operations.read")
    stub = shop.stub(OrdersOperations, operator.token)
    answer = await stub.GetIntegrityReport(pb.GetIntegrityReportRequest(start_id=start, **asked))
    return {each.column: each for each in answer.references}


async def test_a_reference_to_what_is_not_there_is_reported_and_a_sound_one_is_not(shop: Shop) -> None:
    start, shelf, ada = cuid(), await shop.staff(), await shop.shopper()
    variant, nowhere, odd = await shelf.put(5), cuid(), "no id of ours"
    cart = await ada.fill((variant, 1))

    sound = (await report(shop, start))[ITEMS]
    assert (sound.target, sound.on_delete) == (VARIANTS, "RESTRICT")
    assert (sound.checked_count, sound.missing_count, sound.gone_count) == (1, 0, 0)

    async with shop.database("orders") as database:
        await database.executemany(
            "insert into cart_items (id, cart_id, product_variant_id, quantity, unit_price, currency) "
            "values ($1, $2, $3, 1, 1, 'USD')",
            [(cuid(), cart.id, nowhere), (cuid(), cart.id, odd)],
        )
        await database.execute("update reference_targets set gone_at = now() where id = $1", variant)
    broken = (await report(shop, start))[ITEMS]
    assert (broken.checked_count, list(broken.missing_ids), list(broken.gone_ids)) == (3, [nowhere, odd], [variant])
    assert (broken.missing_count, broken.gone_count) == (2, 1)
    assert (await report(shop, start, limit=1))[ITEMS].checked_count == 1
    assert (await report(shop, nowhere))[ITEMS].checked_count == 1

    async with shop.database("orders") as database:
        await database.execute("delete from cart_items where product_variant_id = any($1)", [nowhere, odd, variant])


async def test_a_row_is_there_or_not_whoever_of_the_services_asks(shop: Shop) -> None:
    variant = await (await shop.staff()).put(1)
    stub = shop.internal(CatalogueOperations, service="orders")

    answer = await stub.ResolveReference(pb.ResolveReferenceRequest(kind=VARIANTS, ids=[variant, cuid()]))
    assert list(answer.ids) == [variant]
    with pytest.raises(InvalidArgument):
        await stub.ResolveReference(pb.ResolveReferenceRequest(kind="catalogue.inventories", ids=[variant]))


async def test_only_its_owner_closes_a_row_to_references_and_only_while_nothing_names_it(shop: Shop) -> None:
    variant = await (await shop.staff()).put(5)
    target, now = pb.ReferenceTarget(kind=VARIANTS, id=variant), datetime.now(UTC)
    owner, other = (shop.internal(OrdersOperations, service=name) for name in ("catalogue", "payments"))

    def fence(seconds: int = 5) -> pb.FenceReferenceRequest:
        until = time_to_proto(now + timedelta(seconds=seconds))
        return pb.FenceReferenceRequest(
            targets=[target], gone_time=time_to_proto(now), expire_time=until, request_id=request_id()
        )

    with pytest.raises(PermissionDenied, match="SERVICE_NOT_ALLOWED"):
        await other.FenceReference(fence())
    ada, bob = await shop.shopper(), await shop.shopper()
    cart = await ada.fill((variant, 1))
    with pytest.raises(FailedPrecondition, match="REFERENCED") as held:
        await owner.FenceReference(fence())
    assert (held.value.facts["reference"], held.value.facts["id"]) == (ITEMS, variant)

    await ada.stub(CartServiceStub).ClearCart(ClearCartRequest(id=cart.id))
    await owner.FenceReference(fence(60))
    with pytest.raises(FailedPrecondition, match="REFERENCE_GONE") as gone:
        await bob.fill((variant, 1))
    assert (gone.value.facts["target"], gone.value.facts["id"]) == (VARIANTS, variant)

    back = pb.UnfenceReferenceRequest(targets=[target], gone_time=time_to_proto(now), request_id=request_id())
    with pytest.raises(PermissionDenied, match="SERVICE_NOT_ALLOWED"):
        await other.UnfenceReference(back)
    await owner.UnfenceReference(back)
    await (await shop.shopper()).fill((variant, 1))
