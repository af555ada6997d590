"""`updated_at` moves on every update: the shop that all tests share refuses an update that leaves it where it was."""

from uuid import uuid4

import asyncpg
import pytest

from lumi_common.cuid import cuid
from tests.kit.shop import Shop
from tests.schema.description import Described


async def test_every_table_with_stamps_is_watched_but_the_append_only_one(
    shop: Shop, described: dict[str, Described]
) -> None:
    async with shop.database("identity") as database:
        watched = await database.fetch(
            "select format('%s.%s', relnamespace::regnamespace, relname) from pg_trigger "
            "join pg_class c on c.oid = tgrelid where tgname = 'updated_at_moves' and tgenabled = 'O'"
        )

    tables = [table for schema in described.values() for table in schema.tables]
    stamped = {str(table) for table in tables if any(column.name == "updated_at" for column in table.columns)}
    assert {row[0] for row in watched} == stamped - {"identity.audit_logs"}


async def test_an_update_without_the_stamp_is_refused(shop: Shop) -> None:
    id = cuid()
    service = await asyncpg.connect(shop.postgres.dsn("lumi_identity"))
    try:
        await service.execute("insert into identity.roles (id, name) values ($1, $2)", id, uuid4().hex)
        with pytest.raises(asyncpg.RaiseError, match=r"identity\.roles was updated without its updated_at"):
            await service.execute("update identity.roles set description = 'x' where id = $1", id)
        await service.execute("update identity.roles set description = 'x', updated_at = now() where id = $1", id)
    finally:
        await service.close()
