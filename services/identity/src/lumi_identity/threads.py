"""Blocking work beside the loop, on few threads, with an end to how much may wait."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from lumi_common.errors import Reason, ResourceExhausted

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """`threads` that work, and room for `waiting` calls more; the next is refused at once."""

    def __init__(self, name: str, *, threads: int, waiting: int) -> None:
        self._room = threading.BoundedSemaphore(threads + waiting)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The work's result; raises ResourceExhausted when there is no room.

        A caller that goes away takes its work along if it has not begun.
        """
        if not self._room.acquire(blocking=False):
            raise ResourceExhausted(Reason.OVERLOADED, "too much is waiting here; try again in a few seconds")
        future = self._pool.submit(work, *args, **kwargs)
        future.add_done_callback(lambda _: self._room.release())
        return await asyncio.wrap_future(future)

    async def close(self) -> None:
        """Drop what waits, and let go of the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)
