"""A row goes with all that goes with it, and each aggregate's end is told."""

from typing import Any

import pytest
from sqlalchemy import Column, ForeignKey, Table, bindparam, select, update

from libs.common.tests.db.crossing import (
    IDEA,
    PRODUCT,
    PURGE,
    REMOVE_VARIANT,
    STOCK,
    VARIANT,
    Crossing,
    ideas,
    insert,
    labels,
    owner_common,
)
from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Row
from lumi_common.db.record import Aggregate, recorded
from lumi_common.db.removal import losing, removal
from lumi_common.db.statement import Statement
from lumi_common.db.tables import common_tables, id_column, identifier, schema, stamps


async def remove(crossing: Crossing, context: Context, statement: Statement, id: str) -> Row | None:
    return await crossing.catalogue.on(context).fetchrow(statement, id=id)


async def outbox(crossing: Crossing) -> Any:
    [row] = await crossing.catalogue.pool.fetch("select * from outbox_events")
    return row


async def count(crossing: Crossing, table: str) -> int:
    counted: int = await crossing.catalogue.pool.fetchval(f"select count(*) from {table}")
    return counted


async def test_what_goes_with_a_row_has_its_end_told_and_what_loses_it_its_change(
    crossing: Crossing, context: Context
) -> None:
    product, variants = await crossing.product(2)
    other, _ = await crossing.product(1)
    on = crossing.catalogue.pool
    idea, free = await insert(on, "ideas", product_id=product), await insert(on, "ideas")
    await insert(on, "labels", product_id=product)
    await on.fetch("update products set version = 4 where id = $1", product)

    gone = await remove(crossing, context, PURGE, product)

    assert gone is not None and (gone["id"], gone["title"], gone["version"]) == (product, "Soup", 5)
    assert [row["id"] for row in await on.fetch("select id from products")] == [other]
    assert [await count(crossing, table) for table in ("product_variants", "stocks", "labels")] == [1, 1, 0]
    kept = {row["id"]: tuple(row)[1:] for row in await on.fetch("select id, product_id, version from ideas")}
    assert kept == {idea: (None, 2), free: (None, 1)}
    row = await outbox(crossing)
    assert (row["aggregate"], row["aggregate_id"], row["type"]) == ("Product", product, "product.purged")
    # After everything that was told of it before.
    assert row["version"] == 5
    told = sorted((each["entity"], each["action"], "before" in each, "after" in each) for each in row["records"])
    assert told == [
        ("Idea", "idea.updated", True, True),
        ("Product", "product.purged", True, False),
        *[("ProductVariant", "product_variant.purged", True, False)] * 2,
        *[("Stock", "stock.purged", True, False)] * 2,
    ]
    assert {each["id"] for each in row["records"]} >= {product, idea, *variants}
    [lost] = [each for each in row["records"] if each["entity"] == "Idea"]
    assert (lost["before"], lost["after"]) == ({"product_id": product}, {})
    assert {each["before"]["secret"] for each in row["records"] if each["entity"] == "Stock"} == {"[redacted]"}
    assert row["headers"]["actor_id"] == "ada"


async def test_what_goes_alone_is_told_alone(crossing: Crossing, context: Context) -> None:
    _, [variant] = await crossing.product(1)

    await remove(crossing, context, REMOVE_VARIANT, variant)

    row = await outbox(crossing)
    assert sorted(each["action"] for each in row["records"]) == ["product_variant.deleted", "stock.deleted"]
    assert row["version"] == 2
    assert await count(crossing, "products") == 1


async def test_what_is_not_there_is_not_told(crossing: Crossing, context: Context) -> None:
    await crossing.product(1)

    assert await remove(crossing, context, PURGE, cuid()) is None

    assert await crossing.told(crossing.catalogue) == []
    assert await count(crossing, "product_variants") == 1


async def test_nobody_who_drops_what_is_not_newer_misses_the_end(crossing: Crossing, context: Context) -> None:
    product, _ = await crossing.product(0)
    change = update(PRODUCT.table).where(PRODUCT.table.c.id == bindparam("id"))
    rename = recorded(owner_common, losing(PRODUCT, change.values(title="Stew")))
    await remove(crossing, context, rename, product)

    await remove(crossing, context, PURGE, product)

    versions = [version for _, version, _ in await crossing.told(crossing.catalogue)]
    assert versions == [2, 3]


async def test_what_is_given_beside_goes_into_the_same_statement(crossing: Crossing, context: Context) -> None:
    product, [variant] = await crossing.product(1)
    await insert(crossing.catalogue.pool, "labels", product_id=product)
    idea = await insert(crossing.catalogue.pool, "ideas", product_id=product)
    whose = select(VARIANT.table.c.product_id).where(VARIANT.table.c.id == bindparam("id"))
    told = losing(IDEA, update(ideas).where(ideas.c.product_id.in_(whose)), name="told")
    part = labels.delete().where(labels.c.product_id.in_(whose)).cte("unlabelled")
    statement = removal(owner_common, VARIANT, "product_variant.deleted", (VARIANT, STOCK), parts=[part], beside=[told])

    await remove(crossing, context, statement, variant)

    assert await count(crossing, "labels") == 0
    row = await outbox(crossing)
    actions = sorted(each["action"] for each in row["records"])
    assert actions == ["idea.updated", "product_variant.deleted", "stock.deleted"]
    assert await crossing.catalogue.pool.fetchval("select version from ideas where id = $1", idea) == 2


def test_what_could_not_be_told_is_refused() -> None:
    metadata = schema("catalogue")
    common = common_tables(metadata)
    tops = Table("tops", metadata, id_column(), *stamps())
    middles = Table("middles", metadata, id_column(), Column("top_id", identifier, ForeignKey(tops.c.id)), *stamps())
    bottoms = Table("bottoms", metadata, id_column(), Column("mid_id", identifier, ForeignKey(middles.c.id)), *stamps())
    top, bottom = Aggregate("Top", tops, shows=""), Aggregate("Bottom", bottoms, shows="")

    with pytest.raises(ValueError, match="what goes with it would not be told"):
        removal(common, top, "top.deleted", (top, bottom))
