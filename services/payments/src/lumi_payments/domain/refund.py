"""Money of a payment on its way back, or back."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class RefundStatus(StrEnum):
    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Refund:
    id: str
    payment_id: str
    amount: Decimal
    currency: str
    status: RefundStatus
    reason: str | None
    transaction_id: str | None
    created_at: datetime
    updated_at: datetime
