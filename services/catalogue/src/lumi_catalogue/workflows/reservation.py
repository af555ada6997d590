"""Reserving stock for many orders at once: one transaction for all who wait, an answer of its own for each.

A hot variant's row is a queue; taken one by one it gives a few hundred reservations a second. So one flusher takes all
requests that have gathered while it was writing the last ones. A request that finds it idle does not wait; where
others came meanwhile, a moment is given to those right behind them.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, NamedTuple, Protocol, TypeVar

from lumi_catalogue.domain.reservation import (
    Line,
    Reservation,
    ReservationState,
    check_lines,
    closed,
)
from lumi_catalogue.storage import reservations
from lumi_catalogue.storage.reservations import FirstAnswer, Granted, RequestKey
from lumi_common.clock import Clock
from lumi_common.context import Context
from lumi_common.db.database import Database, Executor
from lumi_common.db.request import KEY
from lumi_common.errors import DeadlineExceeded, InvalidArgument, LumiError, Reason, Unavailable
from lumi_common.logs import current_call

MOST_REQUESTS = 256
MOST_LINES = 2_000
# For each who was just answered, up to so many: about what it takes until they have heard of it, and others have come.
MOMENT_SECONDS = 0.0005
MOST_MOMENTS = 10


class Answer(Protocol):
    """What is sent back, and kept for a repeat of the request."""

    def SerializeToString(self) -> bytes: ...


C = TypeVar("C")
A = TypeVar("A", bound=Answer)


class Asked(NamedTuple):
    """A request as it came; `request_hash` tells its body from others with the same request id."""

    order_id: str
    lines: Sequence[Line]
    context: Context
    request_id: str = ""
    request_hash: bytes = b""

    @property
    def key(self) -> RequestKey:
        """What its answer is kept under."""
        return self.context.principal.key, self.context.method, self.request_id


@dataclass(eq=False, slots=True)
class _Waiting(Generic[C, A]):
    call: C
    answer: asyncio.Future[A]

    def settle(self, outcome: A | BaseException) -> None:
        if self.answer.done():
            return  # the caller has gone; what was decided stands
        if isinstance(outcome, BaseException):
            self.answer.set_exception(outcome)
        else:
            self.answer.set_result(outcome)


class Reservations(Generic[C, A]):
    """Reserves stock; `hold` is how long it is kept before the order is asked about.

    `read` says what a call asks for, `encode` makes the answer of a reservation, and `decode` reads back one that was
    kept for a request id. All are called for one request of a batch after the other: the same work costs more in
    between that of other calls, when each comes in.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        *,
        hold: timedelta,
        read: Callable[[C], Asked],
        encode: Callable[[Reservation], A],
        decode: Callable[[bytes], A],
    ) -> None:
        self._db, self._clock, self._hold = db, clock, hold
        self._read, self._encode, self._decode = read, encode, decode
        self._waiting: deque[_Waiting[C, A]] = deque()
        self._flusher: asyncio.Task[None] | None = None

    async def reserve(self, call: C) -> A:
        """Hold all lines for the order, or none; raises LumiError. A caller who goes away changes nothing."""
        answer: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(call, answer))
        if self._flusher is None:
            self._flusher = asyncio.create_task(self._flush(), name="catalogue.reservations")
        try:
            return await answer
        finally:
            del answer  # a refusal holds this frame, which must not hold the refusal: only the collector would end that

    async def _flush(self) -> None:
        try:
            while batch := self._batch():
                await self._settle(batch)
                if self._waiting:
                    await asyncio.sleep(MOMENT_SECONDS * min(len(batch), MOST_MOMENTS))
        finally:
            self._flusher = None

    def _batch(self) -> list[tuple[Asked, _Waiting[C, A]]]:
        """Who is next, in order of arrival: one request an order, nobody whose time is over."""
        batch: dict[str, tuple[Asked, _Waiting[C, A]]] = {}
        repeats: list[_Waiting[C, A]] = []
        lines = 0
        while self._waiting and len(batch) < MOST_REQUESTS and lines < MOST_LINES:
            waiting = self._waiting.popleft()
            if waiting.answer.done():
                continue
            asked = self._read(waiting.call)
            try:
                check_lines(asked.lines)
            except LumiError as refusal:
                waiting.settle(refusal.with_traceback(None))
                continue
            if not asked.context.remaining():
                waiting.settle(DeadlineExceeded(Reason.DEADLINE_EXCEEDED, "no time was left to reserve"))
            elif asked.order_id in batch:
                repeats.append(waiting)
            else:
                batch[asked.order_id] = asked, waiting
                lines += len(asked.lines)
        self._waiting.extendleft(reversed(repeats))
        return list(batch.values())

    async def _settle(self, batch: Sequence[tuple[Asked, _Waiting[C, A]]]) -> None:
        try:
            outcomes = await self._reserve([asked for asked, _ in batch])
        except Unavailable as error:
            outcomes = [error] * len(batch)
        except Exception:
            # One of them spoils it for all: each gets a transaction of its own.
            outcomes = [await self._reserve_alone(asked) for asked, _ in batch]
        for (_, waiting), outcome in zip(batch, outcomes, strict=True):
            waiting.settle(outcome)

    async def _reserve_alone(self, asked: Asked) -> A | BaseException:
        try:
            return (await self._reserve([asked]))[0]
        except Exception as error:
            # Of two at once, unless they ask for the same order, neither finds the other's record.
            return _request_id_reused() if getattr(error, "constraint_name", None) == KEY else error

    async def _reserve(self, batch: Sequence[Asked]) -> list[A | BaseException]:
        """Decide and write a batch in one transaction; an answer or a refusal for each."""
        outcomes: list[A | BaseException] = []
        granted: list[Granted] = []
        expires_at = self._clock() + self._hold
        context = Context.system("catalogue.reservations", calls=[asked.context for asked in batch])
        current_call.set(context)  # of the flusher's own task
        async with self._db.transaction(context) as transaction:
            locked = await reservations.lock(
                transaction,
                {line.product_variant_id for asked in batch for line in asked.lines},
                [asked.order_id for asked in batch],
                [asked.key for asked in batch],
            )
            for asked in batch:
                first, held = locked.first_answers.get(asked.key), locked.held.get(asked.order_id)
                try:
                    if first is not None:
                        _check_body(asked, first)
                    if held:
                        reservation = locked.stock.repeat(asked.order_id, asked.lines, held)
                        outcomes.append(await self._repeated(transaction, asked, reservation, first))
                        continue
                    answer = self._encode(locked.stock.reserve(asked.order_id, asked.lines, expires_at))
                except LumiError as refusal:
                    outcomes.append(refusal.with_traceback(None))  # which would hold all that is done here
                else:
                    outcomes.append(answer)
                    granted.append(_granted(asked, answer.SerializeToString()))
            if granted:
                written = await reservations.hold(transaction, granted, locked.stock.taken, expires_at)
                for each in granted:
                    if each.order_id not in written:
                        raise closed(each.order_id, ReservationState.RELEASED)
        return outcomes

    async def _repeated(self, on: Executor, asked: Asked, reservation: Reservation, first: FirstAnswer | None) -> A:
        """The first answer where this request id had one, else what is held at today's prices, which is kept."""
        if first is None:
            answer = self._encode(reservation)
            if not asked.request_id or await reservations.keep(on, _granted(asked, answer.SerializeToString())):
                return answer
            first = (await reservations.first_answers(on, [asked.key]))[asked.key]
            _check_body(asked, first)
        return self._decode(first.response)


def _granted(asked: Asked, response: bytes) -> Granted:
    context = asked.context
    return Granted(
        order_id=asked.order_id,
        lines=asked.lines,
        headers=context.headers,
        principal=context.principal.key,
        method=context.method,
        request_id=asked.request_id,
        request_hash=asked.request_hash,
        response=response,
    )


def _check_body(asked: Asked, first: FirstAnswer) -> None:
    if first.request_hash != asked.request_hash:
        raise _request_id_reused()


def _request_id_reused() -> InvalidArgument:
    return InvalidArgument(Reason.REQUEST_ID_REUSED, "this request_id was used with another body", field="request_id")
