"""Refused access, told to identity as security events: gathered in memory, sent every second in one call.

However often somebody is refused, they make few rows: equal refusals are counted, and an address that is refused more
in one second than a few things has the others counted together. Nothing of this is on the way of a call that is
admitted.
"""

import time
from collections import Counter
from collections.abc import Awaitable, Callable
from logging import getLogger
from typing import Any, NamedTuple
from uuid import uuid4

from google.protobuf.empty_pb2 import Empty
from google.protobuf.timestamp_pb2 import Timestamp
from lumi.identity.v1.security_event_pb2 import RecordSecurityEventsRequest, RefusedAccess

from lumi_common.context import Context
from lumi_common.errors import LumiError, Reason
from lumi_common.logs import described
from lumi_common.rpc.channel import PeerChannel

SEND_SECONDS = 1.0
BATCH = 100
MOST_OF_AN_ADDRESS = 8
MOST_WAITING = 1_000
MOST_TRIES = 30
"""How often identity may answer a batch with a fault of its own before the next ones have their turn."""

_CALL_SECONDS = 2.0
# Identity has not looked at the batch: it may well take it later.
_PASSING = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"})
# What is no PERMISSION_DENIED and yet somebody who should not be there. Tokens expire on everybody.
_RECORDED = frozenset({Reason.TOKEN_INVALID, Reason.SERVICE_NOT_ALLOWED})
_MAX_ADDRESS, _MAX_AGENT = 64, 512

_log = getLogger(__name__)

Record = Callable[[RecordSecurityEventsRequest, Context], Awaitable[Any]]
"""Takes a batch; of two with the same request id it takes one."""


class _Refusal(NamedTuple):
    """What is counted together; `caller` is `user`, `guest`, `anonymous` or `service:payments`."""

    caller: str
    user_id: str
    method: str
    reason: str
    ip_address: str
    user_agent: str


class _Seen:
    """How often, and since when in Unix seconds."""

    __slots__ = ("count", "since")

    def __init__(self, since: float) -> None:
        self.count, self.since = 0, since


class RefusedCalls:
    """Those of one process, until identity has them."""

    def __init__(self, service: str, *, clock: Callable[[], float] = time.time) -> None:
        self._service, self._clock = service, clock
        self._waiting: dict[_Refusal, _Seen] = {}  # the oldest first
        self._of_address: Counter[str] = Counter()
        self._sending: RecordSecurityEventsRequest | None = None
        self._tries = 0  # of the batch that is being sent
        self._lost, self._is_away = 0, False

    def note(self, context: Context, error: LumiError) -> None:
        """Count a refusal of this service's own, if it is one of access."""
        if error.domain or (error.code != "PERMISSION_DENIED" and error.reason not in _RECORDED):
            return
        refusal = _refusal(context, error.reason)
        if refusal not in self._waiting:
            if self._of_address[refusal.ip_address] >= MOST_OF_AN_ADDRESS:
                refusal = _Refusal("", "", "", error.reason, refusal.ip_address, "")
            if refusal not in self._waiting:
                self._make_room()
                self._waiting[refusal] = _Seen(self._clock())
                self._of_address[refusal.ip_address] += 1
        self._waiting[refusal].count += 1

    async def send(self, record: Record) -> None:
        """Have what has gathered recorded, a batch of it; while that cannot be it stays, and the oldest is lost.

        A batch that identity does not understand is lost, too, and one that it fails at again and again.
        """
        batch = self._sending = self._sending or self._taken()
        if batch is None:
            return
        try:
            await record(batch, Context.system(self._service, timeout=_CALL_SECONDS))
        except Exception as fault:  # identity's own come as whatever they are
            self._fail(batch, fault)
            self._is_away = True
            return
        self._sending, self._tries, self._is_away = None, 0, False
        if self._lost:
            _log.error("refused access went unrecorded", extra={"calls": self._lost})
            self._lost = 0

    async def flush(self, record: Record) -> None:
        """Have all of it recorded, at the end; gives up at the first batch that is not taken."""
        self._is_away = False
        while (self._sending or self._waiting) and not self._is_away:
            await self.send(record)

    def _fail(self, batch: RecordSecurityEventsRequest, fault: Exception) -> None:
        known = isinstance(fault, LumiError | OSError)
        code = fault.code if isinstance(fault, LumiError) else ""
        if not isinstance(fault, OSError) and code not in _PASSING:
            self._tries += 1
        if code == "INVALID_ARGUMENT" or self._tries >= MOST_TRIES:
            lost = sum(each.count for each in batch.refused)
            _log.error("refused access is given up", extra={"reason": described(fault), "calls": lost})
            self._lost += lost
            self._sending, self._tries = None, 0
        elif not self._is_away:
            cause = {"cause": type(fault).__name__}
            _log.warning("refused access cannot be recorded", extra=cause, exc_info=None if known else fault)

    def _taken(self) -> RecordSecurityEventsRequest | None:
        if not self._waiting:
            return None
        batch = RecordSecurityEventsRequest(request_id=str(uuid4()))
        for refusal in list(self._waiting)[:BATCH]:
            seen = self._forget(refusal)
            told = RefusedAccess(count=seen.count, first_time=_timestamp(seen.since), **refusal._asdict())
            batch.refused.append(told)
        return batch

    def _make_room(self) -> None:
        while len(self._waiting) >= MOST_WAITING:
            self._lost += self._forget(next(iter(self._waiting))).count

    def _forget(self, refusal: _Refusal) -> _Seen:
        self._of_address[refusal.ip_address] -= 1
        if not self._of_address[refusal.ip_address]:
            del self._of_address[refusal.ip_address]
        return self._waiting.pop(refusal)


def recorded_by(identity: PeerChannel) -> Record:
    """Over identity's internal port."""
    return identity.unary(
        "lumi.identity.v1.SecurityEventService/RecordSecurityEvents",
        RecordSecurityEventsRequest,
        Empty,
        timeout=_CALL_SECONDS,
    )


def _refusal(context: Context, reason: str) -> _Refusal:
    caller = context.principal
    return _Refusal(
        caller.key if caller.kind == "service" else caller.kind,
        caller.id if caller.kind == "user" else "",
        context.method,
        reason,
        _plain(context.ip)[:_MAX_ADDRESS],
        _plain(context.user_agent)[:_MAX_AGENT],
    )


def _plain(text: str) -> str:
    return text.replace("\0", "")


def _timestamp(seconds: float) -> Timestamp:
    return Timestamp(seconds=int(seconds))
