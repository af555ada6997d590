"""Asks the books, read-only, and waits for them to come to rest where an invariant asks for that."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from lumi_common.db.invariants import SAMPLE, Finding, Invariant, look, undelivered
from lumi_common.events.streams import CONTEXTS
from lumi_invariants.law import LAW

PATIENCE_SECONDS = 60.0
_AGAIN_SECONDS = 1.0
AUDITOR = "lumi_auditor"

_RESTLESS = " union all ".join(
    [f"(select 1 from ({undelivered(context)}) waiting limit 1)" for context in CONTEXTS]
    + ["(select 1 from orders.checkouts limit 1)"]
)


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


async def check(connection: Any, ids: Iterable[str] = LAW, *, patience: float = PATIENCE_SECONDS) -> list[Finding]:
    """What was found of each of these, in their order.

    Parts of kind C are looked at once, a schema at a time in one snapshot. Those of kind Q have `patience` seconds to
    become true; with none, they are looked at once too.
    """
    ids = tuple(ids)
    asked = [part for id in ids for part in LAW[id]]
    found: dict[Invariant, Finding] = {}
    for schema in dict.fromkeys(each.schema for each in asked if each.kind == "C"):
        found |= await _look(connection, [each for each in asked if (each.schema, each.kind) == (schema, "C")])

    until = time.monotonic() + patience
    await _rest(connection, until)
    open = [each for each in asked if each.kind == "Q"]
    while open:
        found |= await _look(connection, open)
        open = [each for each in open if not found[each].holds]
        if not open or time.monotonic() > until - _AGAIN_SECONDS:
            break
        await asyncio.sleep(_AGAIN_SECONDS)
    return [together(id, [found[part] for part in LAW[id]]) for id in ids]


def together(id: str, parts: Iterable[Finding]) -> Finding:
    """What the parts of an invariant found, as one finding."""
    found = list(parts)
    rows = [each.rows for each in found if each.rows is not None]
    sample = tuple(row for each in found for row in each.sample)
    return Finding(id, sum(rows) if len(rows) == len(found) else None, sample[:SAMPLE])


async def _look(connection: Any, parts: list[Invariant]) -> dict[Invariant, Finding]:
    return dict(zip(parts, await look(connection, parts), strict=True))


async def _rest(connection: Any, until: float) -> None:
    """Wait until outboxes are drained and checkouts are empty, or the time is over."""
    while time.monotonic() < until and await connection.fetchrow(_RESTLESS) is not None:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
