from decimal import Decimal

import pytest
from google.type.money_pb2 import Money

from lumi_common.errors import InvalidArgument, Reason
from lumi_common.money import check_currency, rounded
from lumi_common.rpc.convert import money_from_proto, money_to_proto


@pytest.mark.parametrize(
    ("amount", "cents"),
    [("1.005", "1.01"), ("1.004", "1.00"), ("2.675", "2.68"), ("-1.005", "-1.01"), ("3", "3.00")],
)
def test_halves_are_rounded_away_from_zero(amount, cents):
    assert rounded(Decimal(amount)) == Decimal(cents)


@pytest.mark.parametrize("currency", ["JPY", "KWD", "try", "XXX", ""])
def test_a_currency_without_exactly_two_decimals_is_refused(currency):
    with pytest.raises(InvalidArgument) as refused:
        check_currency(currency)

    assert refused.value.reason == Reason.CURRENCY_UNSUPPORTED
    assert refused.value.field == "currency"


@pytest.mark.parametrize("amount", ["0.00", "0.01", "-0.01", "12.34", "-12.34", "999999999999.99", "-7.00"])
def test_an_amount_survives_the_wire(amount):
    money = money_to_proto(Decimal(amount), "TRY")

    assert money_from_proto(money, field="price") == Decimal(amount)
    assert str(money_from_proto(money, field="price")) == amount


def test_an_amount_finer_than_a_cent_never_leaves():
    with pytest.raises(ValueError, match="finer than a cent"):
        money_to_proto(Decimal("1.001"), "TRY")


@pytest.mark.parametrize(("units", "nanos"), [(1, 5_000_000), (1, -10_000_000), (-1, 10_000_000), (0, 1_000_000_000)])
def test_an_amount_that_is_no_whole_number_of_cents_is_refused(units, nanos):
    with pytest.raises(InvalidArgument) as refused:
        money_from_proto(Money(currency_code="TRY", units=units, nanos=nanos), field="price")

    assert refused.value.reason == Reason.AMOUNT_INVALID
    assert refused.value.field == "price"
