"""What shipping costs and which tax applies, by where an order goes: the shop's own tables, read when it starts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from lumi_orders.domain.pricing import ZERO, Tax


@dataclass(frozen=True, slots=True)
class TaxRate:
    """The tax of orders that go to a country, or to one region of it; a region compares with an address's `state`."""

    country: str
    region: str
    tax: Tax


@dataclass(frozen=True, slots=True)
class ShippingRate:
    """What shipping costs in a currency, to one country or (empty) anywhere; nothing from a subtotal of `free_from`."""

    currency: str
    country: str
    amount: Decimal
    free_from: Decimal | None = None


class Tariff:
    """Finds what applies to an address; of several entries the most specific one, of none: no shipping, no tax."""

    def __init__(self, taxes: Iterable[TaxRate] = (), shipping: Iterable[ShippingRate] = ()) -> None:
        self._taxes = {(rate.country, region(rate.region)): rate.tax for rate in taxes}
        self._shipping = {(rate.currency, rate.country): rate for rate in shipping}

    def tax(self, address: Mapping[str, Any] | None) -> Tax | None:
        """The tax of an order that goes there; None for none, and where it is not known yet."""
        if address is None:
            return None
        country = address.get("country", "")
        return self._taxes.get((country, region(address.get("state", "")))) or self._taxes.get((country, ""))

    def shipping(self, address: Mapping[str, Any] | None, currency: str, subtotal: Decimal) -> Decimal:
        """What shipping costs before any coupon; `subtotal` is that of the lines before any discount."""
        country = "" if address is None else address.get("country", "")
        rate = self._shipping.get((currency, country)) or self._shipping.get((currency, ""))
        if rate is None or (rate.free_from is not None and subtotal >= rate.free_from):
            return ZERO
        return rate.amount


def region(text: str) -> str:
    """A region as it is compared: case and surrounding blanks do not count."""
    return text.strip().casefold()
