"""An order goes for good only once it is cancelled, all of it given back, and never had a payment."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.empty_pb2 import Empty
from lumi.orders.v1 import order_pb2 as pb
from lumi.orders.v1.order_pb2_grpc import OrderServiceStub
from lumi.payments.v1 import payment_pb2
from lumi.payments.v1.payment_pb2_grpc import PaymentServiceStub

from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.referrer import Target
from lumi_common.errors import (
    Aborted,
    FailedPrecondition,
    LumiError,
    NotFound,
    PermissionDenied,
    Unavailable,
)
from services.orders.tests.rpc.books import GIVEN_UP, sell, sell_for_good, staff
from services.orders.tests.rpc.failing import failing
from services.orders.tests.rpc.floor import Floor, branch
from services.orders.tests.rpc.test_compensation import NO, a_full_cart, expect_as_before
from tests.kit.buying import request_id, usd
from tests.kit.client import Client
from tests.kit.shop import Shop


@pytest.fixture
async def clerk(floor: Floor) -> Client:
    """Somebody who may delete orders."""
    return await staff(floor, "orders.delete", "orders.read", "orders.cancel")


@pytest.fixture
async def in_vain(shop: Shop) -> str:
    """The id of an order that was cancelled because nobody made its payment."""
    async with branch(shop, failing("payments", "create", NO)) as elsewhere:
        ada, cart, soup, coupon = await a_full_cart(elsewhere)
        with pytest.raises(FailedPrecondition, match="PAYMENT_REFUSED"):
            await ada.place(cart)
        await expect_as_before(elsewhere, cart.id, soup, coupon)
        [(order, status)] = await elsewhere.orders_of(cart.id)
    assert status == "CANCELLED"
    return order


def deletion(id: str, **facts: Any) -> pb.DeleteOrderRequest:
    return pb.DeleteOrderRequest(**{"id": id, "request_id": request_id()} | facts)


async def left_of(floor: Floor, id: str) -> list[int]:
    """How many rows there are of an order: itself, its items, its history."""
    [row] = await floor.rows(
        "select (select count(*) from orders where id = $1), (select count(*) from order_items where order_id = $1), "
        "(select count(*) from order_status_history where order_id = $1)",
        id,
    )
    return list(row)


async def fence_of(floor: Floor, id: str) -> list[bool]:
    """Whether payments has the order marked gone, where it knows it."""
    async with floor.shop.database("payments") as database:
        rows = await database.fetch("select gone_at is not null from reference_targets where id = $1", id)
    return [row[0] for row in rows]


def payment_of(order: str) -> payment_pb2.CreatePaymentRequest:
    return payment_pb2.CreatePaymentRequest(
        order_id=order,
        order_reference="ABCDEFGH23",
        provider=payment_pb2.PAYMENT_PROVIDER_MANUAL,
        amount=usd(450),
        request_id=str(uuid4()),
    )


async def pay(floor: Floor, order: str) -> payment_pb2.Payment:
    """A payment that comes late, as orders would ask for it."""
    payments = floor.shop.internal(PaymentServiceStub, service="orders")
    made: payment_pb2.Payment = await payments.CreatePayment(payment_of(order))
    return made


async def test_an_order_that_was_never_paid_for_is_gone_with_its_lines(
    floor: Floor, clerk: Client, in_vain: str
) -> None:
    order = await clerk.GetOrder(pb.GetOrderRequest(id=in_vain))
    assert await left_of(floor, in_vain) == [1, 1, 2]

    assert await clerk.DeleteOrder(deletion(in_vain, etag=order.etag)) == Empty()

    assert await left_of(floor, in_vain) == [0, 0, 0]
    with pytest.raises(NotFound):
        await clerk.GetOrder(pb.GetOrderRequest(id=in_vain))
    with pytest.raises(NotFound):
        await clerk.CancelOrder(pb.CancelOrderRequest(id=in_vain))
    assert await floor.told(in_vain) == ["order.placed", "order.cancelled", "order.deleted"]
    [(version, records)] = await floor.rows(
        "select version, records from outbox_events where aggregate_id = $1 and type = 'order.deleted'", in_vain
    )
    assert version == int(order.etag) + 1
    assert '"status": "CANCELLED"' in records
    assert '"after"' not in records
    # Its cart stays, closed, for whoever looks at what was wanted.
    assert await floor.rows("select status from carts where id = $1", order.cart_id) == [("CHECKED_OUT",)]
    assert await floor.broken("O1", "cart_id", order.cart_id) == []
    async with floor.shop.database("orders") as database:
        await database.execute("update outbox_events set type = 'order.lost' where aggregate_id = $1", in_vain)
    assert len(await floor.broken("O1", "cart_id", order.cart_id)) == 1


async def test_no_payment_comes_for_an_order_that_is_gone(floor: Floor, clerk: Client, in_vain: str) -> None:
    await clerk.DeleteOrder(deletion(in_vain))

    with pytest.raises(FailedPrecondition, match="REFERENCE_GONE") as refused:
        await pay(floor, in_vain)

    assert (refused.value.facts["target"], refused.value.facts["id"]) == ("orders.orders", in_vain)
    assert await floor.captured(in_vain) == []


async def test_an_order_with_a_payment_stays_and_may_have_another(floor: Floor, clerk: Client) -> None:
    sale = await sell_for_good(floor)
    await sale.cancel()
    before = await sale.get()

    with pytest.raises(FailedPrecondition, match="REFERENCED") as refused:
        await clerk.DeleteOrder(deletion(sale.id))

    assert refused.value.facts["reference"] == "payments.payments.order_id"
    assert await sale.get() == before
    assert await fence_of(floor, sale.id) == [False]


async def test_a_payment_that_failed_keeps_its_order_too(shop: Shop) -> None:
    async with branch(shop, by_hand=True) as floor:
        sale = await sell(floor)
        await sale.cancel()
        await sale.expect(GIVEN_UP)

        with pytest.raises(FailedPrecondition, match="REFERENCED"):
            await (await staff(floor, "orders.delete")).DeleteOrder(deletion(sale.id))


@pytest.mark.parametrize("status", ["PENDING", "PAID", "DELIVERED"])
async def test_an_order_that_stands_stays(floor: Floor, clerk: Client, in_vain: str, status: str) -> None:
    async with floor.shop.database("orders") as database:
        await database.execute("update orders set status = $2 where id = $1", in_vain, status)

    with pytest.raises(FailedPrecondition, match="ORDER_NOT_DELETABLE") as refused:
        await clerk.DeleteOrder(deletion(in_vain))

    assert refused.value.facts == {"order_id": in_vain, "status": status}
    assert await fence_of(floor, in_vain) == []


async def test_an_order_whose_things_are_not_all_given_back_stays(floor: Floor, clerk: Client, in_vain: str) -> None:
    async with floor.shop.database("orders") as database:
        await database.execute(
            "insert into checkouts (id, order_id, step, next_attempt_at) "
            "values ($1, $2, 'UNDO', now() + interval '1 hour')",
            cuid(),
            in_vain,
        )

    with pytest.raises(FailedPrecondition, match="ORDER_NOT_DELETABLE"):
        await clerk.DeleteOrder(deletion(in_vain))

    assert (await left_of(floor, in_vain))[0] == 1
    # Others may refer to it again at once.
    assert await fence_of(floor, in_vain) == [False]


async def test_a_stale_etag_deletes_nothing(floor: Floor, clerk: Client, in_vain: str) -> None:
    with pytest.raises(Aborted, match="ETAG_MISMATCH"):
        await clerk.DeleteOrder(deletion(in_vain, etag="1"))

    assert (await left_of(floor, in_vain))[0] == 1


async def test_only_who_may_deletes_orders(floor: Floor, in_vain: str) -> None:
    sale = await sell(floor)

    with pytest.raises(PermissionDenied):
        await (await staff(floor, "orders.cancel", "orders.write")).DeleteOrder(deletion(in_vain))
    with pytest.raises(PermissionDenied):
        await sale.buyer.stub(OrderServiceStub).DeleteOrder(deletion(sale.id))
    with pytest.raises(NotFound):
        await (await staff(floor, "orders.delete")).DeleteOrder(deletion(cuid()))


async def test_while_payments_is_away_nothing_is_deleted(shop: Shop, in_vain: str) -> None:
    peers = {**shop.runtimes["orders"].settings.peers, "payments": "127.0.0.1:1"}
    async with branch(shop, peers=peers) as floor:
        with pytest.raises(Unavailable):
            await (await staff(floor, "orders.delete")).DeleteOrder(deletion(in_vain))

        assert (await left_of(floor, in_vain))[0] == 1

    # The next try need not wait for what the first one left.
    here = await Floor.open(shop)
    await (await staff(here, "orders.delete")).DeleteOrder(deletion(in_vain))
    assert (await left_of(here, in_vain))[0] == 0


async def test_a_repeat_is_answered_alike_and_another_finds_nothing(clerk: Client, in_vain: str) -> None:
    request = deletion(in_vain)

    assert await clerk.DeleteOrder(request) == await clerk.DeleteOrder(request) == Empty()
    with pytest.raises(NotFound):
        await clerk.DeleteOrder(deletion(in_vain))


async def test_of_many_at_once_one_deletes_it_and_it_stays_gone(floor: Floor, clerk: Client, in_vain: str) -> None:
    request = deletion(in_vain)

    outcomes = await asyncio.gather(
        *(clerk.DeleteOrder(request if n % 2 else deletion(in_vain)) for n in range(20)), return_exceptions=True
    )

    refused = {each.reason for each in outcomes if isinstance(each, LumiError)}
    assert refused <= {"NOT_FOUND", "DELETION_UNDER_WAY"}, refused
    assert await floor.told(in_vain) == ["order.placed", "order.cancelled", "order.deleted"]
    # Whoever came too late took no fence back with them, at once or by the sweeper.
    await floor.shop.runtimes["orders"].deletions.sweep()
    assert await fence_of(floor, in_vain) == [True]


@pytest.mark.parametrize("place", [0, 4, 8, 12])
async def test_of_its_end_and_late_payments_at_once_one_comes_first(
    floor: Floor, clerk: Client, in_vain: str, place: int
) -> None:
    calls: list[Any] = [pay(floor, in_vain) for _ in range(12)]
    calls.insert(place, clerk.DeleteOrder(deletion(in_vain)))

    outcomes = await asyncio.gather(*calls, return_exceptions=True)

    end, refused = outcomes.pop(place), [each.reason for each in outcomes if isinstance(each, LumiError)]
    if end == Empty():
        assert (refused, await floor.captured(in_vain)) == (["REFERENCE_GONE"] * 12, [])
        assert await left_of(floor, in_vain) == [0, 0, 0]
    else:
        # While it was not decided yet some were refused: they may ask again.
        assert end.reason == "REFERENCED"
        assert set(refused) <= {"REFERENCE_GONE"}
        assert (await pay(floor, in_vain)).order_id == in_vain
        assert len(await floor.captured(in_vain)) == 1
        assert (await left_of(floor, in_vain))[0] == 1


async def test_who_gives_up_deleting_what_another_deleted_leaves_the_fence(
    floor: Floor, clerk: Client, in_vain: str
) -> None:
    deletions = floor.shop.runtimes["orders"].deletions
    await clerk.DeleteOrder(deletion(in_vain))

    with pytest.raises(NotFound):
        async with deletions.deleting([Target("orders.orders", in_vain)], Context.system("late")):
            raise NotFound("NOT_FOUND", "deleted by another call meanwhile")

    with pytest.raises(FailedPrecondition, match="REFERENCE_GONE"):
        await pay(floor, in_vain)
