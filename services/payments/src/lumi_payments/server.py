"""All of payments' wiring."""

from datetime import timedelta
from functools import partial

from lumi.payments.v1.operations_pb2_grpc import add_OperationsServiceServicer_to_server
from lumi.payments.v1.payment_pb2_grpc import add_PaymentServiceServicer_to_server
from lumi.payments.v1.refund_pb2_grpc import add_RefundServiceServicer_to_server

from lumi_common.errors import AlreadyExists
from lumi_common.errors import Reason as CommonReason
from lumi_common.events.handlers import InTransaction
from lumi_common.service import Runtime
from lumi_payments.api.payments import PaymentService
from lumi_payments.api.refunds import RefundService
from lumi_payments.domain.errors import Reason
from lumi_payments.settings import PaymentsSettings
from lumi_payments.storage.invariants import INVARIANTS
from lumi_payments.storage.personal import PEOPLE
from lumi_payments.storage.references import REFERRER
from lumi_payments.storage.retention import FORGOTTEN, follow, forget_webhooks

REFUSALS = {
    "payments_provider_transaction_id_key": lambda: AlreadyExists(
        Reason.TRANSACTION_ID_TAKEN, "another payment has this transaction id", field="transaction_id"
    ),
    "payments_open_key": lambda: AlreadyExists(CommonReason.ALREADY_EXISTS, "the order has an open payment"),
}


_HOUR = 3600.0
# A provider tells again for days what it was not acknowledged.
_WEBHOOKS_KEPT = timedelta(days=90)


async def compose(runtime: Runtime[PaymentsSettings]) -> None:
    """Serve payments and refunds."""
    settles = runtime.settings.manual_payments == "settle"
    service = PaymentService(runtime.db, runtime.clock, settles_manual=settles)
    runtime.serve(add_PaymentServiceServicer_to_server, service)
    runtime.serve(add_RefundServiceServicer_to_server, RefundService(runtime.db))
    runtime.consume("payments-retention", InTransaction(follow), types=(FORGOTTEN,))
    runtime.every(_HOUR, "old webhooks", partial(forget_webhooks, runtime.db, _WEBHOOKS_KEPT))
    runtime.serve_operations(add_OperationsServiceServicer_to_server, REFERRER, PEOPLE, INVARIANTS)
