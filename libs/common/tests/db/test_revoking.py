"""When a process hears of what it revoked itself: once that is committed, and only then."""

from contextlib import suppress

import pytest
from sqlalchemy import literal, select

from lumi_common.context import Context
from lumi_common.db.database import Database
from lumi_common.db.statement import Statement

_REVOKE = Statement(select(literal("ada").label("id"), literal(1).label("not_before")), revokes=True)
_READ = Statement(select(literal("bob").label("id")))


@pytest.fixture
def heard(database: Database) -> list[str]:
    """The ids that were told."""
    told: list[str] = []
    database.on_revocation = lambda rows: told.extend(row["id"] for row in rows)
    return told


async def test_a_statement_of_its_own_is_told_at_once(database: Database, context: Context, heard: list[str]) -> None:
    await database.fetch(_REVOKE)
    await database.on(context).fetch(_REVOKE)
    await database.fetch(_READ)

    assert heard == ["ada", "ada"]


async def test_a_transaction_is_told_after_its_commit(database: Database, context: Context, heard: list[str]) -> None:
    async with database.transaction(context) as transaction:
        await transaction.fetch(_REVOKE)
        await transaction.fetch(_READ)
        assert heard == []

    assert heard == ["ada"]


async def test_what_is_rolled_back_is_never_told(database: Database, context: Context, heard: list[str]) -> None:
    with suppress(LookupError):
        async with database.transaction(context) as transaction:
            await transaction.fetch(_REVOKE)
            raise LookupError

    assert heard == []


async def test_where_only_one_row_would_be_heard_of_nothing_is_revoked(
    database: Database, context: Context, heard: list[str]
) -> None:
    async with database.transaction(context) as transaction:
        for on in (database, database.on(context), transaction):
            for fetch in (on.fetchrow, on.fetchval):
                with pytest.raises(TypeError, match="revokes"):
                    await fetch(_REVOKE)

    assert heard == []
