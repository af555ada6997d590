"""Giving back what was taken for an order: its payment, the order itself, its coupon, its stock, in this order."""

from datetime import timedelta
from logging import getLogger

from lumi_common.clock import Clock
from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_common.errors import LumiError
from lumi_orders.clients.catalogue import Catalogue
from lumi_orders.clients.marketing import Marketing
from lumi_orders.clients.payments import Payments
from lumi_orders.domain.order import Order, OrderStatus
from lumi_orders.domain.payment import Payment, Placed
from lumi_orders.storage.checkouts import Checkouts
from lumi_orders.storage.orders import CANCEL, Orders, moving
from lumi_orders.storage.requests import UNASKED
from lumi_orders.workflows import refusals
from lumi_orders.workflows.keeping import actor_of

log = getLogger(__name__)


class Undo:
    """Undoes the placing of an order; every step may be done again, so whoever is interrupted is followed by another.

    `retry` is how long the sweeper waits before it tries again what did not work.
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
        self._db, self._clock, self._retry = db, clock, retry
        self._catalogue, self._payments, self._marketing = catalogue, payments, marketing
        self._orders, self._checkouts = Orders(db), Checkouts(db)

    async def turn_back(
        self, order_id: str, coupon_code: str | None, why: LumiError, context: Context
    ) -> Placed | None:
        """Undo a placing that was refused; the order after all, where its money turns out to be here already.

        What cannot be given back now is left to the sweeper. Raises Unavailable when it is not known whether the
        order stands.
        """
        await self._checkouts.undo(order_id, str(why), self.lease(context))
        try:
            return await self.give_back(order_id, coupon_code, context)
        except LumiError as error:
            log.warning("undoing is left to the sweeper", extra={"order": order_id, "reason": str(error)})
            await self._checkouts.postpone(order_id, str(error), self._retry)
            order = await self._orders.find(order_id)
            if order is not None and order.status is not OrderStatus.CANCELLED:
                raise refusals.unknown() from error
            return None

    async def give_back(self, order_id: str, coupon_code: str | None, context: Context) -> Placed | None:
        """Undo all of it and end the checkout; the order instead, where its money is here already."""
        order = await self._orders.find(order_id)
        if order is not None and order.status is not OrderStatus.CANCELLED:
            placed = await self._cancel(order, context)
            if placed is not None:
                return placed
        await self.release(order_id, coupon_code, context)
        return None

    async def release(self, order_id: str, coupon_code: str | None, context: Context) -> None:
        """Give back coupon and stock of an order that does not stand, and end the checkout."""
        if coupon_code:
            await self._marketing.release(order_id, context)
        await self._catalogue.release(order_id, context)
        await self._checkouts.end(order_id)

    async def void(self, order_id: str, context: Context) -> Payment | None:
        """Give up the order's payment; the payment itself, where its money was taken already."""
        payment = await self._payments.find(order_id, context)
        if payment is None:
            return None
        if payment.open:
            try:
                await self._payments.void(order_id, payment, context)
            except LumiError as error:
                if error.code != "FAILED_PRECONDITION":
                    raise
                payment = await self._payments.find(order_id, context)  # settled in between
            else:
                return None
        return payment

    def lease(self, context: Context) -> timedelta:
        """How long the sweeper leaves a checkout to the call that has it."""
        return timedelta(seconds=min(context.remaining(), 60.0)) + self._retry

    async def _cancel(self, order: Order, context: Context) -> Placed | None:
        payment = await self.void(order.id, context)
        if payment is not None:
            return Placed(order, payment)
        order.cancel(self._clock())
        values = moving(order, actor_of(context), "its placing was undone")
        row = await self._db.on(context).fetchrow(
            CANCEL, **UNASKED, **values, checkout_id=cuid(), lease=self.lease(context)
        )
        if row is None:
            raise refusals.unknown()  # somebody moved the order: look again
        return None
