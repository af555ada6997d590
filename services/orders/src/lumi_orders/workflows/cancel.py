"""Cancelling an order: it is CANCELLED at once, and what was taken for it is given back after that."""

from collections.abc import Callable

from google.protobuf.message import Message

from lumi_common.clock import Clock
from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_common.errors import Aborted
from lumi_common.errors import Reason as Common
from lumi_orders.domain.checkout import in_flight
from lumi_orders.domain.order import UNPAID, Order, OrderStatus
from lumi_orders.storage.checkouts import Checkouts
from lumi_orders.storage.orders import CANCEL, Orders, moving
from lumi_orders.storage.requests import UNCHANGED
from lumi_orders.workflows.keeping import TRIES, Aftercare, Keeper, actor_of
from lumi_orders.workflows.undo import Undo


class Cancellation:
    """Cancels orders on somebody's word or on the sweeper's.

    `answer` makes what the caller is told, and takes whether that is staff.
    """

    def __init__(self, db: Database, clock: Clock, undo: Undo, *, answer: Callable[[Order, bool], Message]) -> None:
        self._db, self._clock, self._undo, self._answer = db, clock, undo, answer
        self._orders, self._checkouts = Orders(db), Checkouts(db)

    async def cancel(
        self,
        order_id: str,
        keeper: Keeper,
        *,
        owner: str | None,
        within: frozenset[OrderStatus],
        reason: str,
        etag: str = "",
    ) -> None:
        """Cancel an order of one of these statuses and keep the answer; one that is cancelled is answered as it is.

        Raises NotFound, FailedPrecondition when it is of another status or being placed, Aborted for a stale etag.
        """
        context = keeper.context
        for _ in range(TRIES):
            order = await self._orders.get(order_id, owner=owner)
            if not order.cancel(self._clock(), etag, within=within):
                await keeper.change(UNCHANGED, self._answer(order, owner is None))
                return None
            row = await keeper.change(
                CANCEL,
                self._answer(order, owner is None),
                **moving(order, actor_of(context), reason or None),
                checkout_id=cuid(),
                lease=self._undo.lease(context),
            )
            if row is not None:
                return await self._undo.follow(order, context)
            if step := await self._checkouts.step_of(order_id):
                raise in_flight(step, order_id)
        raise Aborted(Common.ETAG_MISMATCH, "others keep changing the order: try again", order_id=order_id)

    async def expire(self, order_id: str, context: Context) -> None:
        """Cancel an order that was not paid in time; it is PAID instead where only the news of its money is late."""
        order = await self._orders.get(order_id, owner=None)
        if await self._undo.paid(order, context) is None:
            keeper = Aftercare(self._db, context)
            await self.cancel(order_id, keeper, owner=None, within=UNPAID, reason="not paid in time")
        elif order.pay(self._clock()):
            await Orders(self._db.on(context)).pay(order, actor_of(context))
