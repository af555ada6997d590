"""Looks all the time at what must be true at every moment, whatever is under way."""

import asyncio
from contextlib import suppress
from itertools import groupby

import asyncpg

from lumi_common.db.invariants import Finding, look
from lumi_common.events.leader import AWAY
from lumi_faults.reckoning import Violation
from lumi_invariants.checker import books
from lumi_invariants.law import LAW, says

_SECONDS_BETWEEN = 3.0
# What Postgres that is killed or paused looks like to somebody who reads.
_AWAY = (*AWAY, asyncpg.PostgresError, TimeoutError)
_ALWAYS = sorted((part for parts in LAW.values() for part in parts if part.kind == "C"), key=lambda part: part.schema)


class Watch:
    """`looks` counts how often every invariant of kind C was asked for, those of a schema in one snapshot."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._broken: dict[str, Finding] = {}
        self.looks = 0

    async def run(self, closing: asyncio.Event) -> None:
        """Look until the end; Postgres may go away meanwhile."""
        while not closing.is_set():
            with suppress(*_AWAY):
                await self._look()
            await asyncio.sleep(_SECONDS_BETWEEN)

    @property
    def violations(self) -> list[Violation]:
        """What was broken at some moment, each as it was first seen."""
        return [violation(each, ", while orders came") for each in self._broken.values()]

    async def _look(self) -> None:
        async with books(self._dsn) as connection:
            for _, parts in groupby(_ALWAYS, key=lambda part: part.schema):
                for each in await look(connection, parts):
                    if not each.holds:
                        self._broken.setdefault(each.id, each)
        self.looks += 1


def violation(finding: Finding, when: str = "") -> Violation:
    """An invariant that does not hold."""
    return Violation(f"{finding.id}: {says(finding.id)}{when}", finding.rows or 0, next(iter(finding.sample), None))
