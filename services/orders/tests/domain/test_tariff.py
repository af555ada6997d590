"""Which shipping rate and which tax apply where an order goes."""

from decimal import Decimal

from lumi_orders.domain.pricing import ZERO, Tax
from lumi_orders.domain.tariff import ShippingRate, Tariff, TaxRate

TARIFF = Tariff(
    [
        TaxRate("TR", "", Tax(Decimal("0.20"), included=True)),
        TaxRate("US", "", Tax(ZERO, included=False)),
        TaxRate("US", "CA", Tax(Decimal("0.0725"), included=False, on_shipping=False)),
    ],
    [
        ShippingRate("TRY", "TR", Decimal("49.90"), free_from=Decimal("500.00")),
        ShippingRate("TRY", "", Decimal("250.00")),
        ShippingRate("EUR", "DE", Decimal("4.90")),
    ],
)


def test_the_most_specific_tax_applies() -> None:
    assert TARIFF.tax({"country": "TR", "state": "CA"}) == Tax(Decimal("0.20"), True)
    assert TARIFF.tax({"country": "US", "state": "NY"}) == Tax(ZERO, False)
    assert TARIFF.tax({"country": "US"}) == Tax(ZERO, False)
    for state in ("CA", " ca "):
        assert TARIFF.tax({"country": "US", "state": state}) == Tax(Decimal("0.0725"), False, False)


def test_no_tax_applies_where_none_is_named_nor_while_it_is_not_known_where() -> None:
    assert TARIFF.tax({"country": "DE"}) is None
    assert TARIFF.tax(None) is None
    assert Tariff().tax({"country": "TR"}) is None


def test_the_most_specific_shipping_rate_applies_up_to_where_it_is_free() -> None:
    turkey = {"country": "TR"}
    assert TARIFF.shipping(turkey, "TRY", Decimal("499.99")) == Decimal("49.90")
    assert TARIFF.shipping(turkey, "TRY", Decimal("500.00")) == ZERO
    for elsewhere in ({"country": "GB"}, None):
        assert TARIFF.shipping(elsewhere, "TRY", Decimal("1000.00")) == Decimal("250.00")


def test_shipping_costs_nothing_where_no_rate_is_named() -> None:
    assert TARIFF.shipping({"country": "FR"}, "EUR", ZERO) == ZERO
    assert TARIFF.shipping({"country": "DE"}, "EUR", ZERO) == Decimal("4.90")
    assert TARIFF.shipping({"country": "TR"}, "USD", ZERO) == ZERO
    assert Tariff().shipping({"country": "TR"}, "TRY", ZERO) == ZERO
