"""Two small schemas, an owner and one that refers to it, with all that the database holds of it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
from alembic.migration import MigrationContext
from alembic.operations import Operations
from lumi.common.v1 import event_pb2
from sqlalchemy import Column, Connection, ForeignKey, Table, Text, bindparam, delete, text
from sqlalchemy.ext.asyncio import create_async_engine

from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_common.db.personal import personal
from lumi_common.db.record import Aggregate, recorded
from lumi_common.db.references import references, refers_to
from lumi_common.db.referrer import Referrer, Target
from lumi_common.db.removal import removal
from lumi_common.db.statement import Statement
from lumi_common.db.steps import hold_reference
from lumi_common.db.tables import common_tables, id_column, identifier, schema, stamps, version
from lumi_common.events.event import Event
from lumi_common.rpc.convert import time_to_proto
from lumi_local.postgres import PostgresServer
from tests.kit.waiting import until

VARIANTS, PRODUCTS, USERS = "catalogue.product_variants", "catalogue.products", "identity.users"

# The owner: a product with what goes with it, and what only loses it.
owner = schema("catalogue")
owner_common = common_tables(owner)
products = Table("products", owner, id_column(), Column("title", Text, nullable=False), version(), *stamps())


def _of(table: Table, name: str, on_delete: str, **options: Any) -> Column[str]:
    return Column(name, identifier, ForeignKey(table.c.id, ondelete=on_delete), index=True, **options)


product_variants = Table(
    "product_variants", owner, id_column(), _of(products, "product_id", "CASCADE"), version(), *stamps()
)
stocks = Table(
    "stocks", owner, id_column(), _of(product_variants, "product_variant_id", "CASCADE"),
    Column("secret", Text), *stamps(),
)  # fmt: skip
ideas = Table("ideas", owner, id_column(), _of(products, "product_id", "SET NULL"), version(), *stamps())
labels = Table("labels", owner, id_column(), _of(products, "product_id", "CASCADE"), *stamps())

PRODUCT = Aggregate("Product", products, shows="title")
VARIANT = Aggregate("ProductVariant", product_variants, shows="product_id")
STOCK = Aggregate("Stock", stocks, shows="product_variant_id")
IDEA = Aggregate("Idea", ideas, shows="product_id")
OF_OWNER = (PRODUCT, VARIANT, STOCK, IDEA)
PURGE = removal(owner_common, PRODUCT, "product.purged", OF_OWNER)
REMOVE_VARIANT = removal(owner_common, VARIANT, "product_variant.deleted", OF_OWNER)

# Who refers to it, and to users: by every rule that there is.
other = schema("orders")
other_common = common_tables(other)
baskets = Table(
    "baskets",
    other,
    id_column(),
    Column("user_id", identifier, index=True, info=refers_to(USERS, "SET NULL")),
    Column("helper_id", identifier, index=True, info=refers_to(USERS, "SET NULL")),
    Column("status", Text, nullable=False, server_default=text("'ACTIVE'")),
    Column("note", Text, info=personal("words", "blanked")),
    Column("bill_to", Text, info=personal("address", "kept")),
    version(),
    *stamps(),
)
_FILLED = "basket_id in (select id from orders.baskets where status = 'ACTIVE')"
items = Table(
    "items",
    other,
    id_column(),
    _of(baskets, "basket_id", "CASCADE"),
    Column("variant_id", identifier, nullable=False, index=True, info=refers_to(VARIANTS, "RESTRICT", while_=_FILLED)),
    *stamps(),
)
bills = Table(
    "bills",
    other,
    id_column(),
    Column("variant_id", identifier, nullable=True, index=True, info=refers_to(VARIANTS, "RESTRICT")),
    Column("product_id", identifier, nullable=True, index=True, info=refers_to(PRODUCTS, "RESTRICT")),
    Column("words", Text),
    *stamps(),
)
letters = Table(
    "letters",
    other,
    id_column(),
    Column("user_id", identifier, nullable=False, index=True, info=refers_to(USERS, "CASCADE")),
    *stamps(),
)
pages = Table("pages", other, id_column(), _of(letters, "letter_id", "CASCADE"), version(), *stamps())
copies = Table("copies", other, id_column(), _of(letters, "letter_id", "SET NULL"), version(), *stamps())

# What others refer to of this one.
Table("orders", other, id_column(), *stamps())

BASKET = Aggregate("Basket", baskets, shows="user_id helper_id status")
ITEM = Aggregate("Item", items, shows="basket_id variant_id")
LETTER = Aggregate("Letter", letters, shows="user_id")
PAGE = Aggregate("Page", pages, shows="letter_id")
COPY = Aggregate("Copy", copies, shows="letter_id")
OF_OTHER = (BASKET, ITEM, LETTER, PAGE, COPY)
_LEAVE = ITEM.change(delete(items).where(items.c.variant_id == bindparam("id", type_=Text)), "item.left")
REFERRER = Referrer(
    other, other_common, OF_OTHER, leaving={"orders.items.variant_id": recorded(other_common, _LEAVE, batch=True)}
)


def _make(connection: Connection) -> None:
    for metadata in (owner, other):
        metadata.create_all(connection)
        name = metadata.schema
        connection.exec_driver_sql(f"grant all on all tables in schema {name} to lumi_{name}")
        connection.exec_driver_sql(f"grant usage on all sequences in schema {name} to lumi_{name}")
    with Operations.context(MigrationContext.configure(connection)):
        for column, reference in references(other):
            hold_reference("orders", column.table.name, column.name, reference.target)


async def make(server: PostgresServer) -> None:
    """Make both schemas in this database."""
    engine = create_async_engine(server.dsn_superuser.replace("postgresql://", "postgresql+asyncpg://"))
    async with engine.begin() as connection:
        await connection.run_sync(_make)
    await engine.dispose()


class Crossing:
    """Both schemas' databases, and what tests ask of them; `catalogue` owns, `orders` refers."""

    def __init__(self, catalogue: Database, orders: Database) -> None:
        self.catalogue, self.orders = catalogue, orders

    @classmethod
    @asynccontextmanager
    async def opened(cls, server: PostgresServer) -> AsyncIterator["Crossing"]:
        """Both schemas, empty."""
        superuser = await asyncpg.connect(server.dsn_superuser)
        tables = [table.fullname for metadata in (owner, other) for table in metadata.sorted_tables]
        await superuser.execute(f"truncate {', '.join(tables)} restart identity")
        await superuser.close()
        databases = [Database(server.dsn(f"lumi_{name}"), schema=name) for name in ("catalogue", "orders")]
        for database in databases:
            await database.open()
        yield cls(*databases)
        for database in databases:
            await database.close()

    async def product(self, variants: int = 1) -> tuple[str, list[str]]:
        """A product of the owner's with so many variants, each with a stock; their ids."""
        product, ids = cuid(), [cuid() for _ in range(variants)]
        run = self.catalogue.pool
        await run.fetch("insert into products (id, title) values ($1, 'Soup')", product)
        for id in ids:
            await run.fetch("insert into product_variants (id, product_id) values ($1, $2)", id, product)
            await run.fetch("insert into stocks (id, product_variant_id, secret) values ($1, $2, 'little')", cuid(), id)
        return product, ids

    async def basket(self, *variants: str, **values: Any) -> str:
        """A basket with these in it; values are its columns."""
        id = await insert(self.orders.pool, "baskets", **values)
        for variant in variants:
            await insert(self.orders.pool, "items", basket_id=id, variant_id=variant)
        return id

    async def bill(self, **values: Any) -> str:
        """A row that names these, as the service writes it: a refusal has its name."""
        names = ", ".join(["id", *values])
        places = ", ".join(f":{name}" for name in ("id", *values))
        id = cuid()
        await self.orders.fetch(Statement(text(f"insert into bills ({names}) values ({places})")), id=id, **values)
        return id

    async def mark(self, id: str) -> datetime | None:
        """When orders marked this id as gone; None for one that can be named."""
        marked: datetime | None = await self.orders.pool.fetchval(
            "select gone_at from reference_targets where id = $1", id
        )
        return marked

    async def told(self, database: Database) -> list[tuple[str, int, list[str]]]:
        """The outbox: the type, the version, and the actions of the records of each row."""
        rows = await database.pool.fetch("select type, version, records from outbox_events order by seq")
        return [(row["type"], row["version"], [each["action"] for each in row["records"]]) for row in rows]


