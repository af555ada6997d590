"""One active holder of a job in the whole deployment: a session advisory lock on a connection of its own."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, NoReturn

import asyncpg

from lumi_common.db.connection import REFUSED, connect
from lumi_common.secret import Secret

log = logging.getLogger(__name__)

ASK_SECONDS = 1.0
WATCH_SECONDS = 5.0
_TRY = "select pg_try_advisory_lock(hashtextextended($1, 0))"

# What a killed, stopping or starting Postgres looks like to its clients.
AWAY = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InternalClientError,
    REFUSED,
)


class LeadershipLost(ConnectionError):
    """The connection that held the lock is gone: somebody else may lead already."""


class Leadership:
    """The lock while it is held; its connection may be used for the job's own statements, one at a time."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        connection.add_termination_listener(self._end)

    async def watch(self) -> NoReturn:
        """Return by raising, as soon as the lock is lost; for jobs that do not use the connection themselves."""
        while True:
            await asyncio.wait((self.lost,), timeout=WATCH_SECONDS)
            if self.lost.done():
                raise LeadershipLost("the connection that held the lock is gone")
            await self.connection.execute("select 1")

    def _end(self, _connection: Any) -> None:
        if not self.lost.done():
            self.lost.set_result(None)


@asynccontextmanager
async def leadership(dsn: Secret, schema: str, job: str) -> AsyncIterator[Leadership]:
    """Wait until nobody else leads this schema's job, then lead it for the length of the block.

    Raises one of AWAY when Postgres cannot be reached. Standing by asks once a second instead of waiting in
    `pg_advisory_lock`, whose statement would hold back vacuum for as long as it waits.
    """
    connection = await connect(
        dsn,
        timeout=5,
        command_timeout=30,
        server_settings={
            "application_name": f"lumi-{schema} {job}",
            "search_path": f"{schema}, extensions",
            "timezone": "UTC",
            "jit": "off",
        },
    )
    try:
        while not await connection.fetchval(_TRY, f"lumi:{schema}:{job}"):  # noqa: ASYNC110
            await asyncio.sleep(ASK_SECONDS)
        log.info("%s leads %s", schema, job)
        yield Leadership(connection)
    finally:
        # Closing gives the lock back; a dead connection has done so already.
        with suppress(*AWAY, TimeoutError):
            await connection.close(timeout=2)
