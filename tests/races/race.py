"""Many calls released at one moment, and what each was told; LUMI_RACE_ROUNDS is how often each race is run."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import lumi_client
import pytest

from lumi_common import errors

CALLERS = 30
ROUNDS = int(os.environ.get("LUMI_RACE_ROUNDS", "5"))
# What somebody who loses a race may be told; anything else fails the test.
_LOST = ("ABORTED", "ALREADY_EXISTS", "FAILED_PRECONDITION", "INVALID_ARGUMENT", "NOT_FOUND")

rounds = pytest.mark.parametrize("number", range(ROUNDS), ids=lambda number: f"round {number}")

Call = Callable[[], Awaitable[Any]]


@dataclass(frozen=True)
class Outcome:
    """What one call came to: an answer, or a refusal; `start` and `end` are seconds of the monotonic clock."""

    start: float
    end: float
    answer: Any = None
    refusal: Any = None

    @property
    def told(self) -> str:
        """The reason of the refusal, empty for an answer."""
        return "" if self.refusal is None else str(self.refusal.reason)


async def race(*calls: Call) -> list[Outcome]:
    """Release the calls together, once all wait at the barrier; their outcomes in the same order.

    Fails unless at least CALLERS of them were in flight at one moment, and at the first error that no race earns.
    """
    gate, waiting = asyncio.Event(), len(calls)

    async def run(call: Call) -> Outcome:
        nonlocal waiting
        waiting -= 1
        if not waiting:
            gate.set()
        await gate.wait()
        start = time.monotonic()
        try:
            answer = await call()
        except (lumi_client.LumiError, errors.LumiError) as refusal:
            if refusal.code not in _LOST:
                raise
            return Outcome(start, time.monotonic(), refusal=refusal)
        return Outcome(start, time.monotonic(), answer)

    outcomes = await asyncio.gather(*map(run, calls))
    assert in_flight(outcomes) >= CALLERS, f"only {in_flight(outcomes)} calls were in flight at one moment"
    return outcomes


def after(times: int, look: Call, call: Call) -> Call:
    """The call, by somebody who looks so many times first, so that in other rounds others come first."""

    async def looked() -> Any:
        for _ in range(times):
            await look()
        return await call()

    return looked


def in_flight(outcomes: Sequence[Outcome]) -> int:
    """The most of these calls that were under way at one moment."""
    moments = sorted([(each.start, 1) for each in outcomes] + [(each.end, -1) for each in outcomes])
    under_way = most = 0
    for _, step in moments:
        under_way += step
        most = max(most, under_way)
    return most


def answers(outcomes: Sequence[Outcome]) -> list[Any]:
    """What those who were not refused were answered."""
    return [each.answer for each in outcomes if each.refusal is None]


def refusals(outcomes: Sequence[Outcome]) -> list[Any]:
    """The refusals of the others."""
    return [each.refusal for each in outcomes if each.refusal is not None]


def told(outcomes: Sequence[Outcome]) -> Counter[str]:
    """How many were told what: reasons of refusals, and an empty one for answers."""
    return Counter(each.told for each in outcomes)
