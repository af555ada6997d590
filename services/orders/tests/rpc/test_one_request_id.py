"""One request id is one effect, also where the first call ends in the very moment in which the second begins."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from lumi.orders.v1 import order_pb2 as pb
from lumi.payments.v1 import payment_pb2

from lumi_common.cuid import cuid
from lumi_common.errors import FailedPrecondition, InvalidArgument
from services.orders.tests.rpc.books import sell_for_good
from services.orders.tests.rpc.bouncing import UNPAID, asking, sell_in_vain
from services.orders.tests.rpc.floor import Floor, branch
from tests.kit.buying import request_id
from tests.kit.shop import Shop
from tests.kit.waiting import until

PLACE, RETRY = (f"lumi.orders.v1.OrderService/{method}" for method in ("PlaceOrder", "RetryPayment"))
_BEGUN = (
    "insert into checkouts (id, order_id, step, next_attempt_at, principal, request_id, request_hash) "
    "values ($1, $2, $3, now() + interval '1 hour', $4, $5, $6)"
)


@pytest.fixture(scope="module")
async def floor(shop: Shop) -> AsyncIterator[Floor]:
    async with branch(shop, by_hand=True) as floor:
        yield floor


async def buyer_of(shop: Shop, order_id: str) -> str:
    """The principal whose order it is."""
    async with shop.database("orders") as database:
        return f"user:{await database.fetchval('select user_id from orders where id = $1', order_id)}"


@asynccontextmanager
async def ending(shop: Shop, principal: str, method: str, id: str) -> AsyncIterator[Any]:
    """Another call under this id, with another body: begun, and ended by a transaction that commits after the block."""
    async with shop.database("orders") as first, first.transaction():
        step = "RETRY" if method == RETRY else "RESERVE"
        await first.execute(_BEGUN, cuid(), cuid(), step, principal, id, b"another body")
        await first.execute("delete from checkouts where principal = $1 and request_id = $2", principal, id)
        await first.execute(
            "insert into request_ids (principal, method, request_id, request_hash, response, expires_at) "
            "values ($1, $2, $3, $4, '', now() + interval '1 hour')",
            principal, method, id, b"another body",
        )  # fmt: skip
        yield first


async def refused_once_it_ended(shop: Shop, principal: str, method: str, id: str, call: Awaitable[Any]) -> None:
    """The call waits for the one before, and is told that its id was used."""
    async with shop.database("orders") as books:
        async with ending(shop, principal, method, id) as first:
            holder = await first.fetchval("select pg_backend_pid()")
            second = asyncio.ensure_future(call)

            async def waits() -> bool:
                query = "select exists (select from pg_stat_activity where $1 = any(pg_blocking_pids(pid)))"
                return bool(await books.fetchval(query, holder))

            await until(waits, "the second call waits for the first to end")
        with pytest.raises(InvalidArgument, match="REQUEST_ID_REUSED"):
            await second
        query = "select count(*) from checkouts where principal = $1 and request_id = $2"
        assert await books.fetchval(query, principal, id) == 0


async def test_an_id_that_is_answered_while_a_further_payment_begins_begins_none(shop: Shop, floor: Floor) -> None:
    sale = await sell_in_vain(floor)
    request = asking(sale)

    await refused_once_it_ended(
        shop, await buyer_of(shop, sale.id), RETRY, request.request_id, sale.orders.RetryPayment(request)
    )

    assert (await sale.get()).etag == "1"
    await sale.expect(UNPAID)


async def test_an_id_that_is_answered_while_an_order_begins_begins_none(shop: Shop) -> None:
    floor = await Floor.open(shop)
    sale = await sell_for_good(floor)
    cart = await sale.buyer.fill((await floor.shelf.put(5), 2))
    request = pb.PlaceOrderRequest(
        cart_id=cart.id,
        shipping_address_id=sale.buyer.address,
        payment_provider=payment_pb2.PAYMENT_PROVIDER_MANUAL,
        request_id=request_id(),
    )

    await refused_once_it_ended(
        shop, await buyer_of(shop, sale.id), PLACE, request.request_id, sale.orders.PlaceOrder(request)
    )

    async with shop.database("orders") as books:
        assert await books.fetchval("select count(*) from orders where cart_id = $1", cart.id) == 0


async def test_while_the_first_call_is_at_it_its_repeat_is_told_so_whatever_the_order_is_by_then(shop: Shop) -> None:
    """The money of a further payment may be told of before the call that asked for it is over."""
    sale = await sell_for_good(await Floor.open(shop))
    for facts in ({}, {"etag": "1"}):
        request = asking(sale, **facts)
        body = hashlib.sha256(request.SerializeToString(deterministic=True)).digest()
        principal = await buyer_of(shop, sale.id)
        async with shop.database("orders") as books:
            await books.execute(_BEGUN, cuid(), sale.id, "RETRY", principal, request.request_id, body)
            try:
                with pytest.raises(FailedPrecondition, match="PAYMENT_BEING_RETRIED"):
                    await sale.orders.RetryPayment(request)
            finally:
                await books.execute("delete from checkouts where order_id = $1", sale.id)
