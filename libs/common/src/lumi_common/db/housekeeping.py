"""Rows that have outlived their use, removed a batch at a time."""

from sqlalchemy import ColumnElement, Table, bindparam, delete, func, literal_column, select

from lumi_common.db.database import Database
from lumi_common.db.statement import Statement
from lumi_common.db.tables import CommonTables

BATCH = 1000


class Housekeeping:
    """Deletes expired request ids, and outbox rows 90 days after they were published.

    Inbox rows are kept 120 days: longer than the outboxes a lost stream is rebuilt from.
    """

    def __init__(self, database: Database, common: CommonTables) -> None:
        self._database = database
        inbox, outbox, requests = common.inbox, common.outbox, common.request_ids
        self._statements = (
            _oldest(requests, requests.c.expires_at < func.now()),
            _oldest(outbox, outbox.c.published_at < func.now() - literal_column("interval '90 days'")),
            _oldest(inbox, inbox.c.applied_at < func.now() - literal_column("interval '120 days'")),
        )

    async def run_once(self) -> int:
        """Remove what is due, in batches of 1,000; how many rows went."""
        removed = 0
        for statement in self._statements:
            while True:
                gone = len(await self._database.fetch(statement, batch=BATCH))
                removed += gone
                if gone < BATCH:
                    break
        return removed


def _oldest(table: Table, due: ColumnElement[bool]) -> Statement:
    keys = list(table.primary_key.columns)
    chosen = select(*keys).where(due).limit(bindparam("batch")).with_for_update(skip_locked=True).cte("chosen")
    matches = [key == chosen.c[key.name] for key in keys]
    return Statement(delete(table).where(*matches).returning(keys[0]))
