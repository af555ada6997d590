"""Giving back what was taken for an order: its payment, its coupon, its stock."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from logging import getLogger
from typing import Any

from lumi_common.clock import Clock
from lumi_common.context import Context
from lumi_common.db.database import Database
from lumi_common.errors import LumiError
from lumi_orders.clients.catalogue import Catalogue
from lumi_orders.clients.marketing import Marketing
from lumi_orders.clients.payments import Payments
from lumi_orders.domain.order import UNPAID, Order, OrderStatus
from lumi_orders.domain.payment import Payment, Placed
from lumi_orders.storage.checkouts import Checkouts
from lumi_orders.storage.orders import Orders
from lumi_orders.workflows import refusals
from lumi_orders.workflows.keeping import actor_of

log = getLogger(__name__)

LOOKS = 3
# The payment has moved between our look at it and our word.
_MOVED = ("FAILED_PRECONDITION", "ABORTED")


class Undo:
    """Undoes the placing of an order, or the order itself; every step may be done again, by whoever comes after.

    First the order is CANCELLED, in one commit with the row that says that something is to be given back; then it is
    given back, what it is by then. So nothing has to be known of the money to cancel, and money that comes later is
    found by the same steps. `retry` is how long the sweeper waits before it tries again what did not work.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        *,
        catalogue: Catalogue,
        payments: Payments,
        marketing: Marketing,
        retry: timedelta,
    ) -> None:
        self._db, self._clock, self.retry = db, clock, retry
        self._catalogue, self._payments, self._marketing = catalogue, payments, marketing
        self._orders, self._checkouts = Orders(db), Checkouts(db)

    async def turn_back(
        self, order_id: str, coupon_code: str | None, why: LumiError, context: Context
    ) -> Placed | None:
        """Undo a placing that was refused; the order after all, where its money turns out to be here already.

        What cannot be given back now is left to the sweeper. Raises Unavailable when it is not known whether the
        order stands.
        """
        attempts = await self._checkouts.undo(order_id, str(why), self.lease(context))
        try:
            return await self.give_back(order_id, coupon_code, attempts, context)
        except LumiError as error:
            await self._leave(order_id, error)
            order = await self._orders.find(order_id)
            if order is not None and order.status is not OrderStatus.CANCELLED:
                raise refusals.unknown() from error
            return None

    async def give_back(
        self, order_id: str, coupon_code: str | None, attempts: int | None, context: Context
    ) -> Placed | None:
        """Undo all of it and end the checkout; the order instead, where its money is here already.

        `attempts` is how often the checkout was taken up when this began, None when it is over.
        """
        order = await self._orders.find(order_id)
        if order is not None and order.status is not OrderStatus.CANCELLED:
            payment = await self.paid(order, context)
            if payment is not None:
                return Placed(order, payment)
            order.cancel(self._clock(), within=UNPAID)
            orders = Orders(self._db.on(context))
            if not await orders.give_up(order, actor_of(context), "its placing was undone"):
                raise refusals.unknown()  # somebody moved the order: look again
        await self._release(order_id, coupon_code, attempts, order is not None, context)
        return None

    async def follow(self, order: Order, context: Context) -> None:
        """Give back what was taken for an order that was cancelled just now; what cannot be is left to the sweeper."""
        try:
            await self._release(order.id, order.coupon_code, 0, True, context)
        except LumiError as error:
            await self._leave(order.id, error)

    async def paid(self, order: Order, context: Context) -> Payment | None:
        """The payment by which the order stands, although nobody told us yet that its money is here; None if none."""
        payment = await self._payments.find(order.id, context)
        if payment is None:
            return None
        return payment if order.status is not OrderStatus.PENDING or payment.pays_for(order) else None

    def lease(self, context: Context) -> timedelta:
        """How long the sweeper leaves a checkout to the call that has it."""
        return timedelta(seconds=min(context.remaining(), 60.0)) + self.retry

    async def _release(
        self, order_id: str, coupon_code: str | None, attempts: int | None, written: bool, context: Context
    ) -> None:
        """Give back money, coupon and stock of an order that does not stand, and end the checkout.

        None of them waits for another: while one service is away, the others have theirs back.
        """
        steps: list[Awaitable[Any]] = [self._catalogue.release(order_id, context)]
        if coupon_code:
            steps.append(self._marketing.release(order_id, context))
        if written:
            steps.append(self._return_money(order_id, context))
        for outcome in await asyncio.gather(*steps, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
        if attempts is not None:
            await self._checkouts.end(order_id, attempts)

    async def _return_money(self, order_id: str, context: Context) -> None:
        """Void the order's payment, or refund what is left of it."""
        for look in range(1, LOOKS + 1):
            payment = await self._payments.find(order_id, context)
            if payment is None or not (payment.open or payment.left):
                return
            give = self._payments.void if payment.open else self._payments.refund
            try:
                await give(order_id, payment, context)
            except LumiError as error:
                if error.code not in _MOVED or look == LOOKS:
                    raise
            else:
                return

    async def _leave(self, order_id: str, error: LumiError) -> None:
        log.warning("giving back is left to the sweeper", extra={"order": order_id, "reason": str(error)})
        await self._checkouts.postpone(order_id, str(error), self.retry)
