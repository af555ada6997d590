"""Asks the books, read-only, and waits for them to come to rest where an invariant asks for that."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from lumi_common.events.streams import CONTEXTS
from lumi_invariants.across import unpublished
from lumi_invariants.invariant import Invariant
from lumi_invariants.law import LAW

PATIENCE_SECONDS = 60.0
_AGAIN_SECONDS = 1.0
AUDITOR = "lumi_auditor"

_RESTLESS = " union all ".join(
    [f"(select 1 from ({unpublished(context)}) waiting limit 1)" for context in CONTEXTS]
    + ["(select 1 from orders.checkouts limit 1)"]
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of an invariant: how many rows break it, and one of them, None where there is none."""

    id: str
    rows: int
    sample: dict[str, Any] | None

    @property
    def holds(self) -> bool:
        return self.rows == 0


@asynccontextmanager
async def books(dsn: str) -> AsyncIterator[Any]:
    """A connection as the auditor, who reads every schema and writes nowhere; `dsn` is theirs or a superuser's."""
    connection = await asyncpg.connect(
        dsn,
        server_settings={
            "application_name": "lumi-invariants",
            "default_transaction_read_only": "on",
            "search_path": "extensions",
        },
    )
    try:
        await connection.execute(f"set role {AUDITOR}")
        yield connection
    finally:
        await connection.close()


async def look(connection: Any, invariants: Iterable[Invariant]) -> list[Finding]:
    """What becomes of these in one snapshot."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        return [await ask(connection, each) for each in invariants]


async def ask(connection: Any, invariant: Invariant) -> Finding:
    """What becomes of one, as the connection sees it now."""
    rows, sample = await connection.fetchrow(invariant.counted)
    return Finding(invariant.id, rows, None if sample is None else json.loads(sample))


async def check(
    connection: Any, invariants: Iterable[Invariant] = LAW.values(), *, patience: float = PATIENCE_SECONDS
) -> list[Finding]:
    """Every finding, in the order of the invariants.

    Those of kind C are looked at once, a schema at a time in one snapshot. Those of kind Q have `patience` seconds to
    become true; with none, they are looked at once too.
    """
    asked = list(invariants)
    found: dict[str, Finding] = {}
    for schema in dict.fromkeys(each.schema for each in asked if each.kind == "C"):
        of_schema = [each for each in asked if (each.schema, each.kind) == (schema, "C")]
        found |= {finding.id: finding for finding in await look(connection, of_schema)}

    until = time.monotonic() + patience
    await _rest(connection, until)
    open = [each for each in asked if each.kind == "Q"]
    while open:
        found |= {finding.id: finding for finding in await look(connection, open)}
        open = [each for each in open if not found[each.id].holds]
        if not open or time.monotonic() > until - _AGAIN_SECONDS:
            break
        await asyncio.sleep(_AGAIN_SECONDS)
    return [found[each.id] for each in asked]


async def _rest(connection: Any, until: float) -> None:
    """Wait until outboxes are drained and checkouts are empty, or the time is over."""
    while time.monotonic() < until and await connection.fetchrow(_RESTLESS) is not None:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
