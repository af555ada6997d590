"""The placing of an order: what was asked for, and how far it has come."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import NAMESPACE_URL, uuid5

# An address as it was, with the `id` of its row where it is out of an address book; the other keys are those of
# PostalAddress.
Address = dict[str, Any]


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


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the caller asks for; empty address ids stand for the cart's own, an empty etag for the cart as it is.

    `owner` is the id of the user, or of the guest's session.
    """

    cart_id: str
    owner: str
    provider: str
    shipping_address_id: str
    billing_address_id: str
    metadata: dict[str, Any] | None
    cart_etag: str
    origin: Origin


_STEPS = uuid5(NAMESPACE_URL, "lumi://orders/checkout")


def request_id(order_id: str, step: str) -> str:
    """The id under which a step of placing or undoing this order is asked of a peer, however often it is tried."""
    return str(uuid5(_STEPS, f"{order_id} {step}"))
