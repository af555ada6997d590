"""Placing an order over four services: a cart becomes an order with stock, coupon and payment, or nothing happens."""

from collections.abc import Callable

from google.protobuf.message import Message

from lumi_common.clock import Clock
from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_common.errors import Aborted, DeadlineExceeded, FailedPrecondition, LumiError, NotFound
from lumi_common.errors import Reason as Common
from lumi_orders.clients.catalogue import Catalogue
from lumi_orders.clients.marketing import Discount, Marketing
from lumi_orders.clients.payments import Payments
from lumi_orders.domain.cart import Cart, being_placed
from lumi_orders.domain.checkout import Address, Wanted
from lumi_orders.domain.errors import Reason
from lumi_orders.domain.order import Order, OrderStatus, place, subtotal
from lumi_orders.domain.payment import Payment, PaymentStatus, Placed
from lumi_orders.domain.reference import new_reference
from lumi_orders.domain.tariff import Tariff
from lumi_orders.storage.checkouts import Checkouts, Started
from lumi_orders.storage.orders import Orders, moving
from lumi_orders.storage.placing import FINISH, PLACE, SETTLE, placing
from lumi_orders.workflows import refusals
from lumi_orders.workflows.addresses import AddressBook, Addresses
from lumi_orders.workflows.keeping import Keeper, actor_of
from lumi_orders.workflows.refusals import asked
from lumi_orders.workflows.undo import Undo


