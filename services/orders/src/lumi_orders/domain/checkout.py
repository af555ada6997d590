"""The placing of an order: what was asked for, and how far it has come."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from lumi_common.errors import FailedPrecondition, InvalidArgument
from lumi_common.errors import Reason as Common
from lumi_orders.domain.cart import being_placed
from lumi_orders.domain.errors import Reason

# An address as it was, with the `id` of its row where it is out of an address book; the other keys are those of
# PostalAddress.
Address = dict[str, Any]


class Step(StrEnum):
    """RESERVE: stock and coupon are being taken. PAY: the order is written. UNDO: all of it is being given back.

    RETRY, of an order that was placed long ago: a further payment is being made.
    """

    RESERVE = "RESERVE"
    PAY = "PAY"
    RETRY = "RETRY"
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


@dataclass(frozen=True, slots=True)
class Rival:
    """Another call that is in the way, and what it is at."""

    order_id: str
    step: Step
    origin: Origin

    def expect_other_request(self, mine: Origin) -> None:
        """Raise InvalidArgument when it came under the same request id with another body."""
        same_id = (mine.principal, mine.request_id) == (self.origin.principal, self.origin.request_id)
        if mine.request_id and same_id and mine.request_hash != self.origin.request_hash:
            raise InvalidArgument(
                Common.REQUEST_ID_REUSED, "this request_id is in use with another body", field="request_id"
            )

    def refusal(self) -> FailedPrecondition:
        """What has to wait until the outcome of it is known is told this."""
        return in_flight(self.step, self.order_id)


def in_flight(step: Step, order_id: str) -> FailedPrecondition:
    """The refusal of what has to wait until the outcome of placing an order, or of its further payment, is known."""
    if step is Step.RETRY:
        return FailedPrecondition(
            Reason.PAYMENT_BEING_RETRIED, "a further payment is being made: wait for its outcome", order_id=order_id
        )
    return being_placed(order_id)


_STEPS = uuid5(NAMESPACE_URL, "lumi://orders/checkout")


def request_id(order_id: str, step: str) -> str:
    """The id under which a step of placing or undoing this order is asked of a peer, however often it is tried."""
    return str(uuid5(_STEPS, f"{order_id} {step}"))
