"""A variant that is deleted leaves the carts that nobody fills any more, however many, in nobody's way."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from lumi.common.v1 import references_pb2 as pb
from lumi.orders.v1.operations_pb2_grpc import OperationsServiceStub

from lumi_common.cuid import cuid
from lumi_common.errors import FailedPrecondition
from lumi_common.rpc.convert import time_to_proto
from services.orders.tests.rpc.floor import Floor
from services.orders.tests.rpc.test_deleting_carts import held, left_of
from tests.kit.buying import request_id


async def let_go(floor: Floor, variant: str) -> None:
    """Ask orders to let a variant go, as the catalogue does before it deletes it."""
    now = datetime.now(UTC)
    await floor.shop.internal(OperationsServiceStub, service="catalogue").FenceReference(
        pb.FenceReferenceRequest(
            targets=[pb.ReferenceTarget(kind="catalogue.product_variants", id=variant)],
            gone_time=time_to_proto(now),
            expire_time=time_to_proto(now + timedelta(minutes=1)),
            request_id=request_id(),
        )
    )


async def abandon(floor: Floor, cart_id: str) -> None:
    async with floor.shop.database("orders") as database:
        await database.execute("update carts set status = 'ABANDONED' where id = $1", cart_id)


async def test_it_leaves_an_abandoned_cart_with_a_record_and_its_other_lines_stay(floor: Floor) -> None:
    soup, bread, ada = await floor.shelf.put(), await floor.shelf.put(), await floor.shopper()
    cart = await ada.fill((soup, 2), (bread, 1))
    with pytest.raises(FailedPrecondition, match="REFERENCED"):
        await let_go(floor, soup)
    await abandon(floor, cart.id)

    await let_go(floor, soup)

    assert await floor.rows("select product_variant_id from cart_items where cart_id = $1", cart.id) == [(bread,)]
    assert await floor.rows("select version from carts where id = $1", cart.id) == [(int(cart.etag) + 1,)]
    assert (await floor.told(cart.id))[-1] == "cart.item_removed"


async def test_many_carts_are_left_in_many_events_and_one_commit(floor: Floor) -> None:
    soup, marker = await floor.shelf.put(), cuid()
    async with floor.shop.database("orders") as database:
        carts = [cuid() for _ in range(1201)]
        await database.executemany(
            "insert into carts (id, session_id, status) values ($1, $2, 'ABANDONED')", [(id, marker) for id in carts]
        )
        await database.executemany(
            "insert into cart_items (id, cart_id, product_variant_id, quantity, unit_price, currency) "
            "values ($1, $2, $3, 1, 2.50, 'USD')",
            [(cuid(), id, soup) for id in carts],
        )

    await let_go(floor, soup)

    events = await floor.rows(
        "select jsonb_array_length(records), created_at from outbox_events where aggregate_id = any($1) order by seq",
        carts,
    )
    assert [records for records, _ in events] == [500, 500, 201]
    assert len({at for _, at in events}) == 1
    assert await floor.rows("select count(*), min(version), max(version) from carts where session_id = $1", marker) == [
        (1201, 2, 2)
    ]
    assert await floor.rows("select count(*) from cart_items where product_variant_id = $1", soup) == [(0,)]


async def test_a_cart_that_is_deleted_at_the_same_time_is_in_nobodys_way(floor: Floor) -> None:
    soup, ada = await floor.shelf.put(), await floor.shopper()
    cart = await ada.fill((soup, 2))
    await abandon(floor, cart.id)

    # As whoever deletes a cart does it: the cart is taken, and then goes with its lines.
    async with held(floor.shop, cart.id) as (database, somebody_waits):
        leaving = asyncio.create_task(let_go(floor, soup))
        await somebody_waits()
        await database.execute("delete from carts where id = $1", cart.id)

    await leaving
    assert await left_of(floor, cart.id) == 0