class Checkout:
    """The way of an order: checkout row, stock, coupon, order, payment, PAID; `answer` makes what the caller is told.

    Every step is idempotent by the order's id, and each refusal undoes those before it. A crash leaves the checkout
    row, from which the sweeper goes on.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        undo: Undo,
        *,
        catalogue: Catalogue,
        payments: Payments,
        marketing: Marketing,
        book: AddressBook,
        tariff: Tariff,
        answer: Callable[[Placed], Message],
    ) -> None:
        self._db, self._clock, self._undo, self._answer = db, clock, undo, answer
        self._catalogue, self._payments, self._marketing = catalogue, payments, marketing
        self._book, self._tariff = book, tariff
        self._orders, self._checkouts = Orders(db), Checkouts(db)

    async def place(self, wanted: Wanted, keeper: Keeper) -> None:
        """Place an order and keep its answer; raises the refusal of the step that refused, with all of it undone."""
        context = keeper.context
        given = await self._book.resolve(wanted.owner, wanted.shipping_address_id, wanted.billing_address_id, context)
        order_id = cuid()
        cart = await self._begin(order_id, wanted, given, context)
        try:
            order = await self._write(order_id, cart, given, wanted, context)
            placed = Placed(order, await self.pay(order, wanted.provider, context))
        except DeadlineExceeded:
            raise  # the payment may stand: the sweeper asks again
        except LumiError as refusal:
            kept = await self._undo.turn_back(order_id, cart.coupon_code, refusal, context)
            if kept is None:
                raise
            placed = kept
        await self.finish(placed, keeper)

    async def pay(self, order: Order, provider: str, context: Context, attempt: str = "") -> Payment:
        """Start the payment of an order, or take up the one that it has; `attempt` names a further one."""
        payment = await asked(self._payments.create(order, provider, context, attempt), refusals.of_payment)
        if payment.status is PaymentStatus.FAILED:
            raise refusals.payment_refused(payment.failure_code)
        return payment

    async def finish(self, placed: Placed, keeper: Keeper) -> None:
        """End the checkout with its answer kept, the order PAID if its money is here."""
        order = placed.order
        while placed.payment.pays_for(order) and order.pay(self._clock()):
            paid = await keeper.change(SETTLE, self._answer(placed), **moving(order, actor_of(keeper.context)))
            if paid is not None:
                return
            # The event of the payment came first, or somebody noted something with the order.
            order = placed.order = await self._orders.get(order.id, owner=None)
        if placed.order.status is OrderStatus.CANCELLED:
            raise Aborted(Reason.PLACING_UNDONE, "the order was cancelled meanwhile", order_id=order.id)
        await keeper.change(FINISH, self._answer(placed), order_id=order.id)

    async def _begin(self, order_id: str, wanted: Wanted, given: Addresses, context: Context) -> Cart:
        """Step 1: freeze the cart."""
        started = await self._checkouts.start(
            order_id=order_id,
            cart_id=wanted.cart_id,
            owner=wanted.owner,
            expected=_version(wanted.cart_etag),
            has_address=given.shipping is not None,
            provider=wanted.provider,
            origin=wanted.origin,
            method=context.method,
            lease=self._undo.lease(context),
        )
        if started is None:
            raise NotFound(Common.NOT_FOUND, "no such cart", entity="Cart", id=wanted.cart_id)
        if not started.started:
            raise await self._refusal(started, wanted, given)
        return started.cart

    async def _refusal(self, started: Started, wanted: Wanted, given: Addresses) -> LumiError:
        """Why step 1 began nothing."""
        cart = started.cart
        if started.repeated:
            return being_placed(cart.placing or "")  # the first answer takes its place
        try:
            cart.expect(wanted.cart_etag, field="cart_etag")
        except LumiError as refusal:
            if refusal.reason == Reason.CART_NOT_ACTIVE:
                refusal.facts["order_id"] = await self._orders.id_of_cart(cart.id) or ""
            return refusal
        if not cart.items:
            return FailedPrecondition(Reason.CART_EMPTY, "nothing is in the cart", cart_id=cart.id)
        if given.shipping is None and cart.shipping_address is None:
            return FailedPrecondition(
                Reason.ADDRESS_REQUIRED, "neither the call nor the cart says where it goes", field="shipping_address_id"
            )
        rival = await self._checkouts.find_rival(wanted.origin, cart_id=cart.id)
        if rival is not None:
            rival.expect_other_request(wanted.origin)
        return being_placed(rival.order_id if rival else "")

    async def _write(self, order_id: str, cart: Cart, given: Addresses, wanted: Wanted, context: Context) -> Order:
        """Steps 2 to 4: stock, coupon, and the order at the prices that catalogue reserved it at."""
        lines, currency = await asked(self._catalogue.reserve(order_id, cart.items, context), refusals.of_stock)
        if currency != cart.currency:
            raise FailedPrecondition(Reason.CURRENCY_MISMATCH, f"the cart is in {cart.currency}", cart_id=cart.id)
        address = given.shipping or cart.shipping_address
        billing = given.billing or cart.billing_address or address
        shipping = self._tariff.shipping(address, currency, subtotal(lines))
        coupon = Discount("")
        if cart.coupon_code:
            redeem = self._marketing.redeem(
                cart.coupon_code, order_id, cart.user_id, subtotal(lines), shipping, currency, context
            )
            coupon = await asked(redeem, refusals.of_coupon)
        order = place(
            order_id,
            new_reference(),
            lines,
            currency=currency,
            discount=coupon.amount,
            shipping=shipping - coupon.shipping_amount,
            tax=self._tariff.tax(address),
            now=self._clock(),
            user_id=cart.user_id,
            guest_session_id=cart.session_id,
            cart_id=cart.id,
            coupon_code=coupon.code or None,
            metadata=wanted.metadata,
            shipping_address_id=_id(address),
            billing_address_id=_id(billing),
            shipping_address_snapshot=_frozen(address),
            billing_address_snapshot=_frozen(billing),
        )
        values = placing(order, cart, actor_of(context))
        if await self._db.on(context).fetchrow(PLACE, **values) is None:
            raise Aborted(Reason.PLACING_UNDONE, "the cart has changed meanwhile", cart_id=cart.id)
        return order


def _version(etag: str) -> int | None:
    """The version that an etag names; -1, which no cart has, for one that is not ours."""
    if not etag:
        return None
    return int(etag) if etag.isascii() and etag.isdigit() and len(etag) < 10 else -1


def _id(address: Address | None) -> str | None:
    return None if address is None else address.get("id")


def _frozen(address: Address | None) -> Address | None:
    return None if address is None else {name: text for name, text in address.items() if name != "id"}
