"""Writing rows like those that one reservation left: a script for pgbench made of the rows themselves."""

from collections.abc import Mapping
from uuid import UUID

import asyncpg

from lumi_bench.script import value_in_sql

# The columns that whoever inserts a row has to give.
_GIVEN = """
select attname, format_type(atttypid, atttypmod) from pg_attribute
where attrelid = $1::regclass and attnum > 0 and not attisdropped and not atthasdef and attidentity = ''
order by attnum
"""
_NUMBER = ":n"


async def reserve_again(dsn: str, order_id: str, request_id: str, too_much: int | None = None) -> str:
    """One statement that reserves what this order did, for another order each time: all of its rows or none.

    They are its reservation, the counters of the stock, its outbox row and its request record; `n` numbers the orders.
    It is the least that it takes: nothing is read but the row that is written, there is one round trip and one
    commit. With `too_much` every third order asks for so many, which there are not.
    """
    connection = await asyncpg.connect(dsn)
    try:
        held = await connection.fetchrow("select * from catalogue.stock_reservations where order_id = $1", order_id)
        other = f"('cagai' || lpad(({_NUMBER})::text, 20, '0'))"
        changing = {
            order_id: other,
            held["id"]: f"('cresv' || lpad(({_NUMBER})::text, 20, '0'))",
            request_id: f"('00000000-0000-4000-8000-' || lpad(({_NUMBER})::text, 12, '0'))",
        }
        inserts = [
            await _insert(connection, table, condition, changing)
            for table, condition in (
                ("catalogue.stock_reservations", f"order_id = '{order_id}'"),
                ("catalogue.outbox_events", f"aggregate_id = '{order_id}'"),
                ("catalogue.request_ids", f"request_id = '{UUID(request_id)}'"),
            )
        ]
    finally:
        await connection.close()
    wanted = str(held["quantity"])
    asked = wanted if too_much is None else f"(case when {_NUMBER} % 3 = 2 then {too_much} else {wanted} end)"
    return (
        f"with taken as (update catalogue.inventories set quantity_available = quantity_available - {wanted},"
        f" quantity_reserved = quantity_reserved + {wanted}, updated_at = now()"
        f" where product_variant_id = '{held['product_variant_id']}' and quantity_available >= {asked} returning id),"
        f" held as ({inserts[0]}), told as ({inserts[1]}) {inserts[2]};\n"
    )


async def _insert(connection: asyncpg.Connection, table: str, condition: str, changing: Mapping[str, str]) -> str:
    """An insert of this row with other ids, where the stock was there."""
    types = dict(await connection.fetch(_GIVEN, table))
    texts = ", ".join(f"{name}::text" for name in types)
    [row] = await connection.fetch(f"select {texts} from {table} where {condition}")
    values = {name: value for name, value in row.items() if value is not None}
    given = ", ".join(f"{value_in_sql(value, changing)}::{types[name]}" for name, value in values.items())
    return f"insert into {table} ({', '.join(values)}) select {given} from taken"
