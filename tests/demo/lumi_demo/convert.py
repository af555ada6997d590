"""Cents, plain values and lasting request ids as calls carry them."""

from collections.abc import Mapping
from uuid import UUID, uuid5

from google.protobuf.struct_pb2 import Struct
from google.type.money_pb2 import Money

CURRENCY = "USD"
_REQUESTS = UUID("5b0f7c5e-9d0b-4f3e-8f50-3d2a6cf0a9d1")


def lasting_request_id(*parts: object) -> str:
    """The id that the same call has in every run, so that sending it again does nothing twice."""
    return str(uuid5(_REQUESTS, "/".join(map(str, parts))))


def money(cents: int) -> Money:
    return Money(currency_code=CURRENCY, units=cents // 100, nanos=cents % 100 * 10_000_000)


def cents(amount: Money) -> int:
    return amount.units * 100 + amount.nanos // 10_000_000


def struct(values: Mapping[str, str]) -> Struct:
    made = Struct()
    made.update(values)
    return made
