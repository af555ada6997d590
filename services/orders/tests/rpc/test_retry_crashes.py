"""Each step of paying anew fails or is cut off: it is finished, once, or it was never begun."""

from collections.abc import AsyncIterator

import pytest
from lumi.orders.v1 import order_pb2 as pb

from lumi_common.errors import DeadlineExceeded, FailedPrecondition, Internal, LumiError, Unavailable
from services.orders.tests.rpc.books import Sale, sold
from services.orders.tests.rpc.bouncing import AGAIN, FAILED, UNPAID, asking, bounce, move, retry, sell_in_vain
from services.orders.tests.rpc.failing import Crash, failing
from services.orders.tests.rpc.floor import Floor, branch
from tests.kit.shop import Shop

AWAY = Unavailable("UNAVAILABLE", "gone for the moment")
LATE = DeadlineExceeded("DEADLINE_EXCEEDED", "no answer in time")
# The call's own time, after which the sweeper may take up what it left, in seconds.
CALL = 1.0

PAID_ANEW = sold("PAID")._replace(payments=[FAILED, ("SETTLED", 450, 0)])

WHEN = pytest.mark.parametrize("after", [False, True], ids=["before it took effect", "after it took effect"])


@pytest.fixture(scope="module")
async def floor(shop: Shop) -> AsyncIterator[Floor]:
    """Where payments wait for staff to record them; its sweeper leaves what is left to those that settle at once."""
    async with branch(shop, by_hand=True, sweep_seconds=600.0) as floor:
        yield floor


@pytest.fixture
async def sale(floor: Floor) -> Sale:
    """An order whose money will not come."""
    return await sell_in_vain(floor)


async def expect_finished(sale: Sale, request: pb.RetryPaymentRequest) -> None:
    """Wait until one further payment has paid for it, and its answer is kept; the other branches settle at once."""
    await sale.expect(PAID_ANEW)
    first = await sale.orders.RetryPayment(request)
    assert await sale.orders.RetryPayment(request) == first
    assert first.payment_id != sale.placed.payment_id
    assert (first.order.status, first.order.etag) == (pb.ORDER_STATUS_PAID, "3")
    await sale.expect(PAID_ANEW)
    assert await sale.floor.told(sale.id) == ["order.placed", "order.payment_retried", "order.paid"]


@WHEN
async def test_a_crash_while_the_payment_is_made_is_finished_with_the_answer_kept(
    shop: Shop, sale: Sale, after: bool
) -> None:
    async with branch(shop, failing("payments", "create", Crash(), after=after)) as elsewhere:
        move(sale, elsewhere)
        request = asking(sale)

        with pytest.raises(Internal):
            await sale.orders.RetryPayment(request, timeout=CALL)

        for again in (request, asking(sale)):
            with pytest.raises(FailedPrecondition, match="PAYMENT_BEING_RETRIED"):
                await sale.orders.RetryPayment(again)
        with pytest.raises(FailedPrecondition, match="PAYMENT_BEING_RETRIED"):
            await sale.cancel()
        await expect_finished(sale, request)


@WHEN
@pytest.mark.parametrize("error", [AWAY, LATE], ids=lambda error: error.code)
async def test_an_outcome_that_is_not_known_is_found_out(shop: Shop, sale: Sale, error: LumiError, after: bool) -> None:
    async with branch(shop, failing("payments", "create", error, after=after)) as elsewhere:
        move(sale, elsewhere)
        request = asking(sale)

        with pytest.raises(type(error)):
            await sale.orders.RetryPayment(request, timeout=CALL)

        await expect_finished(sale, request)


@WHEN
@pytest.mark.parametrize(("peer", "method"), [("payments", "find"), ("catalogue", "reserve")])
async def test_a_crash_before_it_began_leaves_nothing(
    shop: Shop, sale: Sale, peer: str, method: str, after: bool
) -> None:
    async with branch(shop, failing(peer, method, Crash(), after=after), by_hand=True) as elsewhere:
        move(sale, elsewhere)

        with pytest.raises(Internal):
            await retry(sale)

        assert await sale.books() == UNPAID
        await retry(sale)
        await sale.expect(AGAIN)


async def test_a_payment_that_failed_before_a_crash_was_found_out_is_not_made_again(shop: Shop, sale: Sale) -> None:
    async with branch(
        shop, failing("payments", "create", Crash(), after=True), by_hand=True, retry_seconds=60.0
    ) as elsewhere:
        move(sale, elsewhere)
        request = asking(sale)
        with pytest.raises(Internal):
            await sale.orders.RetryPayment(request, timeout=CALL)
        [payment] = [id for id, status in await payments_of(sale) if status == "INITIATED"]
        await bounce(sale, payment)
        async with shop.database("orders") as database:
            await database.execute("update checkouts set next_attempt_at = now() where order_id = $1", sale.id)

        await sale.expect(UNPAID._replace(payments=[FAILED, FAILED]))

        assert (await sale.orders.RetryPayment(request)).payment_id == payment
        await retry(sale)
        await sale.expect(UNPAID._replace(payments=[FAILED, FAILED, ("INITIATED", 0, 0)]))


async def test_a_refusal_that_nobody_heard_leaves_the_order_waiting(shop: Shop, sale: Sale) -> None:
    """The crash came before payments said no; the sweeper is told so, and has nothing left to do."""
    async with shop.database("orders") as database:
        await database.execute(
            "insert into checkouts (id, order_id, step, next_attempt_at, provider) "
            "values ($1, $1, 'RETRY', now() + interval '1 hour', 'STRIPE')",
            sale.id,
        )
        with pytest.raises(FailedPrecondition, match="PAYMENT_BEING_RETRIED"):
            await retry(sale)
        await database.execute("update checkouts set next_attempt_at = now() where order_id = $1", sale.id)

    await sale.expect(UNPAID)

    await retry(sale)
    await sale.expect(AGAIN)


async def payments_of(sale: Sale) -> list[tuple[str, str]]:
    async with sale.floor.shop.database("payments") as database:
        rows = await database.fetch("select id, status from payments where order_id = $1 order by id", sale.id)
    return [(row["id"], row["status"]) for row in rows]
