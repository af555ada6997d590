"""PostgreSQL from the wrong side: what a role tries beyond its own schema fails, and by want of privilege alone."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from lumi_local import testing
from lumi_local.postgres import PostgresServer
from lumi_local.topology import SERVICES
from tests.kit.shop import migrate

ROLES = [f"lumi_{service}" for service in SERVICES]
OTHERS = [(service, other) for service in SERVICES for other in SERVICES if other != service]
# Whatever a role is granted on what belongs to a schema, by the schema's name.
_REACH = """
    select distinct n.nspname::text from pg_namespace n
    where n.nspname <> 'information_schema' and n.nspname !~ '^pg_' and (
      has_schema_privilege($1, n.oid, 'usage, create')
      or exists (select from pg_class c where c.relnamespace = n.oid and case
        when c.relkind = 'S' then has_sequence_privilege($1, c.oid, 'usage, select, update')
        when c.relkind in ('r', 'p', 'v', 'm', 'f') then
          has_table_privilege($1, c.oid, 'select, insert, update, delete, truncate, references, trigger')
          or has_any_column_privilege($1, c.oid, 'select, insert, update, references')
        end)
      or exists (select from pg_proc p where p.pronamespace = n.oid and n.nspname <> 'extensions'
        and has_function_privilege($1, p.oid, 'execute')))