async def insert(on: Any, table: str, **values: Any) -> str:
    """A row with these values, by whatever runs SQL; its id."""
    values = {"id": cuid()} | values
    places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    await on.fetch(f"insert into {table} ({', '.join(values)}) values ({places})", *values.values())
    return str(values["id"])


async def until_waiting(database: Database) -> None:
    """Until somebody in this database waits for a lock."""

    async def waits() -> bool:
        waiting: bool = await database.pool.fetchval(
            "select exists(select from pg_stat_activity"
            " where wait_event_type = 'Lock' and datname = current_database())"
        )
        return waiting

    await until(waits, "somebody waits for a lock")


def moment(seconds: float = 0) -> datetime:
    """So many seconds from now."""
    return datetime.now(UTC) + timedelta(seconds=seconds)


def ended(entity: str, *ids: str, source: str = "identity", **sides: str) -> Event:
    """The event that these rows are gone; `sides` are other sides of the records than those of a removal."""
    given: Mapping[str, str] = sides or {"before": "{}"}
    message = event_pb2.Event(
        id=str(uuid4()), type=f"{entity.lower()}.purged", source=source, aggregate=entity, aggregate_id=ids[0],
        version=7, time=time_to_proto(moment()),
        records=[event_pb2.Record(entity=entity, id=id, action="user.purged", audit=True, **given) for id in ids],
    )  # fmt: skip
    return Event(message)


def variant(id: str) -> Target:
    return Target(VARIANTS, id)
