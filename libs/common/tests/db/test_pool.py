"""Connections are shared fairly, and none is lost."""

import asyncio
from typing import Any

import pytest

from lumi_common.db.database import Database
from lumi_common.db.pool import Pool
from lumi_local.postgres import PostgresServer


@pytest.fixture
async def pool(server: PostgresServer) -> Any:
    import asyncpg

    async def connect() -> Any:
        return await asyncpg.connect(server.dsn("lumi_orders"))

    pool = Pool(connect, max_size=2)
    yield pool
    await pool.close()


async def pid(connection: Any) -> int:
    return int(await connection.fetchval("select pg_backend_pid()"))


async def test_the_last_one_used_is_handed_out_first(pool: Pool) -> None:
    first, second = await pool.take(), await pool.take()
    pool.give(first)
    pool.give(second)

    again = await pool.take()

    assert again is second
    pool.give(again)


async def test_many_users_share_few_connections(pool: Pool) -> None:
    pids = await asyncio.gather(*(pool.fetchval("select pg_backend_pid() from pg_sleep(0.01)") for _ in range(40)))

    assert len(set(pids)) == 2


async def test_a_connection_that_its_server_closed_is_replaced(pool: Pool) -> None:
    async with pool.connection() as connection:
        old = await pid(connection)
    async with pool.connection() as killer, pool.connection() as other:
        await other.execute("select pg_terminate_backend($1)", await pid(killer))
    await asyncio.sleep(0.1)

    found = await asyncio.gather(*(pool.fetchval("select pg_backend_pid() from pg_sleep(0.01)") for _ in range(8)))

    assert len(set(found)) == 2
    assert old not in found or len(set(found)) == 2


async def test_one_that_was_cancelled_in_the_middle_is_thrown_away(pool: Pool) -> None:
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await pool.execute("select pg_sleep(5)")

    assert await asyncio.wait_for(pool.fetchval("select 1"), 5) == 1


async def test_who_is_cancelled_while_waiting_takes_nothing_along(pool: Pool) -> None:
    held = [await pool.take(), await pool.take()]
    waiting = [asyncio.create_task(pool.take()) for _ in range(3)]
    await asyncio.sleep(0)
    pool.give(held[0])
    waiting[0].cancel()
    await asyncio.gather(waiting[0], return_exceptions=True)
    pool.give(held[1])

    for taken in await asyncio.wait_for(asyncio.gather(*waiting[1:]), 5):
        pool.give(taken)


async def test_who_is_cancelled_when_told_to_connect_leaves_that_to_the_next(pool: Pool) -> None:
    kept, lost = [await pool.take() for _ in range(2)]
    first, second = (asyncio.create_task(pool.take()) for _ in range(2))
    await asyncio.sleep(0)

    pool.discard(lost)
    first.cancel()

    pool.give(await asyncio.wait_for(second, 5))
    assert first.cancelled()
    pool.give(kept)


async def test_a_transaction_left_open_does_not_come_back(pool: Pool) -> None:
    async with pool.connection() as connection:
        await connection.execute("begin")

    assert connection.is_closed()
    assert await pool.fetchval("select 1") == 1


async def test_whoever_waits_is_served_when_connecting_fails(server: PostgresServer) -> None:
    failures = 3

    async def connect() -> Any:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise OSError("away")
        import asyncpg

        return await asyncpg.connect(server.dsn("lumi_orders"))

    pool = Pool(connect, max_size=1)
    results = await asyncio.gather(*(pool.fetchval("select 1") for _ in range(6)), return_exceptions=True)

    assert sum(result == 1 for result in results) == 3
    await pool.close()


async def test_a_pool_smaller_than_its_usual_start_opens(server: PostgresServer) -> None:
    database = Database(server.dsn("lumi_orders"), schema="orders", max_size=1)

    async with asyncio.timeout(5):
        await database.open()
    assert await database.pool.fetch("select 1")

    await database.close()


async def test_a_pool_knows_how_it_is_used(pool: Pool) -> None:
    first, second = await pool.take(), await pool.take()
    pool.give(first)
    assert (pool.open, pool.in_use, pool.waiting, pool.max_size) == (2, 1, 0, 2)

    held = await pool.take()
    waiting = asyncio.create_task(pool.take())
    await asyncio.sleep(0)
    assert (pool.in_use, pool.waiting) == (2, 1)

    pool.give(held)
    pool.give(await waiting)
    pool.give(second)
    assert (pool.open, pool.in_use, pool.waiting) == (2, 0, 0)