"""
# What nobody but a superuser may.
_MIGHTY = {
    "act as a superuser": "set role postgres",
    "be a superuser": "set session authorization postgres",
    "act as an owner": "set role lumi_{own}_owner",
    "make itself mighty": "alter role lumi_{own} superuser",
    "make a role": "create role thief",
    "make a database": "create database loot",
    "change another's password": "alter role lumi_{other} password 'x'",
    "grant itself another schema": "grant usage on schema {other} to lumi_{own}",
    "grant itself an owner": "grant lumi_{other}_owner to lumi_{own}",
    "read a file": "select pg_read_file('postgresql.conf')",
    "read any file": "select pg_read_binary_file('/etc/passwd')",
    "list files": "select pg_ls_dir('.')",
    "list logs": "select pg_ls_logdir()",
    "copy from a file": "copy outbox_events from '/etc/passwd'",
    "copy to a file": "copy (select 1) to '/tmp/loot'",
    "run a program": "copy (select 1) to program 'id'",
    "read from a program": "copy outbox_events from program 'id'",
    "import a file": "select lo_import('/etc/passwd')",
    "export a file": "select lo_export(1, '/tmp/loot')",
    "read the passwords": "select rolpassword from pg_authid",
    "read them as of old": "select * from pg_shadow",
    "read who may log in": "select * from pg_hba_file_rules",
    "read user mappings": "select * from pg_user_mapping",
    "set a server setting": "alter system set log_statement = 'all'",
    "load settings": "select pg_reload_conf()",
    "switch off checks": "set session_replication_role = replica",
    "load a library": "load 'pg_stat_statements'",
    "make an extension": "create extension pg_stat_statements",
    "make an untrusted language": "create function f() returns int language c as 'libc', 'getpid'",
    "make a schema": "create schema mine",
    "make something in public": "create table public.things ()",
    "make something among the extensions": "create table extensions.things ()",
    "shadow a function of the server's": "create function pg_catalog.now() returns int language sql as 'select 1'",
    "make something of its own": "create table things ()",
    "make a temporary table": "create temp table things ()",
    "change its own tables": "alter table outbox_events add column loot text",
    "empty a table": "truncate outbox_events",
    "switch off a trigger": "alter table outbox_events disable trigger all",
    "stop another's connection": "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'postgres'",
    "hear replication": "select pg_create_logical_replication_slot('loot', 'pgoutput')",
    "publish its tables": "create publication loot for table outbox_events",
    "fetch from elsewhere": "create foreign data wrapper loot",
    "see all files": "create tablespace loot location '/tmp'",
}
_WRITES = (
    "insert into {0}.outbox_events default values",
    "update {0}.outbox_events set seq = 1",
    "delete from {0}.outbox_events",
    "create table {0}.things ()",
)
_OF_SUPERUSERS = ("read a file", "run a program", "read the passwords", "act as a superuser", "make a temporary table")
_COLUMNS = (
    "select attname from pg_attribute where attrelid = 'audit_logs'::regclass and attnum > 0 and not attisdropped"
)


@pytest.fixture(scope="module")
def database() -> Iterator[PostgresServer]:
    """A database of these tests' own, every schema at head, and a session of the superuser's in it."""
    with testing.postgres("wrong_side") as server:
        migrate(server)
        yield server


@asynccontextmanager
async def session(server: PostgresServer, role: str) -> AsyncIterator[Any]:
    """A connection as this role, in a transaction that comes to nothing."""
    connection = await asyncpg.connect(server.dsn(role))
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield connection
    finally:
        await transaction.rollback()
        await connection.close()


async def denied(connection: Any, statement: str) -> None:
    """The statement fails because the role may not, and for no other reason."""
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with connection.transaction():
            await connection.execute(statement)


@pytest.mark.parametrize("role", [*ROLES, "lumi_auditor"])
async def test_a_role_reaches_its_own_schema_and_the_extensions(database: PostgresServer, role: str) -> None:
    own = SERVICES if role == "lumi_auditor" else [role.removeprefix("lumi_")]
    async with session(database, role) as connection:
        found = {row[0] for row in await connection.fetch(_REACH, role)}

    assert found == {*own, "extensions"}


@pytest.mark.parametrize(("service", "other"), OTHERS)
async def test_nothing_in_another_one_s_schema_is_read_written_or_made(
    database: PostgresServer, service: str, other: str
) -> None:
    async with session(database, f"lumi_{service}") as connection:
        tables = [
            row[0]
            for row in await connection.fetch(
                "select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace "
                "where n.nspname = $1 and c.relkind = 'r'",
                other,
            )
        ]
        assert len(tables) > 5
        for table in tables:
            await denied(connection, f"select from {table}")
            await denied(connection, f"insert into {table} default values")
            await denied(connection, f"update {table} set created_at = null")
            await denied(connection, f"delete from {table}")
            await denied(connection, f"truncate {table}")
            await denied(connection, f"lock table {table}")
        await denied(connection, f"create table {other}.things ()")
        await denied(connection, f"create function {other}.f() returns int language sql as 'select 1'")
        await denied(connection, f"set role lumi_{other}")
        await denied(connection, f"set role lumi_{other}_owner")
        await denied(connection, f"set session authorization lumi_{other}")
        # A path may be set by anybody; it opens nothing.
        await connection.execute(f"set local search_path = {other}, extensions")
        with pytest.raises(asyncpg.UndefinedTableError):
            async with connection.transaction():
                await connection.execute("select from outbox_events")


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_is_not_mighty(database: PostgresServer, service: str) -> None:
    other = SERVICES[SERVICES.index(service) - 1]
    connection = await asyncpg.connect(database.dsn(f"lumi_{service}"))
    said = {}
    for what, statement in _MIGHTY.items():
        try:
            said[what] = await connection.execute(statement.format(own=service, other=other))
        except asyncpg.InsufficientPrivilegeError:
            continue
        except asyncpg.PostgresError as error:
            said[what] = str(error)
    await connection.close()

    assert said == {}


@pytest.mark.parametrize("service", SERVICES)
async def test_what_others_run_is_not_seen(database: PostgresServer, service: str) -> None:
    other = SERVICES[SERVICES.index(service) - 1]
    async with session(database, f"lumi_{other}") as one, session(database, f"lumi_{service}") as connection:
        await one.execute("select 'secret of another'")
        seen = await connection.fetch("select query from pg_stat_activity where usename = $1", f"lumi_{other}")

    assert {row[0] for row in seen} == {"<insufficient privilege>"}


async def test_the_auditor_writes_nothing_however_it_asks(database: PostgresServer) -> None:
    async with session(database, "lumi_auditor") as connection:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            async with connection.transaction():
                await connection.execute("delete from orders.orders")
    connection = await asyncpg.connect(database.dsn("lumi_auditor"))
    await connection.execute("set default_transaction_read_only = off")
    async with connection.transaction():
        await connection.execute("set transaction read write")
        for service in SERVICES:
            for statement in _WRITES:
                await denied(connection, statement.format(service))
        await denied(connection, "update identity.audit_logs set user_id = null")
        for what in _OF_SUPERUSERS:
            await denied(connection, _MIGHTY[what])
    await connection.close()


async def test_audit_rows_are_not_changed_by_the_one_that_writes_them(database: PostgresServer) -> None:
    async with session(database, "lumi_identity") as connection:
        columns = [row[0] for row in await connection.fetch(_COLUMNS)]
        assert "user_id" in columns
        for column in set(columns) - {"user_id"}:
            await denied(connection, f"update audit_logs set {column} = null")
        await denied(connection, "delete from audit_logs")
        await denied(connection, "truncate audit_logs")
        await denied(connection, "alter table audit_logs disable row level security")
        await connection.execute("grant delete on audit_logs to lumi_identity")  # a warning, and nothing granted
        await denied(connection, "delete from audit_logs")


async def test_what_acts_as_its_owner_looks_in_no_path_of_its_caller(database: PostgresServer) -> None:
    async with session(database, "lumi_identity") as connection:
        found = await connection.fetch(
            "select oid::regprocedure::text, proconfig from pg_proc where prosecdef "
            "and pronamespace::regnamespace::text = any($1)",
            list(SERVICES),
        )

    assert found
    for name, settings in found:
        assert any(each.startswith("search_path=") for each in settings or []), name


@pytest.mark.parametrize("login", ["lumi_orders_owner", "lumi_orders", "postgres", "nobody", "pg_read_all_data"])
@pytest.mark.parametrize("password", ["", "wrong", "lumi_orders"])
async def test_nobody_logs_in_without_the_password(database: PostgresServer, login: str, password: str) -> None:
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await asyncpg.connect(
            host=database.host, port=database.port, user=login, password=password, database=database.database
        )


async def test_a_service_enters_its_own_database_alone(database: PostgresServer) -> None:
    for name in ("postgres", "template1"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await asyncpg.connect(database.within(name).dsn("lumi_orders"))
