"""What is kept how long: outbox rows 90 days, inbox rows longer, so that an outbox can be published again whole."""

from collections.abc import Iterable
from datetime import timedelta
from time import monotonic
from typing import Any

from lumi_common.events.streams import DURABLES, Durable

OUTBOX_KEPT = timedelta(days=90)
INBOX_KEPT = timedelta(days=120)
EVERY_SECONDS = 3600.0
_BATCH = 2000

# Both look at the oldest rows only, along the primary key: event ids are UUIDs of version 7 and sort by time.
_OUTBOX = """
delete from outbox_events o using (select seq, published_at from outbox_events order by seq limit $2) oldest
where o.seq = oldest.seq and oldest.published_at < now() - $1::interval
"""
_INBOX = """
delete from inbox_events i
using (select event_id, applied_at from inbox_events where consumer = $1 order by event_id limit $3) oldest
where i.consumer = $1 and i.event_id = oldest.event_id and oldest.applied_at < now() - $2::interval
"""


class Pruner:
    """Removes a schema's outlived outbox and inbox rows, at most a batch of each a minute."""

    def __init__(self, service: str, durables: Iterable[Durable] = DURABLES) -> None:
        self._consumers = [each.name for each in durables if each.service == service]
        self._due = monotonic() + 60

    async def prune_when_due(self, connection: Any) -> None:
        """Prune when the last time is long enough ago; soon again while there is more to remove."""
        if monotonic() < self._due:
            return
        more = await self.prune(connection)
        self._due = monotonic() + (60 if more else EVERY_SECONDS)

    async def prune(self, connection: Any) -> bool:
        """Remove one batch of each kind; True when a batch was full."""
        tags = [await connection.execute(_OUTBOX, OUTBOX_KEPT, _BATCH)]
        for consumer in self._consumers:
            tags.append(await connection.execute(_INBOX, consumer, INBOX_KEPT, _BATCH))
        return any(tag == f"DELETE {_BATCH}" for tag in tags)
