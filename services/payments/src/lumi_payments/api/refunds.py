"""RefundService."""

from lumi.payments.v1 import refund_pb2 as pb
from lumi.payments.v1.refund_pb2_grpc import RefundServiceServicer

from lumi_common.context import Context
from lumi_common.db.database import Database
from lumi_common.rpc.convert import money_from_proto
from lumi_payments.api import convert
from lumi_payments.storage.payments import PaymentRepository
from lumi_payments.storage.refunds import REFUNDS, RefundRepository


class RefundService(RefundServiceServicer):
    def __init__(self, db: Database) -> None:
        self._db = db
        self._refunds, self._payments = RefundRepository(db), PaymentRepository(db)

    async def CreateRefund(self, request: pb.CreateRefundRequest, context: Context) -> pb.Refund:
        amount = money_from_proto(request.amount, field="amount") if request.HasField("amount") else None
        id, etag = request.payment_id, request.etag
        currency, reason = request.amount.currency_code, request.reason
        async with self._db.command(request, context) as command:
            if command.fresh:
                refunds = RefundRepository(command)
                refund = await refunds.give_back(id, amount, currency, reason, etag)
                if refund is None:
                    # There is a reason, unless the money was captured at this very moment: then a second try has it.
                    payment = await PaymentRepository(command).lock(id)
                    payment.expect(etag)
                    payment.expect_refundable(amount, currency)
                    refund = await refunds.give_back(id, amount, currency, reason, etag)
                    assert refund is not None, "the payment is locked"
                command.answer = convert.refund_to_proto(refund)
        return command.answer

    async def GetRefund(self, request: pb.GetRefundRequest, context: Context) -> pb.Refund:
        return convert.refund_to_proto(await self._refunds.get(request.id, owner=context.owner))

    async def ListRefunds(self, request: pb.ListRefundsRequest, context: Context) -> pb.ListRefundsResponse:
        await self._payments.get(request.payment_id, owner=context.owner)
        page = await REFUNDS.page(
            self._db,
            RefundRepository.row,
            size=request.page_size,
            token=request.page_token,
            payment_id=request.payment_id,
        )
        return pb.ListRefundsResponse(
            refunds=map(convert.refund_to_proto, page.items), next_page_token=page.next_page_token
        )
