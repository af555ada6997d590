"""Cancelling an order that is not paid: the money decides first, then stock and coupon go back."""

from collections.abc import Callable
from logging import getLogger

from google.protobuf.message import Message

from lumi_common.clock import Clock
from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_common.errors import Aborted, FailedPrecondition, LumiError
from lumi_common.errors import Reason as Common
from lumi_orders.domain.cart import being_placed
from lumi_orders.domain.errors import Reason
from lumi_orders.domain.order import Order
from lumi_orders.storage.checkouts import Checkouts
from lumi_orders.storage.orders import CANCEL, Orders, moving
from lumi_orders.storage.requests import UNCHANGED
from lumi_orders.workflows.keeping import Keeper, actor_of
from lumi_orders.workflows.undo import Undo

log = getLogger(__name__)

TRIES = 4


class Cancellation:
    """Cancels orders on somebody's word or on the sweeper's; `answer` makes what the caller is told."""

    def __init__(self, db: Database, clock: Clock, undo: Undo, *, answer: Callable[[Order], Message]) -> None:
        self._db, self._clock, self._undo, self._answer = db, clock, undo, answer
        self._orders, self._checkouts = Orders(db), Checkouts(db)

    async def cancel(self, order_id: str, keeper: Keeper, *, owner: str | None, reason: str, etag: str = "") -> None:
        """Cancel the order and keep the answer; an order that is cancelled already is answered as it is.

        Raises NotFound, FailedPrecondition once it is paid or while it is being placed, Aborted for a stale etag.
        """
        context = keeper.context
        for _ in range(TRIES):
            order = await self._orders.get(order_id, owner=owner)
            if not order.cancel(self._clock(), etag):
                await keeper.change(UNCHANGED, self._answer(order))
                return None
            if await self._checkouts.is_placing(order_id):
                raise being_placed(order_id)
            await self._give_up_money(order_id, context)
            row = await keeper.change(
                CANCEL,
                self._answer(order),
                **moving(order, actor_of(context), reason or None),
                checkout_id=cuid(),
                lease=self._undo.lease(context),
            )
            if row is not None:
                return await self._release(order, context)
        raise Aborted(Common.ETAG_MISMATCH, "others keep changing the order: try again", order_id=order_id)

    async def _give_up_money(self, order_id: str, context: Context) -> None:
        payment = await self._undo.void(order_id, context)
        if payment is None:
            return
        # The money is here and the event that says so is still on its way.
        order = await self._orders.get(order_id, owner=None)
        if payment.pays_for(order) and order.pay(self._clock()):
            await Orders(self._db.on(context)).pay(order, actor_of(context))
        raise FailedPrecondition(
            Reason.ORDER_NOT_CANCELLABLE, "money was taken for it", order_id=order_id, status=order.status
        )

    async def _release(self, order: Order, context: Context) -> None:
        try:
            await self._undo.release(order.id, order.coupon_code, context)
        except LumiError as error:
            log.warning("releasing is left to the sweeper", extra={"order": order.id, "reason": str(error)})
