"""Migrations lead to the tables, back, and to the very same tables again."""

import asyncio
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from lumi_common.db import migrate
from lumi_identity.storage.tables import metadata
from lumi_local import testing

FOLDER = Path(__file__).parents[2] / "migrations"

CATALOGUE = """
    select 'column' as kind, table_name || '.' || column_name as name,
        concat_ws(' ', data_type, udt_name, collation_name, is_nullable, column_default) as said
    from information_schema.columns where table_schema = 'identity'
    union all select 'index', indexname, indexdef from pg_indexes where schemaname = 'identity'
    union all select 'constraint', conname, pg_get_constraintdef(oid)
    from pg_constraint where connamespace = 'identity'::regnamespace
    union all select 'grant', relname || coalesce('.' || attname, ''), coalesce(attacl, relacl)::text
    from pg_class left join pg_attribute on attrelid = pg_class.oid and attacl is not null
    where relnamespace = 'identity'::regnamespace
    order by 1, 2, 3
"""


def test_up_down_up_leaves_the_same_schema() -> None:
    with testing.postgres("identity_migrations") as server:
        dsn = server.dsn_superuser

        async def catalogue() -> list[Any]:
            connection = await asyncpg.connect(dsn)
            try:
                return [tuple(row) for row in await connection.fetch(CATALOGUE)]
            finally:
                await connection.close()

        migrate.upgrade(dsn, metadata, FOLDER)
        first = asyncio.run(catalogue())
        migrate.downgrade(dsn, metadata, FOLDER)
        nothing = asyncio.run(catalogue())
        migrate.upgrade(dsn, metadata, FOLDER)

        assert asyncio.run(catalogue()) == first
        assert {name.split(".")[0] for kind, name, _ in nothing if kind == "column"} == {"alembic_version"}
        assert migrate.differences(dsn, metadata) == []


@pytest.mark.parametrize("table", sorted(metadata.tables))
def test_every_foreign_key_leads_an_index(table: str) -> None:
    described = metadata.tables[table]
    leading = {next(iter(index.columns)).name for index in described.indexes}
    leading |= {next(iter(described.primary_key.columns)).name}

    assert {key.parent.name for key in described.foreign_keys} <= leading
