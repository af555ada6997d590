"""The placing of an order, as far as it has come."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import NAMESPACE_URL, uuid5


class Step(StrEnum):
    """RESERVE: stock and coupon are being taken. PAY: the order is written. UNDO: all of it is being given back."""

    RESERVE = "RESERVE"
    PAY = "PAY"
    UNDO = "UNDO"


@dataclass(frozen=True, slots=True)
class Origin:
    """The call that asked for the order, so that whoever finishes it can leave its answer under its request id."""

    principal: str
    request_id: str
    request_hash: bytes


_STEPS = uuid5(NAMESPACE_URL, "lumi://orders/checkout")


def request_id(order_id: str, step: str) -> str:
    """The id under which a step of placing or undoing this order is asked of a peer, however often it is tried."""
    return str(uuid5(_STEPS, f"{order_id} {step}"))
