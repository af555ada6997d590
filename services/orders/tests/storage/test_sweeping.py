"""What one checkout or order does to the sweeper it does to nobody else's."""

from datetime import timedelta
from typing import Any

from lumi_common.clock import utc_now
from lumi_common.context import Context
from lumi_common.db.database import Database
from lumi_orders.api import convert
from lumi_orders.domain.order import Order, OrderStatus
from lumi_orders.domain.tariff import Tariff
from lumi_orders.workflows.cancel import Cancellation
from lumi_orders.workflows.checkout import Checkout
from lumi_orders.workflows.retry import Retry
from lumi_orders.workflows.sweeper import Sweeper
from lumi_orders.workflows.undo import Undo
from services.orders.tests.storage.model import a_placed_order, an_order_that_is, step_of

PAUSE = timedelta(seconds=30)


class Peer:
    """A service that has nothing, and whose answer for some orders nobody foresaw."""

    def __init__(self) -> None:
        self.odd: set[str] = set()

    async def find(self, order_id: str, context: Context) -> None:
        if order_id in self.odd:
            raise KeyError(order_id)

    release = find


def a_sweeper(db: Database, peer: Any, **expiry: timedelta) -> Sweeper:
    undo = Undo(db, utc_now, catalogue=peer, payments=peer, marketing=peer, retry=PAUSE)
    checkout = Checkout(
        db,
        utc_now,
        undo,
        catalogue=peer,
        payments=peer,
        marketing=peer,
        book=peer,
        tariff=Tariff((), ()),
        answer=convert.placed_to_proto,
    )
    cancellation = Cancellation(db, utc_now, undo, answer=convert.order_to_proto)
    retry = Retry(db, utc_now, checkout, undo, catalogue=peer, payments=peer)
    long = timedelta(days=10_000)
    given = {"order_expiry": long, "cart_expiry": long} | expiry
    return Sweeper(db, checkout, undo, cancellation, retry, pause=PAUSE, **given)


async def make_due(db: Database, *orders: Order) -> None:
    """Let the time of their checkouts come, one after the other."""
    for number, order in enumerate(orders):
        await db.pool.execute(
            "update checkouts set next_attempt_at = now() - make_interval(hours => 1000 - $2) where order_id = $1",
            order.id,
            number,
        )


async def test_a_checkout_that_cannot_be_taken_up_keeps_no_other_from_it(db: Database, context: Context) -> None:
    peer = Peer()
    odd, plain = [await an_order_that_is(OrderStatus.CANCELLED, db, context) for _ in range(2)]
    await make_due(db, odd, plain)
    peer.odd = {odd.id}

    await a_sweeper(db, peer).sweep()

    assert (await step_of(db, odd.id), await step_of(db, plain.id)) == ("UNDO", None)
    error, attempts = await db.pool.fetchrow("select error, attempts from checkouts where order_id = $1", odd.id)
    assert (error, attempts) == ("KeyError", 1)

    peer.odd = set()
    await make_due(db, odd)
    await a_sweeper(db, peer).sweep()
    assert await step_of(db, odd.id) is None


async def test_an_unpaid_order_that_cannot_be_cancelled_keeps_no_other_from_it(db: Database, context: Context) -> None:
    peer = Peer()
    odd, plain = await a_placed_order(db, context), await a_placed_order(db, context)
    old = "update orders set created_at = now() - make_interval(hours => $2) where id = $1"
    await db.pool.execute(old, odd.id, 2_000)
    await db.pool.execute(old, plain.id, 1_900)
    peer.odd = {odd.id}

    await a_sweeper(db, peer, order_expiry=timedelta(hours=1_800)).sweep()

    found = await db.pool.fetch("select id, status::text from orders where id = any($1)", [odd.id, plain.id])
    assert {row["id"]: row["status"] for row in found} == {odd.id: "PENDING", plain.id: "CANCELLED"}
