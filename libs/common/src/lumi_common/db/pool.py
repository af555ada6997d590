"""Connections that cost next to nothing to take and give back.

asyncpg's own pool wraps each use in a proxy, a shielded task and a reset: four times the CPU of the statement itself
on a short read. Ours are clean when they come back (every transaction ends), so they lie on a stack.
"""

import asyncio
import math
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

_CLOSE_SECONDS = 5.0


class Pool:
    """At most `max_size` connections made by `connect`; the one used last is handed out first.

    Whoever finds none free waits, first come, first served. A connection that its server closed is replaced when it
    is next asked for; one whose user was cancelled in the middle of something is thrown away; one that is older than
    about `max_age` seconds is closed once nobody uses it, so that no password is gone on with for ever.
    """

    def __init__(self, connect: Callable[[], Awaitable[Any]], *, max_size: int, max_age: float = math.inf) -> None:
        self._connect, self._max, self._max_age = connect, max_size, max_age
        self._ends: dict[Any, float] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._free: list[Any] = []
        self._open = 0
        self._waiting: deque[asyncio.Future[Any]] = deque()

    @property
    def open(self) -> int:
        """How many connections there are, those being made among them."""
        return self._open

    @property
    def in_use(self) -> int:
        """How many of them are with somebody."""
        return self._open - len(self._free)

    @property
    def waiting(self) -> int:
        """How many wait for one."""
        return sum(not waiter.done() for waiter in self._waiting)

    @property
    def max_size(self) -> int:
        """How many there may be."""
        return self._max

    async def fill(self, size: int) -> None:
        """Open so many connections now; raises what `connect` raises."""
        taken = [await self.take() for _ in range(size)]
        for connection in taken:
            self.give(connection)

    async def take(self) -> Any:
        """A connection, to be given back; raises what `connect` raises."""
        while True:
            while self._free:
                connection = self._free.pop()
                if not connection.is_closed():
                    return connection
                self._forget(connection)
            if self._open < self._max:
                return await self._made()
            connection = await self._handed_over()
            if connection is not None:
                return connection

    def give(self, connection: Any) -> None:
        """Take a connection back, or hand it to whoever waits longest."""
        if connection.is_closed():
            self._lose(connection)
            return
        if self._ends[connection] < monotonic():
            self._retire(connection)
            return
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        self._free.append(connection)
        if self._ends[self._free[0]] < monotonic():  # the one that is used least
            self._retire(self._free.pop(0))

    def discard(self, connection: Any) -> None:
        """Throw a connection away whose state nobody knows."""
        connection.terminate()
        self._lose(connection)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """A connection for the block."""
        connection = await self.take()
        try:
            yield connection
        except Exception:
            self._settle(connection)
            raise
        except BaseException:  # cancelled, perhaps between a question and its answer
            self.discard(connection)
            raise
        self._settle(connection)

    async def fetch(self, sql: str, *values: Any) -> list[Any]:
        """Every row of a query in plain SQL; for looking from outside, not for a service's own paths."""
        async with self.connection() as connection:
            return list(await connection.fetch(sql, *values))

    async def fetchrow(self, sql: str, *values: Any) -> Any:
        """The first row, or None."""
        async with self.connection() as connection:
            return await connection.fetchrow(sql, *values)

    async def fetchval(self, sql: str, *values: Any) -> Any:
        """The first column of the first row, or None."""
        async with self.connection() as connection:
            return await connection.fetchval(sql, *values)

    async def execute(self, sql: str, *values: Any) -> str:
        """A command; what Postgres says of it."""
        async with self.connection() as connection:
            return str(await connection.execute(sql, *values))

    async def executemany(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """A command for each of these rows."""
        async with self.connection() as connection:
            await connection.executemany(sql, rows)

    async def close(self) -> None:
        """Close what is free; what is in use is closed when its task ends."""
        free, self._free = self._free, []
        for connection in free:
            self._forget(connection)
        await asyncio.gather(*(connection.close() for connection in free), *self._closing, return_exceptions=True)

    async def _made(self) -> Any:
        self._open += 1
        try:
            connection = await self._connect()
        except BaseException:
            self._lose()
            raise
        # Not all of them at once, when they were made together.
        self._ends[connection] = monotonic() + self._max_age * random.uniform(0.8, 1.0)
        return connection

    async def _handed_over(self) -> Any:
        waiter: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                if (connection := waiter.result()) is not None:
                    self.give(connection)
                else:
                    self._make_room()
            raise

    def _settle(self, connection: Any) -> None:
        if not connection.is_closed() and connection.is_in_transaction():
            self.discard(connection)
        else:
            self.give(connection)

    def _retire(self, connection: Any) -> None:
        task = asyncio.create_task(_close(connection))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        self._lose(connection)

    def _forget(self, connection: Any) -> None:
        self._open -= 1
        self._ends.pop(connection, None)

    def _lose(self, connection: Any = None) -> None:
        self._forget(connection)
        self._make_room()

    def _make_room(self) -> None:
        """There is one connection less: whoever waits longest may open another."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return


async def _close(connection: Any) -> None:
    try:
        await connection.close(timeout=_CLOSE_SECONDS)
    except Exception:
        connection.terminate()
