"""Where a call is in its trace: W3C traceparents by string handling alone, and the spans below a sampled call.

Nothing here imports OpenTelemetry. A call that is not sampled has no span object, and costs a look at `span`.
"""

import re
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from lumi_common.context import Context, new_traceparent
from lumi_common.db.statement import Statement

TRACEPARENT = "traceparent"

_WELL_FORMED = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_FLAGS = 53
_NOTHING: AbstractContextManager[Any] = nullcontext()


def is_well_formed(traceparent: str | None) -> bool:
    """Whether it is a traceparent of version 00."""
    return traceparent is not None and _WELL_FORMED.fullmatch(traceparent) is not None


def is_sampled(traceparent: str) -> bool:
    """Whether a well-formed traceparent's flag says that its trace is recorded."""
    return int(traceparent[_FLAGS:], 16) & 1 == 1


def unsampled(traceparent: str) -> str:
    """A well-formed traceparent with its flag taken back."""
    return f"{traceparent[:_FLAGS]}00"


def kept_traceparent(incoming: str | None) -> str:
    """The caller's traceparent if it is well-formed, else a new, unsampled one."""
    if incoming is not None and _WELL_FORMED.fullmatch(incoming):
        return incoming
    return new_traceparent()


def statement_span(statement: Statement, call: Context | None) -> AbstractContextManager[Any]:
    """A block that is the statement's span in the trace of a sampled call, and nothing for any other."""
    if call is None or call.span is None:
        return _NOTHING
    return call.span.of_statement(statement.summary)
