"""Every stream is deleted under a running shop, and comes back out of the outboxes."""

from importlib import import_module
from typing import Any

import nats
from lumi.common.v1.operations_pb2 import RepublishEventsRequest

from lumi_common.events.streams import CONTEXTS, ensure_streams, stream
from tests.kit.buying import request_id
from tests.kit.shop import Shop
from tests.kit.waiting import until

A_FEW = 500
# What each aggregate's records say, beside what is filed of them.
_TOLD = " union all ".join(
    f"select record ->> 'entity' as entity, record ->> 'id' as entity_id, record ->> 'action' as action "
    f"from {context}.outbox_events cross join jsonb_array_elements(records) as record "
    "where (record ->> 'audit')::boolean"
    for context in CONTEXTS
)
_COUNTS = f"""
select (select count(*) from ({_TOLD}) as told where entity_id = any($1)) as told,
  (select count(*) from identity.audit_logs where entity_id = any($1)) as filed,
  (select count(distinct (entity, entity_id, action)) from identity.audit_logs where entity_id = any($1)) as kinds,
  (select count(distinct (entity, entity_id, action)) from ({_TOLD}) as told where entity_id = any($1)) as told_kinds
"""


async def republish_all(shop: Shop, token: str) -> None:
    for context in CONTEXTS:
        stub = shop.stub(import_module(f"lumi.{context}.v1.operations_pb2_grpc").OperationsServiceStub, token)
        start = 0
        while True:
            answer = await stub.RepublishEvents(
                RepublishEventsRequest(start_seq=start, limit=A_FEW, request_id=request_id())
            )
            start = answer.next_seq
            if not start:
                break


async def lose_every_stream(shop: Shop) -> None:
    client = await nats.connect(shop.nats.url_admin)
    for context in CONTEXTS:
        await client.jetstream().delete_stream(stream(context))
    await client.close()


async def test_every_stream_is_lost_and_nothing_is_lost_or_done_twice(shop: Shop) -> None:
    operator = await shop.user("operations.write")
    shelf, ada = await shop.staff(), await shop.shopper()
    variant = await shelf.put(100)

    async def buy(units: int) -> str:
        placed = await ada.place(await ada.fill((variant, units)))
        return str(placed.order.id)

    async def counts(*orders: str) -> dict[str, int]:
        async with shop.database("identity") as database:
            return dict(await database.fetchrow(_COUNTS, list(orders)))

    def filed(*orders: str) -> Any:
        async def condition() -> bool:
            found = await counts(*orders)
            return found["told"] == found["filed"]

        return condition

    def in_stock(on_hand: int, reserved: int) -> Any:
        async def condition() -> bool:
            return await shelf.stock(variant) == (on_hand, reserved)

        return condition

    before = await buy(1)
    await until(in_stock(99, 0), "the first order is sold")
    await until(filed(before), "the first order is filed")
    try:
        await lose_every_stream(shop)
        after = await buy(2)
        assert await shelf.stock(variant) == (99, 2)
        await republish_all(shop, operator.token)
    finally:
        await ensure_streams(shop.nats.url_admin)

    await until(in_stock(97, 0), "the second order is sold")
    await until(filed(before, after), "both orders are filed")
    last = await buy(3)
    await until(in_stock(94, 0), "the third order is sold")
    await until(filed(before, after, last), "all three orders are filed")
    found = await counts(before, after, last)
    assert found["told"] == found["filed"]
    assert found["told"] == found["kinds"] == found["told_kinds"]

    for context in CONTEXTS:
        async with shop.database(context) as database:

            async def published(database: Any = database) -> bool:
                return not await database.fetchval("select count(*) from outbox_events where published_at is null")

            await until(published, f"{context} has published everything again")
            assert not await database.fetchval("select count(*) from inbox_versions where parked")
