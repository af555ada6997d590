"""From when on tokens count: of every user and session for whom that changed lately.

No table of its own: the rows with a late `not_before` are the list, and the database's time is the cursor.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Interval, Select, Table, Text, bindparam, func, literal_column, select, tuple_

from lumi_common.db.database import Executor
from lumi_common.db.statement import Statement
from lumi_common.db.tables import timestamp
from lumi_common.rpc.claims import USER_SECONDS
from lumi_common.rpc.revocations import Revocation, Told
from lumi_identity.storage.tables import user_sessions, users

PAGE = 5000
# Told again for this long, longer than any transaction takes: so what is committed late is not passed over.
_OVERLAP = timedelta(seconds=30)
_LONGEST = literal_column(f"interval '{USER_SECONDS} seconds'", Interval)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_since = func.coalesce(bindparam("since", type_=timestamp), func.now() - _LONGEST)


def _late(table: Table) -> Select[tuple[str, datetime]]:
    return select(table.c.id, table.c.not_before).where(table.c.not_before >= _since)


_all = _late(users).union_all(_late(user_sessions)).subquery("late")
_REVOKED = Statement(
    select(_all.c.id, _all.c.not_before, func.now().label("now"))
    .where(tuple_(_all.c.not_before, _all.c.id) > tuple_(_since, bindparam("after", type_=Text)))
    .order_by(_all.c.not_before, _all.c.id)
    .limit(bindparam("size"))
)


async def list_revocations(on: Executor, cursor: str) -> Told:
    """What was revoked since the cursor, or since the oldest token was issued that may be good; some is told again.

    A cursor is `<microseconds>`, or within a list that is read in parts `<microseconds>.<id>`.
    """
    micros, _, after = cursor.partition(".")
    since = _EPOCH + timedelta(microseconds=int(micros)) if micros else None
    rows = await on.fetch(_REVOKED, since=since, after=after, size=PAGE)
    told = [Revocation(row["id"], row["not_before"]) for row in rows]
    if len(rows) == PAGE:
        return Told(told, f"{_micros(rows[-1]['not_before'])}.{rows[-1]['id']}", more=True)
    if rows:
        return Told(told, _micros(rows[-1]["now"] - _OVERLAP), more=False)
    # Nothing new, or nothing after the last full part: then what is committed late may still come before it.
    return Told(told, _micros(since - _OVERLAP) if since and after else cursor, more=False)


def _micros(time: datetime) -> str:
    return str((time - _EPOCH) // timedelta(microseconds=1))
