"""Migrations lead to the tables, and back."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from lumi_common.db import migrate
from lumi_local import testing
from lumi_orders.storage.tables import metadata

FOLDER = Path(__file__).parents[2] / "migrations"


def test_up_down_up_leaves_the_schema_that_the_tables_say() -> None:
    with testing.postgres("orders_migrations") as server:
        dsn = server.dsn_superuser
        migrate.upgrade(dsn, metadata, FOLDER)
        migrate.downgrade(dsn, metadata, FOLDER)
        migrate.upgrade(dsn, metadata, FOLDER)

        assert migrate.differences(dsn, metadata) == []


# An order as the release before writes it: it knows no `prices_include_tax`.
BEFORE = """
    with o as (insert into orders.orders (id, reference, total_amount, subtotal_amount, tax_amount, discount_amount)
               values ($1, $1, 9, 10, 0, 1) returning id)
    insert into orders.order_items (id, order_id, product_id, product_variant_id, quantity, unit_price, total_amount,
                                    discount_amount, title_snapshot)
    select $1, id, 'p', 'v', 2, 5, 9, 1, 'Milk' from o
"""
INSIDE = """
    with o as (update orders.orders set tax_amount = 1.5, prices_include_tax = $2 where id = $1 returning id)
    update orders.order_items i set tax_amount = 1.5 from o where i.order_id = o.id
"""


async def test_orders_of_the_release_before_pass_and_keep_coming() -> None:
    with testing.postgres("orders_releases") as server:
        dsn = server.dsn_superuser
        await asyncio.to_thread(migrate.upgrade, dsn, metadata, FOLDER, "20261122_1600")
        connection = await asyncpg.connect(dsn)
        await connection.execute(BEFORE, "old")
        await asyncio.to_thread(migrate.upgrade, dsn, metadata, FOLDER)

        await connection.execute(BEFORE, "late")
        await connection.execute(INSIDE, "old", True)
        with pytest.raises(asyncpg.CheckViolationError, match="orders_amounts_check"):
            await connection.execute(INSIDE, "late", False)

        assert await connection.fetch("select 1 from pg_constraint where not convalidated") == []
        await asyncio.to_thread(migrate.downgrade, dsn, metadata, FOLDER, "20261122_1600")
        assert await connection.fetchval("select count(*) from orders.orders") == 2
        await connection.close()
