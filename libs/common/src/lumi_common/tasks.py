"""Ending tasks for certain."""

import asyncio
from collections.abc import Iterable
from typing import Any


async def end(tasks: Iterable["asyncio.Task[Any]"]) -> None:
    """Cancel tasks until they are done: again each second, because a library may have swallowed the first one.

    Whoever waits here and is cancelled meanwhile is so once they are done, and leaves none behind.
    """
    running, cancelled = set(tasks), None
    while running:
        for task in running:
            task.cancel()
        try:
            _, running = await asyncio.wait(running, timeout=1.0)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
