"""Orders' settings beyond those that every service has."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StringConstraints

from lumi_common.errors import InvalidArgument
from lumi_common.money import check_currency
from lumi_common.settings import Settings
from lumi_orders.domain.pricing import Tax
from lumi_orders.domain.tariff import ShippingRate, Tariff, TaxRate, region

_MONTH = 30 * 24 * 3600

T = TypeVar("T", bound=BaseModel)


def _with_two_decimals(currency: str) -> str:
    try:
        check_currency(currency)
    except InvalidArgument as fault:
        raise ValueError(fault.message) from None
    return currency


def _one_each(place: Callable[[T], object]) -> AfterValidator:
    """Refuses two entries that stand for the same place."""

    def check(entries: tuple[T, ...]) -> tuple[T, ...]:
        places = [place(entry) for entry in entries]
        for number, each in enumerate(places):
            if each in places[:number]:
                raise ValueError(f"entry {number} stands for the same place as one before it")
        return entries

    return AfterValidator(check)


Country = Annotated[str, StringConstraints(pattern="^[A-Z]{2}$")]
Amount = Annotated[Decimal, Field(ge=0, max_digits=11, decimal_places=2)]
Currency = Annotated[str, AfterValidator(_with_two_decimals)]


class TaxEntry(BaseModel):
    """The tax of orders that go to a country (ISO 3166) or to one region of it; `rate` is a fraction, 0.20 for 20 %."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    country: Country
    region: str = ""
    rate: Annotated[Decimal, Field(ge=0, le=1, decimal_places=6)]
    included: StrictBool
    on_shipping: StrictBool = True


class ShippingEntry(BaseModel):
    """What shipping costs in a currency, to one country or anywhere; nothing from a subtotal of `free_from`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    currency: Currency
    country: Country | None = None
    amount: Amount
    free_from: Amount | None = None


class OrdersSettings(Settings):
    """Durations are in seconds; the arrays of the tariff are JSON, empty for no tax and no shipping costs.

    `order_expiry_seconds`: how long an order may wait for its money; `cart_expiry_seconds`: how long a cart may be left
    alone; `sweep_seconds`: how often both, and what a crash left, are looked for; `retry_seconds`: the first pause
    before what failed is tried again; `order_retention_days`: how long orders, and what was paid for them, have to say
    whose they were.
    """

    order_expiry_seconds: float = Field(3600, gt=0)
    cart_expiry_seconds: float = Field(_MONTH, gt=0)
    retry_seconds: float = Field(5, gt=0)
    order_retention_days: int = Field(3650, ge=1)
    tax_rates: Annotated[tuple[TaxEntry, ...], _one_each(lambda entry: (entry.country, region(entry.region)))] = ()
    shipping_rates: Annotated[tuple[ShippingEntry, ...], _one_each(lambda entry: (entry.currency, entry.country))] = ()

    @property
    def retry(self) -> timedelta:
        return timedelta(seconds=self.retry_seconds)

    @property
    def tariff(self) -> Tariff:
        """The shop's taxes and shipping costs."""
        return Tariff(
            (
                TaxRate(each.country, each.region, Tax(each.rate, each.included, each.on_shipping))
                for each in self.tax_rates
            ),
            (
                ShippingRate(each.currency, each.country or "", each.amount, each.free_from)
                for each in self.shipping_rates
            ),
        )
