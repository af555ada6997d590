"""What becomes of an order after it was placed, by its buyer and by staff."""

import asyncio
import time
from collections.abc import Awaitable
from contextlib import suppress
from decimal import ROUND_DOWN, Decimal
from functools import partial

from lumi.orders.v1.order_pb2 import ORDER_STATUS_CANCELLED, ORDER_STATUS_PENDING, Order
from lumi.payments.v1.payment_pb2 import Payment
from lumi.payments.v1.refund_pb2 import Refund
from lumi_client import FailedPrecondition, Session, amount, money

from lumi_faults.notes import Bought, Notes
from lumi_faults.people import SECONDS_TO_KNOW, NeverTold, Person
from lumi_faults.store import CURRENCY
from lumi_faults.trips import Then, Trip

# Whether it can be cancelled is known a little later.
_BEING_DECIDED = ("CART_BEING_PLACED", "PAYMENT_BEING_RETRIED")
_CENT = Decimal("0.01")
# Each is earned only where the order was cancelled meanwhile, by its buyer or for want of money.
_TOO_LATE = {
    "PAYMENT_NOT_RECORDABLE",
    "ORDER_STATUS_CONFLICT",
    "REFUND_TOO_HIGH",
    "PAYMENT_ALREADY_REFUNDED",
    "PAYMENT_NOT_REFUNDABLE",
}


class Aftermath:
    """Acts for a buyer and for staff, and notes what each is told."""

    def __init__(self, buyer: Person, clerk: Person, notes: Notes) -> None:
        self._buyer, self._clerk, self._notes = buyer, clerk, notes
        self._closing = asyncio.Event()
        self._later: list[asyncio.Task[None]] = []

    async def close(self) -> None:
        """See to what was to be done later; raises what `follow` does."""
        self._closing.set()
        await _at_once(*self._later)

    async def follow(self, bought: Bought, trip: Trip) -> None:
        """See to what the trip says; raises LumiError for a refusal that nothing explains."""
        ids = trip.request_id
        match trip.then:
            case Then.LEFT:
                pass
            case Then.PAID:
                await self._pay(bought, ids())
            case Then.PAID_LATE:
                self._later.append(asyncio.create_task(self._pay_late(bought, ids(), trip.late)))
            case Then.CANCELLED:
                await self._cancel(bought, ids())
            case Then.PAID_OR_CANCELLED:
                await _at_once(self._pay(bought, ids()), self._cancel(bought, ids()))
            case Then.PAID_AND_CANCELLED:
                await self._pay(bought, ids())
                await self._cancel(bought, ids())
            case Then.SHIPPED:
                await self._pay(bought, ids())
                await self._ship(bought, ids(), ids())
            case Then.REFUNDED:
                await self._pay(bought, ids())
                await self._refund(bought, ids())
            case Then.REFUNDED_OR_CANCELLED:
                await self._pay(bought, ids())
                await _at_once(self._refund(bought, ids()), self._cancel(bought, ids()))

    async def _pay(self, bought: Bought, request_id: str) -> None:
        if bought.paid:  # payments settles some at once
            return
        try:
            payment = await self._clerk.ask(partial(_record, bought.payment_id, bought.total, request_id))
        except FailedPrecondition as refusal:
            _note_too_late(bought, refusal)
            return
        bought.paid = amount(payment.captured_amount) == bought.total
        self._notes.happened["payments recorded"] += 1

    async def _pay_late(self, bought: Bought, request_id: str, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)
        await self._pay(bought, request_id)

    async def _cancel(self, bought: Bought, request_id: str) -> None:
        order = await self._buyer.ask(partial(_cancel, bought.order_id, request_id), *_BEING_DECIDED)
        bought.cancelled = order.status == ORDER_STATUS_CANCELLED
        self._notes.happened["cancelled"] += 1

    async def _refund(self, bought: Bought, request_id: str) -> None:
        part = (bought.total / 3).quantize(_CENT, ROUND_DOWN)
        if not bought.paid or not part:
            return
        try:
            refund = await self._clerk.ask(partial(_refund, bought.payment_id, part, request_id))
        except FailedPrecondition as refusal:
            _note_too_late(bought, refusal)
            return
        bought.refunded += amount(refund.amount)
        self._notes.happened["refunds"] += 1

    async def _ship(self, bought: Bought, *request_ids: str) -> None:
        """Once the order is PAID, which it is some time after its payment."""
        if not bought.paid or not await self._is_paid(bought):
            return
        for step, request_id in zip(("FULFILLED", "SHIPPED"), request_ids, strict=True):
            try:
                await self._clerk.ask(partial(_step, bought.order_id, step, request_id))
            except FailedPrecondition as refusal:
                _note_too_late(bought, refusal)
                return
            bought.status = step
        self._notes.happened["shipped"] += 1

    async def _is_paid(self, bought: Bought) -> bool:
        end = time.monotonic() + SECONDS_TO_KNOW
        while time.monotonic() < end:
            order = await self._clerk.ask(lambda staff: staff.orders.get_order(id=bought.order_id))
            if order.status != ORDER_STATUS_PENDING:
                return bool(order.status != ORDER_STATUS_CANCELLED)
            await asyncio.sleep(0.1)
        raise NeverTold(f"order {bought.order_id} was paid for and did not become PAID")


async def _at_once(*acts: Awaitable[None]) -> None:
    """All of them, each to its end; the first trouble is raised then."""
    for outcome in await asyncio.gather(*acts, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


def _note_too_late(bought: Bought, refusal: FailedPrecondition) -> None:
    if refusal.reason not in _TOO_LATE:
        raise refusal
    bought.too_late = True


async def _record(payment_id: str, total: Decimal, request_id: str, staff: Session) -> Payment:
    return await staff.payments.record_manual_payment(
        id=payment_id, amount=money(total, CURRENCY), request_id=request_id
    )


async def _cancel(order_id: str, request_id: str, buyer: Session) -> Order:
    return await buyer.orders.cancel_order(id=order_id, request_id=request_id)


async def _refund(payment_id: str, part: Decimal, request_id: str, staff: Session) -> Refund:
    return await staff.refunds.create_refund(payment_id=payment_id, amount=money(part, CURRENCY), request_id=request_id)


async def _step(order_id: str, step: str, request_id: str, staff: Session) -> Order:
    take = staff.orders.fulfill_order if step == "FULFILLED" else staff.orders.ship_order
    return await take(id=order_id, request_id=request_id)
