"""Reading a refusal as a client sees it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from lumi_common.errors import LumiError
from lumi_common.rpc.status import from_call_error


class Refused:
    """What a refused call said: `error` with code, reason, facts and fields, and the bare `details` text."""

    error: LumiError
    details: str


@asynccontextmanager
async def refused(code: str, reason: str | None = None) -> AsyncIterator[Refused]:
    seen = Refused()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        yield seen
    assert caught.value.code().name == code, caught.value
    seen.error, seen.details = from_call_error(caught.value, "echo"), caught.value.details()
    if reason is not None:
        assert seen.error.reason == reason
