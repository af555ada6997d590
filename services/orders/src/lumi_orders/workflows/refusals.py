"""What a peer's refusal means to somebody who places an order."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from lumi_common.errors import Aborted, DeadlineExceeded, FailedPrecondition, LumiError, Unavailable
from lumi_common.errors import Reason as Common
from lumi_orders.domain.errors import Reason

T = TypeVar("T")
Meaning = Callable[[LumiError], LumiError]

_DECIDED = ("NOT_FOUND", "FAILED_PRECONDITION", "INVALID_ARGUMENT")
_OF_STOCK = {Reason.INSUFFICIENT_STOCK, Reason.VARIANT_NOT_SELLABLE}


async def asked(call: Awaitable[T], meaning: Meaning) -> T:
    """A peer's answer; its refusal is raised as what it means here."""
    try:
        return await call
    except LumiError as error:
        raise meaning(error) from error


def of_address(field: str) -> Meaning:
    """Identity: the address that `field` names is not in the caller's book, or identity is away."""

    def meaning(error: LumiError) -> LumiError:
        if error.code != "NOT_FOUND":
            return error
        return FailedPrecondition(Reason.ADDRESS_NOT_FOUND, "no such address in the caller's book", field=field)

    return meaning


def of_stock(error: LumiError) -> LumiError:
    """Catalogue: a line cannot be had, or catalogue is away."""
    if error.code == "FAILED_PRECONDITION" and error.reason in _OF_STOCK:
        return _because(FailedPrecondition(error.reason, error.message), **error.facts)
    return undone("catalogue", error)


def of_reservation(error: LumiError) -> LumiError:
    """Catalogue: what was held for an order is not any more and cannot be had again, or catalogue is away."""
    if error.code == "FAILED_PRECONDITION" and error.reason in _OF_STOCK:
        return _because(FailedPrecondition(error.reason, error.message), **error.facts)
    if error.code == "FAILED_PRECONDITION":
        return FailedPrecondition(
            Reason.RESERVATION_GONE,
            "what was held for the order was given back",
            order_id=error.facts.get("order_id", ""),
        )
    return error


def of_coupon(error: LumiError) -> LumiError:
    """Marketing: the coupon gives nothing, or marketing is away."""
    return reference_gone(error) or coupon_refused(error) or undone("marketing", error)


def coupon_refused(error: LumiError) -> LumiError | None:
    """The refusal of a coupon, None when marketing was not able to say."""
    if error.code not in _DECIDED:
        return None
    return coupon_gives_nothing(error.reason)


def coupon_gives_nothing(reason: str) -> LumiError:
    """The refusal of a coupon, for a reason of the marketing service."""
    return _because(FailedPrecondition(Reason.COUPON_REFUSED, "the coupon gives nothing"), reason=reason)


def of_payment(error: LumiError) -> LumiError:
    """Payments: the payment is refused, its outcome is not known, or payments is away."""
    if error.code in _DECIDED:
        return reference_gone(error) or payment_refused(error.reason)
    if error.code == "DEADLINE_EXCEEDED":
        return DeadlineExceeded(Common.DEADLINE_EXCEEDED, "the outcome of the payment is not known yet: ask again")
    return undone("payments", error)


def reference_gone(error: LumiError) -> LumiError | None:
    """The refusal where what a peer was to note, such as the buyer, was deleted meanwhile; None for any other."""
    if error.reason != Common.REFERENCE_GONE:
        return None
    return _because(FailedPrecondition(error.reason, error.message), **error.facts)


def payment_refused(reason: str) -> LumiError:
    """The refusal of a payment, for a reason of the payments service."""
    return _because(FailedPrecondition(Reason.PAYMENT_REFUSED, "the payment was refused"), reason=reason)


def undone(peer: str, error: LumiError) -> LumiError:
    """The refusal where nobody decided against the order, but it cannot be placed now."""
    return Aborted(Reason.PLACING_UNDONE, f"{peer} is not able to serve now: nothing was bought", cause=error.reason)


def unknown() -> LumiError:
    """The refusal while it is not known yet whether the order stands."""
    return Unavailable(Common.UNAVAILABLE, "the outcome is not known yet: ask again with the same request id")


def _because(error: LumiError, **facts: object) -> LumiError:
    """The error with facts of any name, `reason` too."""
    error.facts.update(facts)
    return error
