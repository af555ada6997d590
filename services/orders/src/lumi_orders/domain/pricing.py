"""What an order costs: line totals, the discount and each line's share of it, shipping, and the tax of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from lumi_common.errors import FailedPrecondition
from lumi_common.money import CENT, rounded
from lumi_orders.domain.errors import Reason

ZERO = Decimal("0.00")
MOST = Decimal("999999999999.99")


def bounded(amount: Decimal) -> Decimal:
    """The amount, if there can be so much; raises FailedPrecondition."""
    if amount > MOST:
        raise FailedPrecondition(Reason.TOTAL_TOO_HIGH, f"comes to more than {MOST:,}")
    return amount


@dataclass(frozen=True, slots=True)
class Tax:
    """A rate as a fraction (0.20 for 20 %); whether prices have it inside, and whether shipping is taxed too."""

    rate: Decimal
    included: bool
    on_shipping: bool = True

    def of(self, amount: Decimal) -> Decimal:
        """The tax of an amount that is paid: the part inside it, or what comes on top; rounded half up, once."""
        tax = amount * self.rate
        return rounded(tax / (1 + self.rate) if self.included else tax)


@dataclass(frozen=True, slots=True)
class Price:
    """Amounts in one currency with two decimals; `shares` and `taxes` are the lines' own, in their order.

    `shipping` is what is charged for it; `tax` is that of lines and shipping, inside the prices where
    `prices_include_tax`, else on top.
    """

    lines: tuple[Decimal, ...]
    discount: Decimal
    shipping: Decimal
    tax: Decimal
    shares: tuple[Decimal, ...]
    taxes: tuple[Decimal, ...]
    prices_include_tax: bool

    @property
    def subtotal(self) -> Decimal:
        """The lines before any discount."""
        return sum(self.lines, ZERO)

    @property
    def total(self) -> Decimal:
        """What has to be paid."""
        return self.subtotal - self.discount + self.shipping + self._on_top(self.tax)

    @property
    def totals(self) -> tuple[Decimal, ...]:
        """What has to be paid for each line."""
        columns = zip(self.lines, self.shares, self.taxes, strict=True)
        return tuple(line - part + self._on_top(tax) for line, part, tax in columns)

    def _on_top(self, tax: Decimal) -> Decimal:
        return ZERO if self.prices_include_tax else tax


def price(
    lines: Sequence[Decimal], discount: Decimal = ZERO, shipping: Decimal = ZERO, tax: Tax | None = None
) -> Price:
    """The price of lines with these totals; a discount above their sum takes off the sum.

    Tax is reckoned once per line, on what is paid for it after its share of the discount, and on the shipping as one
    more line.
    """
    discount = min(discount, sum(lines, ZERO))
    shares = tuple(share(discount, lines))
    if tax is None:
        return Price(tuple(lines), discount, shipping, ZERO, shares, (ZERO,) * len(lines), False)
    taxes = tuple(tax.of(line - part) for line, part in zip(lines, shares, strict=True))
    of_shipping = tax.of(shipping) if tax.on_shipping else ZERO
    return Price(tuple(lines), discount, shipping, sum(taxes, of_shipping), shares, taxes, tax.included)


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
