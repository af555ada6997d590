"""Money between Decimal and the wire."""

from decimal import Decimal

from google.type.money_pb2 import Money

_NANO = Decimal("0.000000001")


def money(amount: Decimal | str | int, currency: str) -> Money:
    """So much of a currency: `money("12.50", "EUR")`; raises ValueError below a billionth."""
    exact = Decimal(amount)
    units = int(exact)
    nanos = (exact - units) / _NANO
    if nanos != int(nanos):
        raise ValueError(f"{amount} has too many decimals")
    return Money(currency_code=currency, units=units, nanos=int(nanos))


def amount(money: Money) -> Decimal:
    """How much, without the currency."""
    exact = money.units + money.nanos * _NANO
    return exact.quantize(Decimal("0.01")) if exact == exact.quantize(Decimal("0.01")) else exact.normalize()
