"""What may be said to an order, each on a connection of its own, and orders in every state that these lead to."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
from lumi.orders.v1 import cart_pb2, order_pb2
from lumi.orders.v1.cart_pb2_grpc import CartServiceStub
from lumi.orders.v1.order_pb2_grpc import OrderServiceStub
from lumi.payments.v1 import payment_pb2, refund_pb2
from lumi.payments.v1.payment_pb2_grpc import PaymentServiceStub
from lumi.payments.v1.refund_pb2_grpc import RefundServiceStub

from lumi_common.cuid import cuid
from services.orders.tests.rpc.floor import Floor
from tests.kit.buying import Guest, request_id, usd
from tests.kit.client import Client
from tests.kit.waiting import until

MANUAL = payment_pb2.PAYMENT_PROVIDER_MANUAL
PRICE = usd(250)
# Channels to one address share a connection unless they are told not to.
OF_ITS_OWN = [("grpc.use_local_subchannel_pool", 1)]

# The money of a payment is held for us: no method makes one yet, for no provider is set up that holds money.
_HOLD = """
    with held as (update payments set status = 'AUTHORIZED', authorized_amount = amount, authorized_at = now()
        where id = $1 returning *)
    insert into payment_steps (id, payment_id, kind, amount) select $2, id, 'AUTHORIZED', amount from held
