"""Reads that come at once share a statement, and each gets its own row."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import Text, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from lumi_catalogue.storage.gathered import Gathered
from lumi_catalogue.storage.tables import products
from lumi_common.db.database import Database
from lumi_common.db.statement import Statement
from lumi_common.errors import Unavailable
from services.catalogue.tests.kit import Shelf

_BY_IDS = Statement(select(products).where(products.c.id == func.any(bindparam("keys", type_=ARRAY(Text)))))


class Counted(Database):
    """A database that counts its statements, and may be away."""

    statements = 0
    away = False

    async def fetch(self, statement: Statement, /, **values: Any) -> list[Any]:
        self.statements += 1
        if self.away:
            raise Unavailable("UNAVAILABLE")
        return await super().fetch(statement, **values)


@pytest.fixture
async def counted(db: Database) -> Any:
    counted = Counted(db.dsn, schema="catalogue")
    await counted.open()
    yield counted
    await counted.close()


@pytest.fixture
async def ids(db: Database) -> list[str]:
    shelf = Shelf(db)
    for _ in range(5):
        await shelf.put(1)
    return [row["id"] for row in await db.pool.fetch("select id from products order by id desc limit 5")]


async def test_each_gets_its_own_row_in_few_statements(counted: Counted, ids: list[str]) -> None:
    reads = Gathered(counted, _BY_IDS, key="id")

    found = await asyncio.gather(*(reads.find(id) for id in ids * 20), reads.find("none"))

    assert [row["id"] if row else None for row in found] == [*(ids * 20), None]
    assert counted.statements <= 2


async def test_a_row_is_read_anew_for_whoever_asks_after_a_change(counted: Counted, ids: list[str]) -> None:
    reads = Gathered(counted, _BY_IDS, key="id")
    for title in ("one", "two", "three"):
        await counted.pool.execute("update products set title = $2 where id = $1", ids[0], title)

        row = await reads.find(ids[0])

        assert row is not None
        assert row["title"] == title


async def test_who_goes_away_takes_nobody_along(counted: Counted, ids: list[str]) -> None:
    reads = Gathered(counted, _BY_IDS, key="id")
    leaving = asyncio.create_task(reads.find(ids[0]))
    staying = asyncio.create_task(reads.find(ids[1]))
    await asyncio.sleep(0)
    leaving.cancel()

    row = await staying

    assert row is not None
    assert row["id"] == ids[1]


async def test_a_failure_is_everybodys_and_the_next_read_is_a_new_one(counted: Counted, ids: list[str]) -> None:
    reads = Gathered(counted, _BY_IDS, key="id")
    counted.away = True
    failed = await asyncio.gather(*(reads.find(id) for id in ids), return_exceptions=True)
    counted.away = False

    assert all(isinstance(each, Unavailable) for each in failed)
    assert await reads.find(ids[0]) is not None
