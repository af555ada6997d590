"""Work in order per key, side by side across keys."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from lumi_common.tasks import end

Item = TypeVar("Item")


class Lanes(Generic[Item]):
    """Each key's items one after the other; a lane ends when it is empty. An error ends all of it: see `failed`."""

    def __init__(self, work: Callable[[Item], Awaitable[None]]) -> None:
        self._work = work
        self._lanes: dict[Hashable, deque[Item]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def add(self, key: Hashable, item: Item) -> None:
        """Put the item behind its key's others."""
        lane = self._lanes.get(key)
        if lane is not None:
            lane.append(item)
            return
        self._lanes[key] = deque((item,))
        task = asyncio.create_task(self._run(key))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def idle(self) -> None:
        """Wait until every item is done, or raise the error that ended a lane."""
        while self._tasks:
            await asyncio.wait((*self._tasks, self.failed), return_when=asyncio.FIRST_COMPLETED)
            if self.failed.done():
                self.failed.result()

    async def stop(self) -> None:
        """Cancel what is still at work, and wait for its end."""
        if not self.failed.cancel() and not self.failed.cancelled():
            self.failed.exception()  # seen, and told by whoever called
        await end(self._tasks)

    async def _run(self, key: Hashable) -> None:
        lane = self._lanes[key]
        while lane:
            await self._work(lane[0])
            lane.popleft()
        del self._lanes[key]

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) and not self.failed.done():
            self.failed.set_exception(error)
