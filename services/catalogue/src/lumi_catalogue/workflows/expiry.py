"""Reservations past their time: orders says which of them nobody needs, never the clock alone."""

from datetime import timedelta
from typing import Protocol

from lumi_catalogue.storage import endings
from lumi_common.clock import Clock
from lumi_common.context import Context
from lumi_common.db.database import Database

BATCH = 500


class Orders(Protocol):
    """What is asked of the orders service."""

    async def gone(self, order_ids: list[str], context: Context) -> set[str]: ...


class Expiry:
    """Ends the reservations of orders that are gone; those of the others are kept for another `hold`."""

    def __init__(self, db: Database, clock: Clock, orders: Orders, *, hold: timedelta) -> None:
        self._db, self._clock, self._orders, self._hold = db, clock, orders, hold

    async def sweep(self) -> None:
        """Ask about all that is overdue, a batch at a time; raises LumiError while orders does not answer."""
        while await self._sweep_batch() == BATCH:
            pass

    async def _sweep_batch(self) -> int:
        now = self._clock()
        overdue = await endings.overdue(self._db, now, BATCH)
        if not overdue:
            return 0
        context = Context.system("catalogue.expiry")
        gone = await self._orders.gone(overdue, context)
        for order_id in gone:
            await endings.expire(self._db.on(context), order_id, now)
        if alive := set(overdue) - gone:
            await endings.extend(self._db, alive, self._clock() + self._hold)
        return len(overdue)
