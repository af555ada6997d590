"""A payment: the money of one order, from being asked for to being had or given up."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

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


class Kind(StrEnum):
    """What happened to a payment, kept for ever; the status is what the steps add up to."""

    CREATED = "CREATED"
    AUTHORIZED = "AUTHORIZED"
    CAPTURED = "CAPTURED"
    VOIDED = "VOIDED"
    FAILED = "FAILED"
    REFUNDED = "REFUNDED"


class Step(NamedTuple):
    """One thing that happened, and the money it was about."""

    kind: Kind
    amount: Decimal


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
            raise FailedPrecondition(Reason.PROVIDER_UNAVAILABLE, "only MANUAL is set up", provider=provider)
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
        steps = [Step(Kind.CREATED, amount)]
        if settles or amount == 0:
            steps += payment._settle(now)
        return payment, steps

    def expect_same(self, provider: Provider, amount: Decimal, currency: str) -> None:
        """Raise FailedPrecondition unless an order's open payment is the one that is asked for again."""
        if (self.provider, self.amount, self.currency) != (provider, amount, currency):
            raise FailedPrecondition(
                Reason.PAYMENT_DIFFERS, "the order has another payment: void that first", payment_id=self.id
            )

    def expect(self, etag: str) -> None:
        """Raise Aborted when the caller read an older version; an empty etag expects nothing."""
        if etag and etag != str(self.version):
            raise Aborted(CommonReason.ETAG_MISMATCH, "read the payment again", id=self.id)

    def record(self, amount: Decimal, currency: str, transaction_id: str, now: datetime) -> list[Step]:
        """The money has come, in full; the steps that makes."""
        self._expect_recordable(amount, currency)
        self.transaction_id = transaction_id or None
        return self._settle(now)

    def fail(
        self, amount: Decimal, currency: str, transaction_id: str, code: str, message: str, now: datetime
    ) -> list[Step]:
        """The money has not come and will not; the step that makes."""
        self._expect_recordable(amount, currency)
        self.transaction_id = transaction_id or None
        self._fail(code, message, now)
        return [Step(Kind.FAILED, self.amount)]

    def capture(self, amount: Decimal | None, currency: str, now: datetime) -> list[Step]:
        """Take what was authorized, or a part of it; the step that makes."""
        if self.status is not Status.AUTHORIZED:
            raise self._refused(Reason.PAYMENT_NOT_CAPTURABLE, "has nothing authorized", status=self.status)
        if amount is None:
            amount = self.authorized_amount
        else:
            self._expect_currency(currency)
        if amount > self.authorized_amount:
            raise self._refused(Reason.AMOUNT_TOO_HIGH, "was authorized for less", authorized=self.authorized_amount)
        self.status, self.settled_at, self.captured_amount = Status.SETTLED, now, amount
        return [Step(Kind.CAPTURED, amount)]

    def void(self, reason: str, now: datetime) -> list[Step]:
        """Give up a payment of which nothing was taken; no steps when it was given up already."""
        if self.status is Status.FAILED:
            return []
        if self.status not in (Status.INITIATED, Status.AUTHORIZED):
            raise self._refused(Reason.PAYMENT_NOT_VOIDABLE, "has taken money", status=self.status)
        self._fail(VOIDED, reason, now)
        return [Step(Kind.VOIDED, self.amount)]

    def expect_refundable(self, amount: Decimal | None, currency: str) -> None:
        """Raise unless this much, or all that is left when None, can be given back."""
        if amount is not None:
            self._expect_currency(currency)
        if self.status not in (Status.SETTLED, Status.REFUNDED):
            raise self._refused(Reason.PAYMENT_NOT_REFUNDABLE, "has taken no money", status=self.status)
        left = self.captured_amount - self.refunded_amount
        if left == 0:
            raise self._refused(Reason.PAYMENT_ALREADY_REFUNDED, "has nothing left to give back")
        if amount is not None and amount > left:
            raise self._refused(Reason.REFUND_TOO_HIGH, "has less left to give back", left=left)
        if self.provider is not Provider.MANUAL:
            raise self._refused(Reason.PROVIDER_UNAVAILABLE, "is of a provider not set up", provider=self.provider)

    def _settle(self, now: datetime) -> list[Step]:
        self.status, self.authorized_at, self.settled_at = Status.SETTLED, now, now
        self.authorized_amount = self.captured_amount = self.amount
        return [Step(Kind.AUTHORIZED, self.amount), Step(Kind.CAPTURED, self.amount)]

    def _fail(self, code: str, message: str, now: datetime) -> None:
        self.status, self.failed_at, self.authorized_amount = Status.FAILED, now, ZERO
        self.failure_code, self.failure_message = code, message or None

    def _expect_recordable(self, amount: Decimal, currency: str) -> None:
        if self.provider is not Provider.MANUAL:
            raise self._refused(Reason.PAYMENT_NOT_MANUAL, "is settled by its provider", provider=self.provider)
        if self.status is not Status.INITIATED:
            raise self._refused(Reason.PAYMENT_NOT_RECORDABLE, "is not waiting for money", status=self.status)
        self._expect_currency(currency)
        if amount != self.amount:
            raise self._refused(Reason.AMOUNT_DIFFERS, "is of another amount", expected=self.amount)

    def _expect_currency(self, currency: str) -> None:
        if currency != self.currency:
            raise InvalidArgument(
                Reason.CURRENCY_MISMATCH, f"the payment is in {self.currency}", field="amount", currency=self.currency
            )

    def _refused(self, reason: Reason, why: str, **facts: Any) -> FailedPrecondition:
        return FailedPrecondition(reason, f"payment {self.id} {why}", id=self.id, **facts)
