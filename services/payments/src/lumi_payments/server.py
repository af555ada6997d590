"""All of payments' wiring."""

from lumi.payments.v1.operations_pb2_grpc import add_OperationsServiceServicer_to_server
from lumi.payments.v1.payment_pb2_grpc import add_PaymentServiceServicer_to_server
from lumi.payments.v1.refund_pb2_grpc import add_RefundServiceServicer_to_server

from lumi_common.errors import AlreadyExists
from lumi_common.errors import Reason as CommonReason
from lumi_common.service import Runtime
from lumi_payments.api.payments import PaymentService
from lumi_payments.api.refunds import RefundService
from lumi_payments.domain.errors import Reason
from lumi_payments.settings import PaymentsSettings
from lumi_payments.storage.invariants import INVARIANTS
from lumi_payments.storage.references import REFERRER

REFUSALS = {
    "payments_provider_transaction_id_key": lambda: AlreadyExists(
        Reason.TRANSACTION_ID_TAKEN, "another payment has this transaction id", field="transaction_id"
    ),
    "payments_open_key": lambda: AlreadyExists(CommonReason.ALREADY_EXISTS, "the order has an open payment"),
}


async def compose(runtime: Runtime[PaymentsSettings]) -> None:
    """Serve payments and refunds."""
    settles = runtime.settings.manual_payments == "settle"
    service = PaymentService(runtime.db, runtime.clock, settles_manual=settles)
    runtime.serve(add_PaymentServiceServicer_to_server, service)
    runtime.serve(add_RefundServiceServicer_to_server, RefundService(runtime.db))
    runtime.serve_operations(add_OperationsServiceServicer_to_server, REFERRER, INVARIANTS)
