"""Publishing what was published before: for a stream that lost something."""

from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import text

from lumi_common.db.database import Executor
from lumi_common.db.statement import Statement
from lumi_common.events.outbox import RELAY

LIMIT = 10_000

_EVER = datetime(1970, 1, 1, tzinfo=UTC)
# The relay reads what is unpublished in the order of `seq`: so what goes out again does so in its old order, and before
# whatever has not gone out yet. What was skipped because no stream takes it stays where it is.
_REPUBLISH = Statement(
    text(f"""
with chosen as (
  select seq, id from outbox_events
  where seq >= :start_seq and created_at >= :start_time and (:aggregate_id = '' or aggregate_id = :aggregate_id)
  order by seq limit :limit
), marked as (
  update outbox_events o set published_at = null from chosen
  where o.seq = chosen.seq and o.published_at is not null
    and not exists (select from inbox_events i where i.consumer = '{RELAY}' and i.event_id = chosen.id)
  returning 1
)
select (select count(*) from marked) as marked, count(*) as chosen, coalesce(max(seq), 0) as last from chosen
""")
)


class Republished(NamedTuple):
    """How many events go out again, and the seq to go on from; 0 when there is nothing more."""

    events: int
    next_seq: int


async def republish(
    tx: Executor,
    *,
    start_time: datetime | None = None,
    start_seq: int = 0,
    aggregate_id: str = "",
    limit: int = 0,
) -> Republished:
    """Mark at most `limit` (LIMIT unless given) events as unpublished, from this time and place in the outbox on."""
    limit = limit or LIMIT
    row = await tx.fetchrow(
        _REPUBLISH,
        start_time=start_time or _EVER,
        start_seq=start_seq,
        aggregate_id=aggregate_id,
        limit=limit,
    )
    assert row is not None
    return Republished(row["marked"], row["last"] + 1 if row["chosen"] == limit else 0)
