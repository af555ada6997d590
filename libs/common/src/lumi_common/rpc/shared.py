"""Asking for something once, however many wait for it."""

from asyncio import Task, create_task, shield
from collections.abc import Callable, Coroutine

AGAIN_SECONDS = 0.5
"""For so long whoever asks is told that it failed, before it is tried again."""


class Shared:
    """Work of which everybody who wants it while it is under way waits for the same run and has its outcome.

    It goes on without whoever began it: their own deadline is not that of the others.
    """

    def __init__(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        self._work = work
        self._run: Task[None] | None = None

    @property
    def is_under_way(self) -> bool:
        """Whether to ask for it now is only to wait for what was asked for before."""
        return self._run is not None

    async def __call__(self) -> None:
        """Return, or raise, as the run does."""
        if self._run is None:
            self._run = create_task(self._work())
            self._run.add_done_callback(self._end)
        await shield(self._run)

    def _end(self, run: Task[None]) -> None:
        self._run = None
        if not run.cancelled():
            run.exception()  # taken note of here: all who waited may have gone
