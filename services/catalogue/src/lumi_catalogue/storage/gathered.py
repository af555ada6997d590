"""Reads by key, gathered: one statement for all who ask while the one before is under way.

Every read still sees what Postgres holds when it is asked: nobody joins a statement that was sent before they came.
A lone reader waits for nobody; where others came meanwhile, a moment is given to those right behind them. Under load
a read so costs a share of one round trip, and those who asked together are answered together.
"""

import asyncio

from lumi_common.context import Context, lead_of
from lumi_common.db.database import Database, Row
from lumi_common.db.statement import Statement
from lumi_common.logs import current_call

MOST_KEYS = 256
MOMENT_SECONDS = 0.002

_Asked = tuple[str, asyncio.Future[Row | None], Context | None]


class Gathered:
    """Finds rows by `key`, with a statement that takes the wanted keys as the array `keys`."""

    def __init__(self, db: Database, statement: Statement, *, key: str) -> None:
        self._db, self._statement, self._key = db, statement, key
        self._waiting: list[_Asked] = []
        self._reader: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def find(self, wanted: str) -> Row | None:
        """The row, or None; raises what the statement raises."""
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        answer: asyncio.Future[Row | None] = loop.create_future()
        self._waiting.append((wanted, answer, current_call.get()))
        if self._reader is None:
            self._reader = loop.create_task(self._read(), name="catalogue.reads")
        return await answer

    async def _read(self) -> None:
        try:
            while self._waiting:
                asked, self._waiting = self._waiting[:MOST_KEYS], self._waiting[MOST_KEYS:]
                await self._answer(asked)
                if self._waiting:
                    await asyncio.sleep(MOMENT_SECONDS)
        finally:
            self._reader = None

    async def _answer(self, asked: list[_Asked]) -> None:
        current_call.set(lead_of(call for _, _, call in asked))  # of the reader's own task
        keys = list({wanted for wanted, answer, _ in asked if not answer.done()})
        found: dict[str, Row] = {}
        failure: Exception | None = None
        try:
            found = {row[self._key]: row for row in await self._db.fetch(self._statement, keys=keys)}
        except Exception as error:
            failure = error
        for wanted, answer, _ in asked:
            if answer.done():
                continue  # the caller has gone
            if failure is None:
                answer.set_result(found.get(wanted))
            else:
                answer.set_exception(failure)
