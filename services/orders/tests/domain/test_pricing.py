"""A discount is shared over the lines to the cent, and each line is taxed once."""

import random
from decimal import Decimal
from fractions import Fraction

from lumi_orders.domain.pricing import ZERO, Tax, price, share


def amounts(*texts: str) -> list[Decimal]:
    return [Decimal(text) for text in texts]


def test_a_discount_is_shared_by_the_lines_totals() -> None:
    assert share(Decimal("3.00"), amounts("10.00", "20.00")) == amounts("1.00", "2.00")


def test_the_cents_left_over_go_to_the_largest_remainders() -> None:
    assert share(Decimal("1.00"), amounts("1.00", "1.00", "1.00")) == amounts("0.34", "0.33", "0.33")
    assert share(Decimal("0.05"), amounts("1.00", "9.00")) == amounts("0.01", "0.04")


def test_a_discount_of_everything_leaves_nothing_on_any_line() -> None:
    lines = amounts("0.01", "2.99", "5.00")
    assert share(Decimal("8.00"), lines) == lines


def test_a_discount_above_the_subtotal_takes_off_the_subtotal() -> None:
    priced = price(amounts("2.00", "1.00"), Decimal("5.00"))
    assert (priced.discount, priced.total) == (Decimal("3.00"), ZERO)


def test_lines_that_cost_nothing_share_nothing() -> None:
    assert price(amounts("0.00", "0.00"), Decimal("1.00")).shares == (ZERO, ZERO)
    assert share(Decimal("0.50"), amounts("0.00", "1.00")) == amounts("0.00", "0.50")


def test_tax_on_top_is_rounded_half_up_once_per_line() -> None:
    priced = price(amounts("0.03", "0.03", "0.01"), tax=Tax(Decimal("0.50"), included=False))
    assert priced.taxes == tuple(amounts("0.02", "0.02", "0.01"))
    assert (priced.tax, priced.total, priced.prices_include_tax) == (Decimal("0.05"), Decimal("0.12"), False)
    assert priced.totals == tuple(amounts("0.05", "0.05", "0.02"))


def test_tax_inside_the_prices_is_told_and_adds_nothing() -> None:
    priced = price(amounts("120.00", "9.99"), tax=Tax(Decimal("0.20"), included=True))
    assert priced.taxes == tuple(amounts("20.00", "1.67"))
    assert (priced.tax, priced.total, priced.prices_include_tax) == (Decimal("21.67"), Decimal("129.99"), True)
    assert priced.totals == tuple(amounts("120.00", "9.99"))


def test_a_line_is_taxed_after_its_share_of_the_discount() -> None:
    priced = price(amounts("10.00", "20.00"), Decimal("3.00"), tax=Tax(Decimal("0.10"), included=False))
    assert priced.taxes == tuple(amounts("0.90", "1.80"))
    assert (priced.tax, priced.total) == (Decimal("2.70"), Decimal("29.70"))


def test_shipping_is_taxed_as_one_more_line_unless_it_is_not() -> None:
    on_top = Tax(Decimal("0.0725"), included=False)
    priced = price(amounts("10.00"), shipping=Decimal("4.90"), tax=on_top)
    assert (priced.taxes, priced.tax) == ((Decimal("0.73"),), Decimal("1.09"))
    assert priced.total == Decimal("10.00") + Decimal("4.90") + Decimal("1.09")

    untaxed = price(amounts("10.00"), shipping=Decimal("4.90"), tax=Tax(on_top.rate, False, on_shipping=False))
    assert (untaxed.tax, untaxed.total) == (Decimal("0.73"), Decimal("15.63"))


def test_where_no_tax_applies_there_is_none() -> None:
    priced = price(amounts("10.00"), shipping=Decimal("4.90"))
    assert (priced.tax, priced.taxes, priced.total, priced.prices_include_tax) == (
        ZERO, (ZERO,), Decimal("14.90"), False,
    )  # fmt: skip


def test_whatever_the_lines_the_rate_and_the_discount_it_adds_up() -> None:
    chance = random.Random(11)
    for _ in range(2000):
        lines = [Decimal(chance.randrange(1, 10**6)) / 100 for _ in range(chance.randrange(1, 20))]
        discount = Decimal(chance.randint(0, int(sum(lines) * 100))) / 100
        shipping = Decimal(chance.randrange(0, 10_000)) / 100
        tax = Tax(Decimal(chance.randrange(0, 10**6)) / 10**6, chance.random() < 0.5, chance.random() < 0.5)

        priced = price(lines, discount, shipping, tax)

        on_top = ZERO if tax.included else priced.tax
        assert priced.total == priced.subtotal - discount + shipping + on_top
        of_shipping = tax.of(shipping) if tax.on_shipping else ZERO
        assert sum(priced.taxes, of_shipping) == priced.tax
        assert sum(priced.totals, shipping) + (ZERO if tax.included else of_shipping) == priced.total
        for line, part, taxed in zip(lines, priced.shares, priced.taxes, strict=True):
            paid = Fraction(line - part)
            exact = paid * Fraction(tax.rate) / (1 + Fraction(tax.rate) if tax.included else 1)
            assert abs(Fraction(taxed) - exact) <= Fraction(1, 200)
            assert Fraction(taxed) - exact != Fraction(-1, 200), "a half goes up"


def test_whatever_the_lines_the_shares_add_up_and_none_exceeds_its_line() -> None:
    chance = random.Random(7)
    for _ in range(2000):
        most = 10 ** chance.randrange(1, 7)
        lines = [Decimal(chance.randrange(most)) / 100 for _ in range(chance.randrange(1, 30))]
        subtotal = sum(lines, ZERO)
        discount = Decimal(chance.randint(0, int(subtotal * 100))) / 100

        priced = price(lines, discount)

        assert sum(priced.shares, ZERO) == discount == priced.discount
        assert all(ZERO <= part <= line for part, line in zip(priced.shares, lines, strict=True))
        assert all(part == part.quantize(Decimal("0.01")) for part in priced.shares)
        assert priced.total == subtotal - discount
        exact = [discount * line / subtotal if subtotal else ZERO for line in lines]
        assert all(abs(part - wanted) < Decimal("0.01") for part, wanted in zip(priced.shares, exact, strict=True))
