"""Asking anew for the money of an order whose payment failed: a further payment of the same order."""

from lumi_common.clock import Clock
from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_common.db.request import Once
from lumi_common.errors import Aborted, DeadlineExceeded, FailedPrecondition, LumiError
from lumi_common.errors import Reason as Common
from lumi_orders.clients.catalogue import Catalogue
from lumi_orders.clients.payments import Payments
from lumi_orders.domain.checkout import Origin, Step
from lumi_orders.domain.errors import Reason
from lumi_orders.domain.order import Order
from lumi_orders.domain.payment import Placed
from lumi_orders.storage.checkouts import Checkouts, Due
from lumi_orders.storage.orders import Orders
from lumi_orders.storage.retrying import RETRY_PAYMENT, retrying
from lumi_orders.workflows import refusals
from lumi_orders.workflows.checkout import Checkout
from lumi_orders.workflows.keeping import TRIES
from lumi_orders.workflows.refusals import asked
from lumi_orders.workflows.undo import Undo


class Retry:
    """Begins a further payment as a row, in one commit with a new version of its order, makes it, and ends the row.

    So of two at once one begins, and nothing else is decided of the order while it is under way; what a crash left
    the sweeper finishes. The payments service in turn has one payment of an order at most that has not failed.
    """

    def __init__(
        self, db: Database, clock: Clock, checkout: Checkout, undo: Undo, *, catalogue: Catalogue, payments: Payments
    ) -> None:
        self._db, self._clock, self._checkout, self._undo = db, clock, checkout, undo
        self._catalogue, self._payments = catalogue, payments
        self._orders, self._checkouts = Orders(db), Checkouts(db)

    async def retry(
        self, order_id: str, provider: str, origin: Origin, once: Once, *, owner: str | None, etag: str
    ) -> None:
        """Make a further payment and keep the answer.

        Raises NotFound, FailedPrecondition when the order cannot be paid anew, Aborted for a stale etag, Unavailable or
        DeadlineExceeded when it is not known yet what came of it.
        """
        context, checkout_id = once.context, cuid()
        for _ in range(TRIES):
            if await once.recall():
                return None
            order = await self._orders.get(order_id, owner=owner)
            try:
                order.retry_payment(self._clock(), etag)
            except (Aborted, FailedPrecondition):
                # The call whose further payment changed it may not be over.
                await self._expect_no_rival(order_id, origin, Step.RETRY)
                raise
            try:
                await self._expect_retriable(order, origin, checkout_id, context)
            except FailedPrecondition:
                # What somebody made of the order since it was read says more.
                if (await self._orders.get(order_id, owner=owner)).version != order.version - 1:
                    continue
                raise
            lease = self._undo.lease(context)
            values = retrying(order, checkout_id, provider, origin, context.method, lease)
            if await self._db.on(context).fetchrow(RETRY_PAYMENT, **values) is not None:
                return await self._make(order, provider, checkout_id, once)
        raise Aborted(Common.ETAG_MISMATCH, "others keep changing the order: try again", order_id=order_id)

    async def go_on(self, due: Due, context: Context) -> Placed | None:
        """The order with the further payment that somebody began; None when that was refused, and so is over."""
        order = await self._orders.get(due.order_id, owner=None)
        try:
            return Placed(order, await self._checkout.pay(order, due.provider, context, due.id))
        except FailedPrecondition:
            await self._checkouts.drop(due.order_id)
            return None

    async def _expect_retriable(self, order: Order, origin: Origin, attempt: str, context: Context) -> None:
        """Raise unless a further payment may begin from the order as it was read, which is one that waits for money.

        Whoever changes any of it meanwhile changes the order's version first.
        """
        await self._expect_no_rival(order.id, origin, *Step)
        payment = await self._payments.find(order.id, context)
        if payment is not None:
            raise FailedPrecondition(
                Reason.PAYMENT_NOT_FAILED,
                "the order has a payment that has not failed",
                order_id=order.id,
                payment_id=payment.id,
                status=payment.status,
            )
        await asked(self._catalogue.reserve(order.id, order.items, context, attempt), refusals.of_reservation)

    async def _expect_no_rival(self, order_id: str, origin: Origin, *at: Step) -> None:
        rival = await self._checkouts.find_rival(origin, order_id=order_id)
        if rival is not None and rival.step in at:
            rival.expect_other_request(origin)
            raise rival.refusal()

    async def _make(self, order: Order, provider: str, checkout_id: str, once: Once) -> None:
        context = once.context
        try:
            payment = await self._checkout.pay(order, provider, context, checkout_id)
        except FailedPrecondition:
            await self._checkouts.drop(order.id)
            raise
        except DeadlineExceeded:
            raise  # the payment may stand: the sweeper asks again
        except LumiError as error:
            await self._checkouts.postpone(order.id, str(error), self._undo.retry)
            raise refusals.unknown() from error
        await self._checkout.finish(Placed(order, payment), once)
