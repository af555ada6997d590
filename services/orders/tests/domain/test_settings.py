"""A tariff that is not right keeps the service from starting, and the message says where to look."""

import json
from decimal import Decimal

import pytest

from lumi_orders.domain.pricing import ZERO, Tax
from lumi_orders.settings import OrdersSettings


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in {"ENV": "local", "PLAINTEXT_INTERNAL": "true", "POSTGRES_DSN": "postgresql://"}.items():
        monkeypatch.setenv(f"LUMI_{name}", value)
    return monkeypatch


def test_without_a_tariff_there_is_no_tax_and_no_shipping(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("LUMI_TAX_RATES", "")

    tariff = OrdersSettings.load().tariff

    assert tariff.tax({"country": "TR"}) is None
    assert tariff.shipping({"country": "TR"}, "TRY", ZERO) == ZERO


def test_the_tariff_is_read_from_json_to_the_cent(environment: pytest.MonkeyPatch) -> None:
    environment.setenv(
        "LUMI_TAX_RATES",
        '[{"country":"TR","rate":"0.20","included":true},'
        '{"country":"US","region":"CA","rate":0.0725,"included":false,"on_shipping":false}]',
    )
    environment.setenv("LUMI_SHIPPING_RATES", '[{"currency":"TRY","country":"TR","amount":49.90,"free_from":"500.00"}]')

    tariff = OrdersSettings.load().tariff

    assert tariff.tax({"country": "TR"}) == Tax(Decimal("0.20"), included=True)
    assert tariff.tax({"country": "US", "state": "ca"}) == Tax(Decimal("0.0725"), included=False, on_shipping=False)
    assert tariff.shipping({"country": "TR"}, "TRY", Decimal("499.99")) == Decimal("49.90")
    assert tariff.shipping({"country": "TR"}, "TRY", Decimal("500.00")) == ZERO


TAX = {"country": "TR", "rate": "0.20", "included": True}
RATE = {"currency": "TRY", "amount": "49.90"}


@pytest.mark.parametrize(
    ("name", "value", "where"),
    [
        ("TAX_RATES", [TAX | {"rate": "20"}], "TAX_RATES_0_RATE: "),
        ("TAX_RATES", [TAX | {"rate": "-0.1"}], "TAX_RATES_0_RATE: "),
        ("TAX_RATES", [TAX | {"rate": "0.12345678"}], "TAX_RATES_0_RATE: "),
        ("TAX_RATES", [TAX | {"rate": "a fifth"}], "TAX_RATES_0_RATE: "),
        ("TAX_RATES", [TAX | {"rate": "nan"}], "TAX_RATES_0_RATE: "),
        ("TAX_RATES", [TAX | {"included": "yes"}], "TAX_RATES_0_INCLUDED: "),
        ("TAX_RATES", [TAX | {"country": "Turkey"}], "TAX_RATES_0_COUNTRY: "),
        ("TAX_RATES", [TAX, {"rate": "0.20", "included": True}], "TAX_RATES_1_COUNTRY: "),
        ("TAX_RATES", [TAX | {"state": "CA"}], "TAX_RATES_0_STATE: "),
        (
            "TAX_RATES",
            [TAX | {"region": "CA"}, TAX | {"region": " ca"}],
            "TAX_RATES: Value error, entry 1 stands for the",
        ),
        ("TAX_RATES", {"TR": 0.2}, "TAX_RATES: "),
        ("SHIPPING_RATES", [RATE | {"currency": "JPY"}], "SHIPPING_RATES_0_CURRENCY: "),
        ("SHIPPING_RATES", [RATE | {"amount": "49.999"}], "SHIPPING_RATES_0_AMOUNT: "),
        ("SHIPPING_RATES", [RATE | {"amount": "1e12"}], "SHIPPING_RATES_0_AMOUNT: "),
        ("SHIPPING_RATES", [RATE | {"free_from": -1}], "SHIPPING_RATES_0_FREE_FROM: "),
        ("SHIPPING_RATES", [RATE, RATE], "SHIPPING_RATES: Value error, entry 1 stands for the"),
        ("SHIPPING_RATES", "[", "SHIPPING_RATES: is no JSON"),
    ],
)
def test_a_bad_tariff_is_refused_at_start(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: object, where: str
) -> None:
    environment.setenv(f"LUMI_{name}", value if isinstance(value, str) else json.dumps(value))

    with pytest.raises(SystemExit):
        OrdersSettings.load()

    assert f"LUMI_{where}" in capsys.readouterr().err
