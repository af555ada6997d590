"""A discount is shared over the lines to the cent."""

import random
from decimal import Decimal

from lumi_orders.domain.pricing import ZERO, price, share


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
