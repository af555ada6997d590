"""When the relay hears of an outbox row."""

from decimal import Decimal

import asyncpg
import pytest

from libs.common.tests.db.widgets import Widget, WidgetRepository
from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_local.postgres import PostgresServer

# Fails when the transaction commits, long after its statements have succeeded.
_REFUSES_AT_COMMIT = """
create function orders.refuse() returns trigger language plpgsql as $$ begin raise exception 'not today'; end $$;
create constraint trigger refuse after insert on orders.widgets
  deferrable initially deferred for each row execute function orders.refuse();
"""
_REFUSES_NO_MORE = "drop trigger if exists refuse on orders.widgets; drop function if exists orders.refuse()"


@pytest.fixture
async def superuser(server: PostgresServer, database: Database):
    connection = await asyncpg.connect(server.dsn_superuser)
    yield connection
    await connection.execute(_REFUSES_NO_MORE)
    await connection.close()


@pytest.fixture
def heard(database: Database) -> list[str]:
    """A word for each time that somebody was told of new outbox rows."""
    told: list[str] = []
    database.on_outbox_write = lambda: told.append("woken")
    return told


async def write(database: Database, context: Context) -> None:
    async with database.transaction(context) as transaction:
        await WidgetRepository(transaction).insert(Widget(cuid(), "ada", cuid(), None, Decimal(1)), "widget.created")


async def test_the_relay_is_woken_once_a_transaction_has_committed(database, context, heard):
    await write(database, context)

    assert heard == ["woken"]


async def test_what_fails_at_its_commit_wakes_nobody(database, context, heard, superuser):
    await superuser.execute(_REFUSES_AT_COMMIT)

    with pytest.raises(asyncpg.RaiseError):
        await write(database, context)

    assert heard == []
    assert await superuser.fetchval("select count(*) from orders.outbox_events") == 0
