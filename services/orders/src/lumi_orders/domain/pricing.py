"""What an order costs: line totals, the discount and each line's share of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from lumi_common.money import CENT

ZERO = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class Price:
    """Amounts in one currency with two decimals; `shares` are the lines' parts of `discount`, in their order."""

    subtotal: Decimal
    discount: Decimal
    shipping: Decimal
    tax: Decimal
    shares: tuple[Decimal, ...]

    @property
    def total(self) -> Decimal:
        """What has to be paid."""
        return self.subtotal - self.discount + self.shipping + self.tax


def price(lines: Sequence[Decimal], discount: Decimal = ZERO) -> Price:
    """The price of lines with these totals; a discount above their sum takes off the sum."""
    subtotal = sum(lines, ZERO)
    discount = min(discount, subtotal)
    return Price(subtotal, discount, ZERO, ZERO, tuple(share(discount, lines)))


def share(discount: Decimal, lines: Sequence[Decimal]) -> list[Decimal]:
    """Each line's part of the discount, by largest remainder: the parts add up to it, none exceeds its line.

    Of equal remainders the earlier line goes first. The discount must not exceed the lines' sum.
    """
    if not discount:
        return [ZERO] * len(lines)
    cents = [int(line / CENT) for line in lines]
    whole, rest = int(discount / CENT), sum(cents)
    parts, remainders = zip(*(divmod(whole * line, rest) for line in cents), strict=True)
    missing = whole - sum(parts)
    largest = sorted(range(len(lines)), key=lambda line: -remainders[line])[:missing]
    return [(part + (line in largest)) * CENT for line, part in enumerate(parts)]
