"""Statements are planned once, perhaps while their tables are next to empty, and run when they are full."""

import asyncpg

from lumi_common.db.database import Database
from lumi_local.postgres import PostgresServer


async def test_a_statement_planned_on_an_empty_table_goes_by_the_key(
    database: Database, server: PostgresServer
) -> None:
    owner = await asyncpg.connect(server.dsn_superuser)
    await owner.execute("analyze orders.widgets")  # and so it is known to be empty
    await owner.close()

    async with database.pool.connection() as connection:
        await connection.execute("prepare by_id(text[]) as select * from widgets where id = any($1)")
        plan = [row[0] for row in await connection.fetch("explain execute by_id('{a,b}')")]
        await connection.execute("deallocate by_id")

    assert "Index Scan using widgets_pkey" in plan[0]
