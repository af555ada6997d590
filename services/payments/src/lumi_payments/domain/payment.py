"""A payment: the money of one order, from being asked for to being had or given up."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from lumi_common.errors import Aborted, FailedPrecondition, InvalidArgument
from lumi_common.errors import Reason as CommonReason
from lumi_payments.domain.errors import Reason

VOIDED = "VOIDED"
ZERO = Decimal("0.00")


class Provider(StrEnum):
    IYZICO = "IYZICO"
    STRIPE = "STRIPE"
    PAYPAL = "PAYPAL"
    MANUAL = "MANUAL"


class Status(StrEnum):
    INITIATED = "INITIATED"
    AUTHORIZED = "AUTHORIZED"
    SETTLED = "SETTLED"
    FAILED = "FAILED"
    REFUNDED = "REFUNDED"


class Step(StrEnum):
    """What happened to a payment, kept for ever; the status is what the steps add up to."""

    CREATED = "CREATED"
    AUTHORIZED = "AUTHORIZED"
    CAPTURED = "CAPTURED"
    VOIDED = "VOIDED"


@dataclass
class Payment:
    id: str
    order_id: str
    order_reference: str
    user_id: str | None
    provider: Provider
    status: Status
    transaction_id: str | None
    amount: Decimal
    currency: str
    authorized_amount: Decimal
    captured_amount: Decimal
    refunded_amount: Decimal
    authorized_at: datetime | None
    settled_at: datetime | None
    failed_at: datetime | None
    failure_code: str | None
    failure_message: str | None
    created_at: datetime
    updated_at: datetime
    version: int = 1

    @classmethod
    def start(
        cls,
        *,
        id: str,
        order_id: str,
        order_reference: str,
        user_id: str | None,
        provider: Provider,
        amount: Decimal,
        currency: str,
        now: datetime,
        settles: bool,
    ) -> tuple["Payment", list[Step]]:
        """A new payment with its first steps; had at once if the profile says so or nothing is to pay."""
        if provider is not Provider.MANUAL:
            raise InvalidArgument(
                Reason.PAYMENT_PROVIDER_UNSUPPORTED, "only MANUAL is taken", field="provider", provider=provider
            )
        payment = cls(
            id=id,
            order_id=order_id,
            order_reference=order_reference,
            user_id=user_id,
            provider=provider,
            status=Status.INITIATED,
            transaction_id=None,
            amount=amount,
            currency=currency,
            authorized_amount=ZERO,
            captured_amount=ZERO,
            refunded_amount=ZERO,
            authorized_at=None,
            settled_at=None,
            failed_at=None,
            failure_code=None,
            failure_message=None,
            created_at=now,
            updated_at=now,
        )
        if not settles and amount > 0:
            return payment, [Step.CREATED]
        return payment, [Step.CREATED, *payment._settle(now)]

    def expect(self, etag: str) -> None:
        """Raise Aborted when the caller read an older version; an empty etag expects nothing."""
        if etag and etag != str(self.version):
            raise Aborted(CommonReason.ETAG_MISMATCH, "read the payment again", id=self.id)

    def record(
        self, transaction_id: str, amount: Decimal, currency: str, now: datetime, *, capture: bool
    ) -> list[Step]:
        """Money that staff saw: in hand, or promised for a later capture; the steps it took."""
        if self.provider is not Provider.MANUAL or self.status is not Status.INITIATED:
            raise self._refused(Reason.PAYMENT_NOT_RECORDABLE, "is not waiting for money")
        if currency != self.currency:
            raise InvalidArgument(Reason.PAYMENT_CURRENCY_MISMATCH, f"is in {self.currency}", field="amount")
        if amount != self.amount:
            raise InvalidArgument(Reason.PAYMENT_AMOUNT_MISMATCH, "is not the whole amount", field="amount")
        self.transaction_id = transaction_id or None
        self.authorized_amount, self.authorized_at = self.amount, now
        if capture:
            return self._settle(now)
        self.status = Status.AUTHORIZED
        return [Step.AUTHORIZED]

    def capture(self, now: datetime) -> list[Step]:
        """Take what was authorized; no steps when it was taken already."""
        if self.status is Status.SETTLED:
            return []
        if self.status is not Status.AUTHORIZED:
            raise self._refused(Reason.PAYMENT_NOT_CAPTURABLE, "has nothing authorized to capture")
        return self._settle(now)[1:]

    def void(self, now: datetime) -> list[Step]:
        """Give up a payment of which nothing was taken; no steps when it was given up already."""
        if self.status is Status.FAILED:
            return []
        if self.status not in (Status.INITIATED, Status.AUTHORIZED):
            raise self._refused(Reason.PAYMENT_NOT_VOIDABLE, "was captured: it can only be refunded")
        self.status, self.failed_at, self.failure_code = Status.FAILED, now, VOIDED
        self.authorized_amount = ZERO
        return [Step.VOIDED]

    def _settle(self, now: datetime) -> list[Step]:
        self.status, self.settled_at = Status.SETTLED, now
        self.authorized_at = self.authorized_at or now
        self.authorized_amount = self.captured_amount = self.amount
        return [Step.AUTHORIZED, Step.CAPTURED]

    def _refused(self, reason: Reason, why: str) -> FailedPrecondition:
        return FailedPrecondition(reason, f"payment {self.id} {why}", id=self.id, status=self.status)