"""


@dataclass
class Target:
    """An order (or the cart of one to be) in some state; `payment` is the last of its payments."""

    guest: Guest
    cart: str
    variant: str
    order: str = ""
    payment: str = ""


class Line:
    """A connection of its own to the public doors of orders and payments, for staff who may do everything."""

    def __init__(self, floor: Floor, staff: str) -> None:
        self._staff = staff
        self._channels = {
            name: grpc.aio.insecure_channel(
                f"127.0.0.1:{floor.shop.runtimes[name].server.public_port}", options=OF_ITS_OWN
            )
            for name in ("orders", "payments")
        }

    def stub(self, stub_class: Any, token: str = "") -> Client:
        """A stub in the hands of staff, or of whose token it is."""
        channel = self._channels[stub_class.__init__.__module__.split(".")[1]]
        return Client(stub_class(channel), (("authorization", f"Bearer {token or self._staff}"),))

    async def close(self) -> None:
        """Hang up."""
        for channel in self._channels.values():
            await channel.close()


Command = Callable[[Line, Target], Awaitable[Any]]


async def place(line: Line, at: Target) -> Any:
    """Buy its cart, as its buyer."""
    request = order_pb2.PlaceOrderRequest(cart_id=at.cart, payment_provider=MANUAL, request_id=request_id())
    return await line.stub(OrderServiceStub, at.guest.token).PlaceOrder(request)


async def edit(line: Line, at: Target) -> Any:
    """Put one more into its cart, as its buyer."""
    request = cart_pb2.AddCartItemRequest(
        cart_id=at.cart, product_variant_id=at.variant, quantity=1, request_id=request_id()
    )
    return await line.stub(CartServiceStub, at.guest.token).AddCartItem(request)


async def discard(line: Line, at: Target) -> Any:
    """Delete its cart, as its buyer."""
    request = cart_pb2.DeleteCartRequest(id=at.cart, request_id=request_id())
    return await line.stub(CartServiceStub, at.guest.token).DeleteCart(request)


async def delete(line: Line, at: Target) -> Any:
    """Delete it, which is never done of an order with a payment."""
    return await line.stub(OrderServiceStub).DeleteOrder(
        order_pb2.DeleteOrderRequest(id=at.order, request_id=request_id())
    )


async def cancel(line: Line, at: Target) -> Any:
    return await line.stub(OrderServiceStub).CancelOrder(
        order_pb2.CancelOrderRequest(id=at.order, request_id=request_id())
    )


async def fulfill(line: Line, at: Target) -> Any:
    return await line.stub(OrderServiceStub).FulfillOrder(
        order_pb2.FulfillOrderRequest(id=at.order, request_id=request_id())
    )


async def ship(line: Line, at: Target) -> Any:
    return await line.stub(OrderServiceStub).ShipOrder(order_pb2.ShipOrderRequest(id=at.order, request_id=request_id()))


async def deliver(line: Line, at: Target) -> Any:
    return await line.stub(OrderServiceStub).DeliverOrder(
        order_pb2.DeliverOrderRequest(id=at.order, request_id=request_id())
    )


async def note(line: Line, at: Target) -> Any:
    """Note something with it; never the same twice."""
    order = order_pb2.Order(id=at.order, notes=cuid())
    return await line.stub(OrderServiceStub).UpdateOrder(
        order_pb2.UpdateOrderRequest(order=order, request_id=request_id())
    )


async def retry(line: Line, at: Target) -> Any:
    request = order_pb2.RetryPaymentRequest(id=at.order, payment_provider=MANUAL, request_id=request_id())
    return await line.stub(OrderServiceStub).RetryPayment(request)


async def record(line: Line, at: Target) -> Any:
    request = payment_pb2.RecordManualPaymentRequest(id=at.payment, amount=PRICE, request_id=request_id())
    return await line.stub(PaymentServiceStub).RecordManualPayment(request)


async def bounce(line: Line, at: Target) -> Any:
    """Say that the money of its payment will not come."""
    request = payment_pb2.RecordManualPaymentRequest(
        id=at.payment, amount=PRICE, failure_code="BOUNCED", request_id=request_id()
    )
    return await line.stub(PaymentServiceStub).RecordManualPayment(request)


async def void(line: Line, at: Target) -> Any:
    return await line.stub(PaymentServiceStub).VoidPayment(
        payment_pb2.VoidPaymentRequest(id=at.payment, request_id=request_id())
    )


async def capture(line: Line, at: Target) -> Any:
    return await line.stub(PaymentServiceStub).CapturePayment(
        payment_pb2.CapturePaymentRequest(id=at.payment, request_id=request_id())
    )


async def refund(line: Line, at: Target) -> Any:
    """Give a cent of its money back."""
    return await line.stub(RefundServiceStub).CreateRefund(
        refund_pb2.CreateRefundRequest(payment_id=at.payment, amount=usd(1), request_id=request_id())
    )


COMMANDS: dict[str, Command] = {
    each.__name__: each
    for each in (
        place, edit, discard, delete, cancel, fulfill, ship, deliver, note, retry, record, bounce, void, capture, refund
    )
}  # fmt: skip


@dataclass
class State:
    """How an order comes there from the state before it, and what is said to it there against all that may be said."""

    before: str
    by: tuple[Command, ...]
    said: set[str] = field(default_factory=set)


async def _hold(floor: Floor, at: Target) -> None:
    async with floor.shop.database("payments") as database:
        await database.execute(_HOLD, at.payment, cuid())


STATES: dict[str, State] = {
    "filled": State("", (), {"discard", "place", "edit"}),
    "waiting": State("filled", (place,), {"discard", "cancel", "record", "bounce", "void", "note"}),
    "failed": State("waiting", (bounce,), {"discard", "cancel", "retry", "note"}),
    "held": State("waiting", (), {"cancel", "capture", "void", "note"}),
    "paid": State("waiting", (record,), {"discard", "cancel", "fulfill", "refund", "note"}),
    "packed": State("paid", (fulfill,), {"cancel", "ship", "refund", "note"}),
    "shipped": State("packed", (ship,), {"deliver", "refund", "note"}),
    "delivered": State("shipped", (deliver,), {"refund", "note"}),
    "cancelled": State("waiting", (cancel,), {"note"}),
}


async def bring(floor: Floor, line: Line, variant: str, state: str) -> Target:
    """A new order in this state (or a cart, before it is one)."""
    if state == "filled":
        guest = await floor.guest()
        return Target(guest, (await guest.fill((variant, 1))).id, variant)
    at = await bring(floor, line, variant, STATES[state].before)
    for step in STATES[state].by:
        answer = await step(line, at)
        if step is place:
            at.order, at.payment = answer.order.id, answer.payment_id
        if step is record:
            await _until_paid(line, at)
    if state == "held":
        await _hold(floor, at)
    return at


async def _until_paid(line: Line, at: Target) -> None:
    """Orders hears of the money by an event."""
    orders = line.stub(OrderServiceStub)

    async def is_paid() -> bool:
        order = await orders.GetOrder(order_pb2.GetOrderRequest(id=at.order))
        return bool(order.status == order_pb2.ORDER_STATUS_PAID)

    await until(is_paid, "its money is heard of")
