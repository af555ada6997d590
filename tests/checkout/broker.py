"""A broker that can be stopped, with what it holds, and started again at the same address."""

import asyncio
from contextlib import AbstractContextManager
from pathlib import Path

from lumi_local import testing
from lumi_local.nats import NatsServer
from lumi_local.process import free_port


class Broker:
    """A real NATS server; `stop` kills it."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._port = folder, free_port()
        self._running: AbstractContextManager[NatsServer] | None = None

    async def start(self) -> NatsServer:
        """Have it run, with the streams that it had."""
        self._running = testing.nats_process(self._folder, self._port)
        return await asyncio.to_thread(self._running.__enter__)

    async def stop(self) -> None:
        """Kill it, if it runs."""
        if self._running is not None:
            running, self._running = self._running, None
            await asyncio.to_thread(running.__exit__, None, None, None)
