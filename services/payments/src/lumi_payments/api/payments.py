"""PaymentService."""

from collections.abc import Callable

from lumi.payments.v1 import payment_pb2 as pb
from lumi.payments.v1.payment_pb2_grpc import PaymentServiceServicer

from lumi_common.clock import Clock
from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_common.errors import AlreadyExists
from lumi_common.rpc.convert import money_from_proto
from lumi_payments.api import convert
from lumi_payments.domain.payment import Payment, Status, Step
from lumi_payments.storage.payments import PAYMENTS, PaymentRepository

Change = pb.CapturePaymentRequest | pb.VoidPaymentRequest | pb.RecordManualPaymentRequest


class PaymentService(PaymentServiceServicer):
    """`settles_manual`: MANUAL payments settle as they are made, instead of waiting for staff to record them."""

    def __init__(self, db: Database, clock: Clock, *, settles_manual: bool) -> None:
        self._db, self._clock, self._settles_manual = db, clock, settles_manual
        self._payments = PaymentRepository(db)

    async def CreatePayment(self, request: pb.CreatePaymentRequest, context: Context) -> pb.Payment:
        provider = convert.PROVIDERS[request.provider]
        amount, currency = money_from_proto(request.amount, field="amount"), request.amount.currency_code
        payment, steps = Payment.start(
            id=cuid(),
            order_id=request.order_id,
            order_reference=request.order_reference,
            user_id=request.user_id or None,
            provider=provider,
            amount=amount,
            currency=currency,
            now=self._clock(),
            settles=self._settles_manual,
        )
        action = "payment.settled" if payment.status is Status.SETTLED else "payment.created"
        try:
            async with self._db.once(request, context) as once:
                answer = convert.payment_to_proto(payment)
                await PaymentRepository.create_with(once, payment, steps, action, answer)
            return once.answer
        except AlreadyExists:
            # The order has a payment, made under another request id: the same one is as good as a new one.
            there = await self._payments.find_open(request.order_id)
            if there is None:
                raise
            there.expect_same(provider, amount, currency)
            async with self._db.once(request, context) as once:
                await once.keep(convert.payment_to_proto(there))
            return once.answer

    async def GetPayment(self, request: pb.GetPaymentRequest, context: Context) -> pb.Payment:
        return convert.payment_to_proto(await self._payments.get(request.id, owner=context.owner))

    async def ListPayments(self, request: pb.ListPaymentsRequest, context: Context) -> pb.ListPaymentsResponse:
        if context.owner and request.user_id not in ("", context.owner):
            return pb.ListPaymentsResponse()
        page = await PAYMENTS.page(
            self._db,
            PaymentRepository.row,
            size=request.page_size,
            token=request.page_token,
            order_id=request.order_id or None,
            status=convert.STATUSES.get(request.status),
            user_id=context.owner or request.user_id or None,
        )
        return pb.ListPaymentsResponse(
            payments=map(convert.payment_to_proto, page.items), next_page_token=page.next_page_token
        )

    async def CapturePayment(self, request: pb.CapturePaymentRequest, context: Context) -> pb.Payment:
        amount = money_from_proto(request.amount, field="amount") if request.HasField("amount") else None

        def capture(payment: Payment) -> list[Step]:
            return payment.capture(amount, request.amount.currency_code, self._clock())

        return await self._change(request, context, capture, "payment.settled")

    async def VoidPayment(self, request: pb.VoidPaymentRequest, context: Context) -> pb.Payment:
        def void(payment: Payment) -> list[Step]:
            return payment.void(request.reason, self._clock())

        return await self._change(request, context, void, "payment.voided", note=request.reason)

    async def RecordManualPayment(self, request: pb.RecordManualPaymentRequest, context: Context) -> pb.Payment:
        amount = money_from_proto(request.amount, field="amount")

        currency, transaction_id = request.amount.currency_code, request.transaction_id

        def record(payment: Payment) -> list[Step]:
            return payment.record(amount, currency, transaction_id, self._clock())

        def fail(payment: Payment) -> list[Step]:
            return payment.fail(amount, currency, transaction_id, request.failure_code, request.note, self._clock())

        decide, action = (fail, "payment.failed") if request.failure_code else (record, "payment.settled")
        return await self._change(request, context, decide, action, note=request.note)

    async def _change(
        self,
        request: Change,
        context: Context,
        decide: Callable[[Payment], list[Step]],
        action: str,
        *,
        note: str = "",
    ) -> pb.Payment:
        """Lock, check freshness, decide, save, answer; nothing is written when the decision takes no step."""
        async with self._db.command(request, context) as command:
            if command.fresh:
                payments = PaymentRepository(command)
                payment = await payments.lock(request.id)
                payment.expect(request.etag)
                if steps := decide(payment):
                    payment = await payments.save_with(payment, steps, note, action)
                command.answer = convert.payment_to_proto(payment)
        return command.answer
