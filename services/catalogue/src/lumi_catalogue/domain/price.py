"""What something costs, and what that is compared with."""

from dataclasses import dataclass
from decimal import Decimal

from lumi_catalogue.domain.errors import Reason
from lumi_common.errors import InvalidArgument


@dataclass(frozen=True, slots=True)
class Price:
    """An amount with two decimals in an ISO 4217 currency; `compare_at` is struck through beside it."""

    amount: Decimal
    currency: str
    compare_at: Decimal | None = None


def price(
    amount: Decimal, currency: str, compare_at: Decimal | None = None, compare_currency: str = "", *, field: str = ""
) -> Price:
    """A price that makes sense, or InvalidArgument; `field` is the path of the message that has the two prices."""
    if compare_at is not None:
        at_fault = f"{field}.compare_at_price" if field else "compare_at_price"
        if compare_currency != currency:
            raise InvalidArgument(
                Reason.CURRENCY_MISMATCH, f"{compare_currency} beside a price in {currency}", field=at_fault
            )
        if compare_at < amount:
            raise InvalidArgument(Reason.COMPARE_AT_PRICE_TOO_LOW, "it is below the price", field=at_fault)
    return Price(amount, currency, compare_at)
