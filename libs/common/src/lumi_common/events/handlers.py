"""The three ways to act on an event, and which failures are worth waiting for."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import asyncpg

from lumi_common.db.database import Executor
from lumi_common.errors import LumiError
from lumi_common.events.event import Event
from lumi_common.events.leader import AWAY


@dataclass(frozen=True, slots=True)
class InTransaction:
    """Acts on rows of its own schema only: `apply(tx, event)` runs in the transaction that records the event."""

    apply: Callable[[Executor, Event], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class InBatch:
    """Like InTransaction for many events at once, in stream order, so that hundreds take one statement.

    A passing failure holds up the whole batch: nothing in it may depend on more than this service's own database.
    """

    apply: Callable[[Executor, Sequence[Event]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Remote:
    """Calls other services: `apply(event)` runs outside of any transaction, and again if recording it fails.

    So every call it makes must be idempotent, with a request id made from the event's.
    """

    apply: Callable[[Event], Awaitable[None]]


Handler = InTransaction | InBatch | Remote

_TRANSIENT_CODES = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED"})
_TRANSIENT = (
    *AWAY,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
)


def is_transient(error: BaseException) -> bool:
    """Whether the same event may succeed later without anybody doing anything about it."""
    if isinstance(error, LumiError):
        return error.code in _TRANSIENT_CODES
    return isinstance(error, _TRANSIENT)
