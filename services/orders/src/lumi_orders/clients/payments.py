"""Payments: the money of an order."""

from lumi.payments.v1 import payment_pb2

from lumi_common.context import Context
from lumi_common.rpc.channel import PeerChannel
from lumi_common.rpc.convert import money_from_proto, money_to_proto
from lumi_orders.domain.checkout import request_id
from lumi_orders.domain.order import Order
from lumi_orders.domain.payment import Payment, PaymentStatus

_STATUSES = {payment_pb2.PaymentStatus.Value(f"PAYMENT_STATUS_{status}"): status for status in PaymentStatus}
_ACTION = "NEXT_ACTION_TYPE_"
_PROVIDER = "PAYMENT_PROVIDER_"


class Payments:
    """Calls to the payments service; each raises what payments refuses, as a LumiError with payments' reason."""

    def __init__(self, channel: PeerChannel) -> None:
        self._create = channel.unary(
            "lumi.payments.v1.PaymentService/CreatePayment",
            payment_pb2.CreatePaymentRequest,
            payment_pb2.Payment,
            timeout=4.0,
        )
        self._list = channel.unary(
            "lumi.payments.v1.PaymentService/ListPayments",
            payment_pb2.ListPaymentsRequest,
            payment_pb2.ListPaymentsResponse,
            timeout=3.0,
        )
        self._void = channel.unary(
            "lumi.payments.v1.PaymentService/VoidPayment",
            payment_pb2.VoidPaymentRequest,
            payment_pb2.Payment,
            timeout=3.0,
        )

    async def create(self, order: Order, provider: str, context: Context) -> Payment:
        """Start the payment of an order's total; again it is the same payment."""
        request = payment_pb2.CreatePaymentRequest(
            order_id=order.id,
            order_reference=order.reference,
            user_id=order.user_id or "",
            provider=_PROVIDER + provider,
            amount=money_to_proto(order.total_amount, order.currency),
            request_id=request_id(order.id, "pay"),
        )
        return _payment(await self._create(request, context))

    async def find(self, order_id: str, context: Context) -> Payment | None:
        """The order's payment that has not failed, of which there is one at most."""
        token = ""
        while True:
            request = payment_pb2.ListPaymentsRequest(order_id=order_id, page_token=token)
            answer = await self._list(request, context)
            for payment in map(_payment, answer.payments):
                if payment.status is not PaymentStatus.FAILED:
                    return payment
            token = answer.next_page_token
            if not token:
                return None

    async def void(self, order_id: str, payment: Payment, context: Context) -> Payment:
        """Give up a payment of which no money was taken; again it changes nothing."""
        request = payment_pb2.VoidPaymentRequest(
            id=payment.id, reason="the order is cancelled", request_id=request_id(order_id, f"void {payment.id}")
        )
        return _payment(await self._void(request, context))


def _payment(payment: payment_pb2.Payment) -> Payment:
    return Payment(
        id=payment.id,
        status=_STATUSES[payment.status],
        captured=money_from_proto(payment.captured_amount, field="captured_amount"),
        next_action=payment_pb2.NextActionType.Name(payment.next_action.type).removeprefix(_ACTION),
        failure_code=payment.failure_code,
    )
