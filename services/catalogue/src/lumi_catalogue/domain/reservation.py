"""Who gets the stock: requests are decided in order of arrival, each with all of its lines or none."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from lumi_catalogue.domain.errors import Reason
from lumi_catalogue.domain.inventory import MOST
from lumi_catalogue.domain.offer import Offer
from lumi_common.errors import FailedPrecondition, InvalidArgument, NotFound
from lumi_common.errors import Reason as CommonReason


class ReservationState(StrEnum):
    """HELD until the orders service ends it, once, in one of the other three."""

    HELD = "HELD"
    COMMITTED = "COMMITTED"
    RELEASED = "RELEASED"
    EXPIRED = "EXPIRED"


class Line(NamedTuple):
    """So many units of a variant."""

    product_variant_id: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Held:
    """A reservation's row: units of a variant kept for an order, or once kept for it."""

    product_variant_id: str
    quantity: int
    state: ReservationState
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Reservation:
    """What an order holds, in the order of its lines, each with the price and the names that the order freezes."""

    order_id: str
    lines: tuple[tuple[Offer, int], ...]
    expires_at: datetime


def check_lines(lines: Sequence[Line]) -> None:
    """Refuse a variant that is named twice: each line is a reservation of its own."""
    seen: set[str] = set()
    for number, line in enumerate(lines):
        if line.product_variant_id in seen:
            raise InvalidArgument(
                Reason.VARIANT_REPEATED,
                "name each variant once, with its whole quantity",
                field=f"lines[{number}].product_variant_id",
                product_variant_id=line.product_variant_id,
            )
        seen.add(line.product_variant_id)


class Stock:
    """The counters of locked variants, drawn on by one decision after another.

    `taken` is what has been promised so far, by variant.
    """

    def __init__(self, offers: Iterable[Offer]) -> None:
        self._offers = {offer.product_variant_id: offer for offer in offers}
        self.taken: Counter[str] = Counter()

    def reserve(self, order_id: str, lines: Sequence[Line], expires_at: datetime) -> Reservation:
        """Promise all lines, or raise the refusal of the first that cannot be and promise none."""
        chosen = tuple((self._sellable(number, line), line.quantity) for number, line in enumerate(lines))
        for number, (offer, quantity) in enumerate(chosen):
            self._enough(number, offer, quantity)
        for line in lines:
            self.taken[line.product_variant_id] += line.quantity
        return Reservation(order_id, chosen, expires_at)

    def repeat(self, order_id: str, lines: Sequence[Line], held: Sequence[Held]) -> Reservation:
        """The reservation that the order has already; refused when it was for other lines, or has ended."""
        for each in held:
            if each.state != ReservationState.HELD:
                raise closed(order_id, each.state)
        if {(each.product_variant_id, each.quantity) for each in held} != {
            (line.product_variant_id, line.quantity) for line in lines
        }:
            raise FailedPrecondition(
                Reason.RESERVATION_DIFFERS, "the order holds other lines", field="lines", order_id=order_id
            )
        told = tuple((self._offers[line.product_variant_id], line.quantity) for line in lines)
        return Reservation(order_id, told, held[0].expires_at)

    def _sellable(self, number: int, line: Line) -> Offer:
        offer = self._offers.get(line.product_variant_id)
        if offer is None or not offer.sellable:
            raise FailedPrecondition(
                Reason.VARIANT_NOT_SELLABLE,
                "it is gone" if offer is None else "its product is not on sale",
                field=f"lines[{number}].product_variant_id",
                product_variant_id=line.product_variant_id,
            )
        return offer

    def _enough(self, number: int, offer: Offer, quantity: int) -> None:
        # What sells on below zero does so as far as can be counted.
        least = 0 if offer.limited else -MOST
        left = max(0, offer.available - self.taken[offer.product_variant_id] - least)
        if quantity > left:
            raise FailedPrecondition(
                Reason.INSUFFICIENT_STOCK,
                f"{left} left, {quantity} asked for",
                field=f"lines[{number}].quantity",
                product_variant_id=offer.product_variant_id,
                available=left,
                requested=quantity,
            )


def check_known(order_id: str, held: Sequence[Held]) -> None:
    """Refuse to call something sold that was never held."""
    if not held:
        raise NotFound(CommonReason.NOT_FOUND, "the order holds nothing and never did", order_id=order_id)


def check_committed(order_id: str, held: Sequence[Held]) -> None:
    """Refuse to call something sold that was never held, or was given back."""
    check_known(order_id, held)
    for each in held:
        if each.state != ReservationState.COMMITTED:
            raise closed(order_id, each.state)


def closed(order_id: str, state: ReservationState) -> FailedPrecondition:
    """The refusal of whatever needs a reservation that has ended another way."""
    return FailedPrecondition(
        Reason.RESERVATION_CLOSED,
        f"what the order held is {state}",
        field="order_id",
        order_id=order_id,
        state=state,
    )
