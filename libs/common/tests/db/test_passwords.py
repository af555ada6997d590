"""A password is replaced while a service goes on: it asks for the present one at each connect."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from sqlalchemy import text

from lumi_common.cuid import cuid
from lumi_common.db.connection import connect
from lumi_common.db.database import Database
from lumi_common.db.pool import Pool
from lumi_common.db.statement import Statement
from lumi_common.errors import Unavailable
from lumi_common.events.leader import leadership
from lumi_common.secret import values
from lumi_local.postgres import PostgresServer

ONE = Statement(text("select 1"))


class Login:
    """A role of a test's own; `told` is what its service would find in the file of its secret."""

    def __init__(self, server: PostgresServer, name: str) -> None:
        self._server, self.name = server, name
        self.told: list[str] = []

    def dsn(self, password: str) -> str:
        parts = urlsplit(self._server.dsn("lumi_orders"))
        return urlunsplit(parts._replace(netloc=f"{self.name}:{password}@{self._server.host}:{self._server.port}"))

    async def becomes(self, password: str) -> None:
        await self.run(f"alter role {self.name} password '{password}'")

    async def run(self, command: str) -> None:
        connection = await asyncpg.connect(self._server.dsn_superuser)
        await connection.execute(command)
        await connection.close()


@pytest.fixture
async def login(server: PostgresServer) -> AsyncIterator[Login]:
    login = Login(server, f"lumi_test_{cuid()}")
    await login.run(f"create role {login.name} login password 'old'; grant lumi_orders to {login.name}")
    await login.run(f"grant connect on database {server.database} to {login.name}")
    login.told = [login.dsn("old")]
    yield login
    await login.run(f"drop owned by {login.name}; drop role {login.name}")


@pytest.fixture
async def database(login: Login) -> AsyncIterator[Database]:
    """A pool whose connections are too old as soon as they come back."""
    database = Database(lambda: login.told, schema="orders", max_size=3, max_age=0.0)
    await database.open()
    yield database
    await database.close()


async def test_no_call_is_lost_while_a_password_is_replaced(database: Database, login: Login) -> None:
    done, over = 0, asyncio.Event()

    async def traffic() -> None:
        nonlocal done
        while not over.is_set():
            assert await database.fetchval(ONE) == 1
            done += 1

    async def after_some_more() -> None:
        goal = done + 10
        while done < goal and not any(task.done() for task in busy):  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    busy = [asyncio.create_task(traffic()) for _ in range(4)]
    await after_some_more()
    login.told = [login.dsn("new"), login.dsn("old")]
    await after_some_more()
    await login.becomes("new")
    await after_some_more()
    login.told = [login.dsn("new")]
    await after_some_more()
    over.set()
    await asyncio.gather(*busy)

    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(login.dsn("old"))


async def test_a_password_that_is_good_no_more_is_unavailable_until_the_new_one_is_told(
    database: Database, login: Login
) -> None:
    await login.becomes("new")

    with pytest.raises(Unavailable) as refusal:
        await database.fetchval(ONE)
    assert login.name not in str(refusal.value)

    login.told = [login.dsn("new")]
    assert await database.fetchval(ONE) == 1


async def test_what_is_connected_goes_on_with_a_password_that_is_good_no_more(login: Login) -> None:
    database = Database(lambda: login.told, schema="orders", max_size=1)
    await database.open()

    await login.becomes("new")

    assert await database.fetchval(ONE) == 1
    await database.close()


async def test_whoever_wants_to_lead_takes_the_present_password(login: Login) -> None:
    await login.becomes("new")
    login.told = [login.dsn("wrong"), login.dsn("new")]

    async with leadership(lambda: login.told, "orders", cuid()) as lead:
        assert await lead.connection.fetchval("select 1") == 1


async def test_the_new_one_is_tried_again_when_the_old_one_is_good_no_more(login: Login) -> None:
    told = [login.dsn("new"), login.dsn("old")]

    assert values(lambda: told) == [*told, told[0]]
    assert values(lambda: told[:1]) == told[:1]
    assert values("as it is") == ["as it is"]
    with pytest.raises(asyncpg.InvalidPasswordError):
        await connect(lambda: [login.dsn("a"), login.dsn("b")])


def pool_of(server: PostgresServer, **options: Any) -> Pool:
    return Pool(lambda: asyncpg.connect(server.dsn("lumi_orders")), **options)


async def test_connections_that_are_too_old_are_closed_once_nobody_uses_them(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("lumi_common.db.pool.monotonic", lambda: now)
    pool = pool_of(server, max_size=2, max_age=60)
    first, second = await pool.take(), await pool.take()
    pool.give(first)
    pool.give(second)
    assert await pool.take() is second
    now = 61
    assert not second.is_closed()

    pool.give(second)
    third = await pool.take()
    assert third is first  # which nobody has looked at since
    pool.give(third)
    assert pool.open == 0
    await pool.close()
    assert first.is_closed()
    assert second.is_closed()


async def test_who_waits_for_a_connection_is_not_forgotten_when_an_old_one_is_closed(server: PostgresServer) -> None:
    pool = pool_of(server, max_size=1, max_age=0.0)
    found = await asyncio.gather(*(pool.fetchval("select pg_backend_pid()") for _ in range(4)))

    assert len(set(found)) == 4
    await pool.close()
