"""Whether every reservation that was counted stands in the database, with all that belongs to it, and none beside."""

import asyncio

import asyncpg

from lumi_local.process import StackError

_STANDS: dict[str, str] = {
    "reservations": "select count(*) from catalogue.stock_reservations where product_variant_id = $1",
    "units reserved": "select quantity_reserved from catalogue.inventories where product_variant_id = $1",
    "units no longer there": "select quantity_on_hand - quantity_available from catalogue.inventories"
    " where product_variant_id = $1",
    "requests kept": "select count(*) from catalogue.request_ids where method like '%/ReserveStock' and $1 <> ''",
    "events": "select count(*) from catalogue.outbox_events where type = 'stock.reserved' and $1 <> ''",
}


class Ledger:
    """What stands of a variant in a database, held against what callers were told; each reserves one unit.

    `reserved` tells of more of them, `check` raises StackError when anything is missing, or there too often.
    """

    def __init__(self, dsn: str, variant_id: str) -> None:
        self._dsn, self._variant_id = dsn, variant_id
        self._expected = self._counts()

    def reserved(self, units: int) -> None:
        self._expected = {name: count + units for name, count in self._expected.items()}

    def check(self) -> None:
        counts, due = self._counts(), self._expected
        if off := [f"{name}: {counts[name]} and not {due[name]}" for name in due if counts[name] != due[name]]:
            raise StackError("what was reserved does not stand:\n  " + "\n  ".join(off))

    def _counts(self) -> dict[str, int]:
        return asyncio.run(_counts(self._dsn, self._variant_id))


async def _counts(dsn: str, variant_id: str) -> dict[str, int]:
    connection = await asyncpg.connect(dsn)
    try:
        return {name: await connection.fetchval(query, variant_id) for name, query in _STANDS.items()}
    finally:
        await connection.close()
