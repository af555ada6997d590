"""A line to a server that passes everything on, until it is told to lose answers or to keep them back."""

import asyncio
from contextlib import suppress

from lumi_local.process import LOOPBACK

# Longer than what HTTP/2 says beside answers (a PING, a WINDOW_UPDATE, both at once), in TLS too.
ANSWER_BYTES = 96
_CHUNK = 1 << 16


class _Line:
    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.client, self.server = client, server
        self.armed = False

    def cut(self) -> None:
        # A reset, so that what lies in buffers is lost too.
        for end in (self.client, self.server):
            end.transport.abort()


class Wire:
    """Listens on a port of its own and passes on to `port`; both on the loopback interface."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._lines: dict[_Line, asyncio.Task[None] | None] = {}
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._held = 0
        self._server: asyncio.Server | None = None
        self.lost = 0

    async def open(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, LOOPBACK, 0)

    @property
    def address(self) -> str:
        """Where clients connect, `host:port`."""
        assert self._server is not None
        return f"{LOOPBACK}:{self._server.sockets[0].getsockname()[1]}"

    def cut(self) -> int:
        """From now on each line that is open is cut before its next answer; how many lines that are."""
        for line in self._lines:
            line.armed = True
        return len(self._lines)

    async def hold(self, seconds: float) -> None:
        """Keep every answer back for so long; requests pass."""
        self._held += 1
        self._flowing.clear()
        try:
            await asyncio.sleep(seconds)
        finally:
            self._held -= 1
            if not self._held:
                self._flowing.set()

    async def close(self) -> None:
        """Cut every line and listen no more."""
        if self._server is not None:
            self._server.close()
        for line in list(self._lines):
            line.cut()
        await asyncio.gather(*(task for task in self._lines.values() if task), return_exceptions=True)

    async def _serve(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        try:
            from_server, to_server = await asyncio.open_connection(LOOPBACK, self._port)
        except OSError:
            to_client.transport.abort()
            return
        line = _Line(to_client, to_server)
        self._lines[line] = asyncio.current_task()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._ask(from_client, line))
                group.create_task(self._answer(from_server, line))
        finally:
            line.cut()
            del self._lines[line]

    async def _ask(self, reader: asyncio.StreamReader, line: _Line) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                line.server.write(data)
                await line.server.drain()
        line.cut()

    async def _answer(self, reader: asyncio.StreamReader, line: _Line) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                if line.armed and len(data) >= ANSWER_BYTES:
                    self.lost += 1
                    break
                await self._flowing.wait()
                line.client.write(data)
                await line.client.drain()
        line.cut()
