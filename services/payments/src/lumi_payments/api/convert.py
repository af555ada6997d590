"""Payments and refunds between protobuf and the domain."""

from typing import Any

from lumi.payments.v1 import payment_pb2 as pb
from lumi.payments.v1 import refund_pb2

from lumi_common.rpc.convert import money_to_proto, time_to_proto
from lumi_payments.domain.payment import Payment, Provider, Status
from lumi_payments.domain.refund import Refund, RefundStatus

_PROVIDERS: dict[Provider, Any] = {
    provider: pb.PaymentProvider.Value(f"PAYMENT_PROVIDER_{provider}") for provider in Provider
}
_STATUSES: dict[Status, Any] = {status: pb.PaymentStatus.Value(f"PAYMENT_STATUS_{status}") for status in Status}
_REFUND_STATUSES: dict[RefundStatus, Any] = {
    status: refund_pb2.RefundStatus.Value(f"REFUND_STATUS_{status}") for status in RefundStatus
}
PROVIDERS = {number: provider for provider, number in _PROVIDERS.items()}
STATUSES = {number: status for status, number in _STATUSES.items()}

_NEXT = {
    Status.INITIATED: pb.NextAction(type=pb.NEXT_ACTION_TYPE_PAY_MANUALLY),
    Status.AUTHORIZED: pb.NextAction(type=pb.NEXT_ACTION_TYPE_CAPTURE),
}
_NOTHING = pb.NextAction(type=pb.NEXT_ACTION_TYPE_NONE)


def payment_to_proto(payment: Payment) -> pb.Payment:
    currency = payment.currency
    return pb.Payment(
        id=payment.id,
        order_id=payment.order_id,
        order_reference=payment.order_reference,
        user_id=payment.user_id,
        provider=_PROVIDERS[payment.provider],
        status=_STATUSES[payment.status],
        transaction_id=payment.transaction_id,
        amount=money_to_proto(payment.amount, currency),
        authorized_amount=money_to_proto(payment.authorized_amount, currency),
        captured_amount=money_to_proto(payment.captured_amount, currency),
        refunded_amount=money_to_proto(payment.refunded_amount, currency),
        authorized_time=time_to_proto(payment.authorized_at),
        settled_time=time_to_proto(payment.settled_at),
        failed_time=time_to_proto(payment.failed_at),
        failure_code=payment.failure_code,
        failure_message=payment.failure_message,
        next_action=_NEXT.get(payment.status, _NOTHING),
        create_time=time_to_proto(payment.created_at),
        update_time=time_to_proto(payment.updated_at),
        etag=str(payment.version),
    )


def refund_to_proto(refund: Refund) -> refund_pb2.Refund:
    return refund_pb2.Refund(
        id=refund.id,
        payment_id=refund.payment_id,
        amount=money_to_proto(refund.amount, refund.currency),
        status=_REFUND_STATUSES[refund.status],
        reason=refund.reason,
        transaction_id=refund.transaction_id,
        create_time=time_to_proto(refund.created_at),
        update_time=time_to_proto(refund.updated_at),
    )
