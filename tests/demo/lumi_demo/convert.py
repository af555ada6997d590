"""Cents and plain values as the messages that carry them."""

from collections.abc import Mapping

from google.protobuf.struct_pb2 import Struct
from google.type.money_pb2 import Money

CURRENCY = "USD"


def money(cents: int) -> Money:
    return Money(currency_code=CURRENCY, units=cents // 100, nanos=cents % 100 * 10_000_000)


def cents(amount: Money) -> int:
    return amount.units * 100 + amount.nanos // 10_000_000


def struct(values: Mapping[str, str]) -> Struct:
    made = Struct()
    made.update(values)
    return made
