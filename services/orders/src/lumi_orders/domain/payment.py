"""What orders knows of a payment."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from lumi_orders.domain.order import Order


class PaymentStatus(StrEnum):
    INITIATED = "INITIATED"
    AUTHORIZED = "AUTHORIZED"
    SETTLED = "SETTLED"
    FAILED = "FAILED"
    REFUNDED = "REFUNDED"


@dataclass(frozen=True, slots=True)
class Payment:
    """An order's payment; `next_action` is what has to be done for it to settle (NONE, PAY_MANUALLY, CAPTURE)."""

    id: str
    status: PaymentStatus
    captured: Decimal
    refunded: Decimal
    next_action: str
    etag: str
    failure_code: str = ""

    def pays_for(self, order: Order) -> bool:
        """Whether all of the order's money is here."""
        return self.status is PaymentStatus.SETTLED and self.captured >= order.total_amount

    @property
    def open(self) -> bool:
        """Whether it may still take money, and has not."""
        return self.status in (PaymentStatus.INITIATED, PaymentStatus.AUTHORIZED)

    @property
    def left(self) -> Decimal:
        """What was taken and not given back."""
        return self.captured - self.refunded


@dataclass(slots=True)
class Placed:
    """The outcome of placing an order."""

    order: Order
    payment: Payment
