"""What must be true of stock, asked of a schema by itself: S3 holds at any moment where no traffic is left running."""

from typing import Any

from lumi_catalogue.storage.invariants import INVARIANTS


async def broken(connection: Any) -> dict[str, list[Any]]:
    """The rows that break an invariant, by its name, as a connection or a pool finds them; empty when all hold."""
    found = {each.id: await connection.fetch(each.query) for each in INVARIANTS if each.id in ("S1", "S2", "S3", "S4")}
    return {name: rows for name, rows in found.items() if rows}
