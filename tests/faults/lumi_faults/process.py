"""A process of the stack, held by a descriptor, so that a signal never goes to a later one of its number."""

import asyncio
import os
import select
import signal
from contextlib import suppress
from pathlib import Path


class Process:
    """Raises ProcessLookupError where there is none of this number."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._descriptor = os.pidfd_open(pid)

    @property
    def is_gone(self) -> bool:
        """Whether it has ended, be it that nobody has heard of it yet."""
        return bool(select.select([self._descriptor], [], [], 0)[0])

    def send(self, number: signal.Signals) -> None:
        """Send a signal, to nobody where it is gone."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._descriptor, number)

    async def end(self) -> None:
        """Wait until it has ended."""
        while not self.is_gone:  # noqa: ASYNC110  # the state is the system's
            await asyncio.sleep(0.02)

    def children(self) -> "list[Process]":
        """Those that it started and that still run."""
        found = []
        with suppress(OSError):
            for number in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split():
                with suppress(ProcessLookupError):
                    found.append(Process(int(number)))
        return found

    def close(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)


async def pause(process: Process, seconds: float) -> None:
    """Stop it and its children for so long."""
    process.send(signal.SIGSTOP)  # first, so that no more children come
    stopped = [process, *process.children()]
    try:
        for each in stopped[1:]:
            each.send(signal.SIGSTOP)
        await asyncio.sleep(seconds)
    finally:
        for each in stopped:
            each.send(signal.SIGCONT)
            each.close()
