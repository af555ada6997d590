"""Payments: the money of an order."""

from lumi.payments.v1 import payment_pb2, refund_pb2

from lumi_common.context import Context
from lumi_common.errors import Reason, Unavailable
from lumi_common.rpc.channel import PeerChannel
from lumi_common.rpc.convert import money_from_proto, money_to_proto
from lumi_orders.domain.checkout import request_id
from lumi_orders.domain.order import Order
from lumi_orders.domain.payment import Payment, PaymentStatus

_STATUSES = {payment_pb2.PaymentStatus.Value(f"PAYMENT_STATUS_{status}"): status for status in PaymentStatus}
_ACTION = "NEXT_ACTION_TYPE_"
_PROVIDER = "PAYMENT_PROVIDER_"
CANCELLED = "the order is cancelled"


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
        self._refund = channel.unary(
            "lumi.payments.v1.RefundService/CreateRefund",
            refund_pb2.CreateRefundRequest,
            refund_pb2.Refund,
            timeout=4.0,
        )

    async def create(self, order: Order, provider: str, context: Context, attempt: str = "") -> Payment:
        """Start the payment of an order's total; again in the same attempt it is the same payment."""
        request = payment_pb2.CreatePaymentRequest(
            order_id=order.id,
            order_reference=order.reference,
            user_id=order.user_id or "",
            provider=_PROVIDER + provider,
            amount=money_to_proto(order.total_amount, order.currency),
            request_id=request_id(order.id, f"pay {attempt}".rstrip()),
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

    async def void(self, order_id: str, payment: Payment, context: Context) -> None:
        """Give up a payment of which no money was taken; again it changes nothing."""
        request = payment_pb2.VoidPaymentRequest(
            id=payment.id, reason=CANCELLED, request_id=request_id(order_id, f"void {payment.id}")
        )
        await self._void(request, context)

    async def refund(self, order_id: str, payment: Payment, context: Context) -> None:
        """Give back all that is left of a payment; again for the payment as it was read, it is the same refund."""
        # The payment's etag is in it, so that what a provider refused can be asked for anew.
        request = refund_pb2.CreateRefundRequest(
            payment_id=payment.id,
            reason=CANCELLED,
            request_id=request_id(order_id, f"refund {payment.id} {payment.etag}"),
        )
        refund = await self._refund(request, context)
        if refund.status == refund_pb2.REFUND_STATUS_FAILED:
            raise Unavailable(Reason.UNAVAILABLE, "the provider refused the refund", payment_id=payment.id)


def _payment(payment: payment_pb2.Payment) -> Payment:
    return Payment(
        id=payment.id,
        status=_STATUSES[payment.status],
        captured=money_from_proto(payment.captured_amount, field="captured_amount"),
        refunded=money_from_proto(payment.refunded_amount, field="refunded_amount"),
        next_action=payment_pb2.NextActionType.Name(payment.next_action.type).removeprefix(_ACTION),
        etag=payment.etag,
        failure_code=payment.failure_code,
    )
