"""Money, times and masks between the wire and Python."""

from collections.abc import Collection
from datetime import UTC, datetime
from decimal import Decimal

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money

from lumi_common.errors import InvalidArgument, Reason
from lumi_common.money import CENT, check_currency

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NANOS = 1_000_000_000
_NANOS_OF_A_CENT = _NANOS // 100


def money_to_proto(amount: Decimal, currency: str) -> Money:
    """The amount as Money; it must be in whole cents already (`money.rounded`), else ValueError."""
    cents = amount / CENT
    if cents != cents.to_integral_value():
        raise ValueError(f"{amount} is finer than a cent")
    units, rest = divmod(abs(int(cents)), 100)
    sign = -1 if amount < 0 else 1
    return Money(currency_code=currency, units=sign * units, nanos=sign * rest * _NANOS_OF_A_CENT)


def money_from_proto(money: Money, *, field: str) -> Decimal:
    """The amount with two decimals; its currency is `money.currency_code`.

    Raises InvalidArgument on an unsupported currency, an amount finer than a cent, or signs that disagree.
    """
    check_currency(money.currency_code, field=f"{field}.currency_code")
    units, nanos = money.units, money.nanos
    if abs(nanos) >= _NANOS or nanos % _NANOS_OF_A_CENT or (units > 0 > nanos) or (units < 0 < nanos):
        raise InvalidArgument(Reason.AMOUNT_INVALID, "not an amount in whole cents", field=field)
    return Decimal(units * 100 + nanos // _NANOS_OF_A_CENT) * CENT


def time_to_proto(time: datetime | None) -> Timestamp | None:
    """The aware time as a Timestamp; None stays None, which leaves a message field unset."""
    if time is None:
        return None
    since = time - _EPOCH  # three times as fast as FromDatetime
    return Timestamp(seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1_000)


def time_from_proto(stamp: Timestamp, *, field: str) -> datetime:
    """The Timestamp as an aware time in UTC; raises InvalidArgument outside of the years 1 to 9999."""
    try:
        time: datetime = stamp.ToDatetime(tzinfo=UTC)
    except ValueError as error:
        raise InvalidArgument(Reason.INVALID_REQUEST, "not a time", field=field) from error
    return time


def masked(mask: FieldMask, given: Message, settable: Collection[str]) -> set[str]:
    """The fields to change: those of the mask, or those that are set where there is none.

    Raises InvalidArgument for a mask that names anything but `settable`.
    """
    paths = set(mask.paths)
    if paths.difference(settable):
        only = ", ".join(settable)
        raise InvalidArgument(Reason.FIELD_MASK_INVALID, f"only {only} can be set here", field="update_mask")
    return paths or {field.name for field, _ in given.ListFields()}.intersection(settable)
