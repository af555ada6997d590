"""Going on where a crash left off, and cancelling what nobody paid for."""

from datetime import timedelta
from logging import getLogger

from lumi_common.context import Context
from lumi_common.db.database import Database
from lumi_common.errors import LumiError
from lumi_orders.domain.checkout import Step
from lumi_orders.domain.payment import Placed
from lumi_orders.storage.carts import Carts
from lumi_orders.storage.checkouts import Checkouts, Due
from lumi_orders.storage.orders import Orders
from lumi_orders.workflows.cancel import Cancellation
from lumi_orders.workflows.checkout import Checkout
from lumi_orders.workflows.keeping import Aftercare
from lumi_orders.workflows.retry import Retry
from lumi_orders.workflows.undo import Undo

log = getLogger(__name__)

NAME = "orders.sweeper"
SECONDS = 15.0
# The methods that leave checkouts, whose answers are kept when these are over.
PLACE_ORDER = "lumi.orders.v1.OrderService/PlaceOrder"
RETRY_PAYMENT = "lumi.orders.v1.OrderService/RetryPayment"
# Causes that may pass: the step is tried again when its time comes.
_PASSING = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED", "RESOURCE_EXHAUSTED", "INTERNAL")


class Sweeper:
    """Looks for due checkouts, unpaid orders and stale carts; every process of the service may, at any time.

    `pause` is the first one after a failed attempt; `order_expiry` and `cart_expiry` say how long an order may wait
    for its money and a cart for its owner.
    """

    def __init__(
        self,
        db: Database,
        checkout: Checkout,
        undo: Undo,
        cancellation: Cancellation,
        retry: Retry,
        *,
        pause: timedelta,
        order_expiry: timedelta,
        cart_expiry: timedelta,
    ) -> None:
        self._db, self._checkout, self._undo, self._cancellation = db, checkout, undo, cancellation
        self._retry, self._pause = retry, pause
        self._order_expiry, self._cart_expiry = order_expiry, cart_expiry
        self._orders, self._checkouts = Orders(db), Checkouts(db)

    async def sweep(self) -> None:
        """Take up all that is due now."""
        while due := await self._checkouts.claim(self._pause):
            for each in due:
                await self._take_up(each)
        for order_id in await self._orders.expired(self._order_expiry):
            await self._expire(order_id)
        await Carts(self._db.on(Context.system(NAME))).abandon(self._cart_expiry)

    async def _take_up(self, due: Due) -> None:
        context = Context.system(NAME, timeout=SECONDS)
        log.info("taking up a checkout", extra={"order": due.order_id, "step": due.step})
        try:
            if due.step is Step.RETRY:
                placed, method = await self._retry.go_on(due, context), RETRY_PAYMENT
            else:
                placed, method = await self._place(due, context), PLACE_ORDER
            if placed is not None:
                await self._checkout.finish(placed, Aftercare(self._db, context, method, due.origin))
        except LumiError as error:
            log.warning("a checkout has to wait", extra={"order": due.order_id, "reason": str(error)})
            await self._checkouts.note(due.order_id, str(error))
        except Exception as error:  # whatever it is: the next one is somebody else's
            log.error("a checkout cannot be taken up", exc_info=error, extra={"order": due.order_id})
            await self._checkouts.note(due.order_id, type(error).__name__)

    async def _place(self, due: Due, context: Context) -> Placed | None:
        """The order of a placing that was left; None when that is undone."""
        placed = await self._forward(due, context) if due.step is Step.PAY else None
        return placed or await self._undo.give_back(due.order_id, due.coupon_code, due.attempts, context)

    async def _forward(self, due: Due, context: Context) -> Placed | None:
        """The order with its payment; None when it is to be undone instead."""
        order = await self._orders.get(due.order_id, owner=None)
        try:
            return Placed(order, await self._checkout.pay(order, due.provider, context))
        except LumiError as error:
            if error.code in _PASSING:
                raise
            await self._checkouts.undo(due.order_id, str(error), self._pause)
            return None

    async def _expire(self, order_id: str) -> None:
        context = Context.system(NAME, timeout=SECONDS)
        try:
            await self._cancellation.expire(order_id, context)
        except LumiError as error:
            log.warning("an unpaid order cannot be cancelled", extra={"order": order_id, "reason": str(error)})
        except Exception as error:  # as above
            log.error("an unpaid order cannot be cancelled", exc_info=error, extra={"order": order_id})
