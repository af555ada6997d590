"""From when on the tokens of a user or a session count: asked of identity again and again.

It is kept in memory, for as long as a token may live that was issued before. While identity is away what is known
stays, and no token lives longer than that anyway.
"""

import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from logging import getLogger
from typing import NamedTuple

from lumi_common.errors import LumiError, Reason, Unavailable
from lumi_common.rpc.claims import USER_SECONDS
from lumi_common.rpc.shared import AGAIN_SECONDS, Shared

BEAT_SECONDS = 2.0
"""What was revoked is refused everywhere within this and the time of one call."""

_CLOCK_SKEW_SECONDS = 60
_FORGET_SECONDS = 60.0

_EPOCH, _MILLISECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)

_log = getLogger(__name__)


class Revocation(NamedTuple):
    """No token of this user or session counts that was issued before."""

    id: str
    not_before: datetime


class Told(NamedTuple):
    """What identity tells: some revocations, where to go on the next time, and whether there are more by now."""

    revocations: list[Revocation]
    cursor: str
    more: bool


RevocationSource = Callable[[str], Awaitable[Told]]
"""Tells what came after a cursor; after an empty one, all that a token may still have to be held against."""


class Revocations:
    """What this process knows; `not_before` maps ids of users and sessions to Unix milliseconds.

    `heard` says whether identity has ever told.
    """

    def __init__(self, source: RevocationSource, *, clock: Callable[[], float] = time.time) -> None:
        self._source, self._clock = source, clock
        self.not_before: dict[str, int] = {}
        self.heard = False
        self._cursor = ""
        self._heard_at = self._forgot_at = clock()
        self._asking, self._again_at, self._is_away = Shared(self._ask), 0.0, False

    @property
    def age(self) -> float:
        """Seconds since identity last told, or since the start."""
        return self._clock() - self._heard_at

    async def look(self) -> None:
        """Ask for what is new; while identity is away what is known stays."""
        try:
            await self._asking()
            self._is_away = False
        except (LumiError, OSError) as fault:
            if not self._is_away:
                _log.warning("revocations cannot be had", extra={"cause": type(fault).__name__})
            self._is_away = True
        if self._clock() - self._forgot_at > _FORGET_SECONDS:
            self._forget()

    async def known(self) -> None:
        """Return once something has been heard at all; raises Unavailable while identity cannot be asked.

        Nobody waits for longer than it is asked once.
        """
        if self.heard:
            return
        if self._clock() < self._again_at:
            raise _unknown()
        try:
            await self._asking()
        except (LumiError, OSError) as fault:
            self._again_at = self._clock() + AGAIN_SECONDS
            raise _unknown() from fault

    def note(self, revocations: Iterable[Revocation]) -> None:
        """Refuse from now on what was issued before."""
        known = self.not_before
        for id, not_before in revocations:
            # Rounded up: a token says the millisecond in which it was issued.
            known[id] = max(known.get(id, 0), -((_EPOCH - not_before) // _MILLISECOND))

    async def _ask(self) -> None:
        asked_at, cursor, more = self._clock(), self._cursor, True
        while more:
            told = await self._source(cursor)
            self.note(told.revocations)
            cursor, more = told.cursor, told.more
        # Only now: an answer in several parts that broke off is asked for again from its beginning.
        self._cursor, self._heard_at, self.heard = cursor, asked_at, True

    def _forget(self) -> None:
        oldest = (self._clock() - USER_SECONDS - _CLOCK_SKEW_SECONDS) * 1000
        for id in [id for id, not_before in self.not_before.items() if not_before < oldest]:
            del self.not_before[id]
        self._forgot_at = self._clock()


def _unknown() -> Unavailable:
    return Unavailable(Reason.UNAVAILABLE, "what was revoked cannot be had at the moment")
