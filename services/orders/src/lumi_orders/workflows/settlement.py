"""Hearing that an order's money has come."""

from decimal import Decimal
from logging import getLogger

from lumi_common.clock import Clock
from lumi_common.db.database import Executor
from lumi_common.errors import Aborted
from lumi_common.errors import Reason as Common
from lumi_common.events.event import Event
from lumi_orders.domain.order import OrderStatus
from lumi_orders.storage.checkouts import Checkouts
from lumi_orders.storage.orders import Orders

log = getLogger(__name__)

SETTLED = "payment.settled"


class Settlement:
    """Makes a PENDING order PAID when its payment settles, and has the money of a CANCELLED one given back."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def apply(self, tx: Executor, event: Event) -> None:
        """Act on one `payment.settled`, in the transaction that records it."""
        payment = event.record("Payment")
        order_id = str(payment.keys["order_id"])
        orders = Orders(tx)
        order = await orders.find(order_id)
        if order is None:
            log.error("a payment settled for an order that is not there", extra={"order": order_id})
            return
        if order.status is OrderStatus.CANCELLED:
            # Whoever gave back what was taken for it may have looked before this money came.
            await Checkouts(tx).wake(order_id)
            return
        captured = Decimal(payment.after.get("captured_amount", 0))
        if payment.keys["currency"] != order.currency or captured < order.total_amount:
            log.error("a payment settled for less than its order", extra={"order": order_id, "payment": payment.id})
            return
        if order.pay(self._clock()) and not await orders.pay(order, f"{event.actor.type}:{event.actor.id}"):
            raise Aborted(Common.ETAG_MISMATCH, "the order has changed meanwhile", order_id=order_id)
