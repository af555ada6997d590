"""Who sees what in the database and in the broker, as `bootstrap.sql` and the broker's allow-lists have it."""

from collections.abc import Iterator

import asyncpg
import nats
import pytest
from nats.errors import Error as NatsError

from lumi_common.events.streams import ensure_streams, inbox_prefix
from lumi_local import testing
from lumi_local.nats import NatsServer
from lumi_local.postgres import PostgresServer


@pytest.fixture(scope="module")
def database() -> Iterator[PostgresServer]:
    with testing.postgres("roles") as server:
        yield server


@pytest.fixture(scope="module")
def broker() -> Iterator[NatsServer]:
    with testing.nats() as server:
        yield server


@pytest.fixture
async def table(database):
    """A table in the orders schema, made as a migration would."""
    connection = await asyncpg.connect(database.dsn_superuser)
    await connection.execute(
        "drop table if exists orders.things; set role lumi_orders_owner;"
        "create table orders.things (id bigint generated always as identity, name extensions.citext)"
    )
    await connection.close()


async def test_service_writes_in_its_own_schema_without_naming_it(database, table):
    service = await asyncpg.connect(database.dsn("lumi_orders"))
    await service.execute("insert into things (name) values ('Bread')")

    assert await service.fetchval("select name from things where name = 'bread'") == "Bread"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.execute("create table more ()")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.execute("truncate things")
    await service.close()


async def test_auditor_reads_every_schema_and_writes_nowhere(database, table):
    auditor = await asyncpg.connect(database.dsn("lumi_auditor"))

    assert await auditor.fetch("select * from orders.things") == []
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await auditor.execute("insert into orders.things (name) values ('x')")
    await auditor.execute("set default_transaction_read_only = off")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await auditor.execute("insert into orders.things (name) values ('x')")
    await auditor.close()


async def test_bootstrap_may_be_repeated(database, table):
    with testing.postgres("roles") as again:
        assert again.port == database.port


async def test_service_publishes_its_own_events_only(broker):
    await ensure_streams(broker.url_admin)
    service = await nats.connect(broker.url("orders"), inbox_prefix=inbox_prefix("orders"), allow_reconnect=False)
    stream = service.jetstream(timeout=1)

    assert (await stream.publish("lumi.orders.order.placed", b"{}")).stream == "LUMI_ORDERS"
    with pytest.raises(NatsError):
        await stream.publish("lumi.payments.payment.settled", b"{}")
    await service.close()
