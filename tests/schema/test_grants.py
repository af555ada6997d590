"""Who may do what: a role per service, an owner without login, a reader of everything."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from lumi_common.cuid import cuid
from lumi_local.postgres import PostgresServer
from tests.schema.description import CONTEXTS, Described

ALL = "DELETE INSERT MAINTAIN REFERENCES SELECT TRIGGER TRUNCATE UPDATE"
_TABLES = """
    select c.relname, r.rolname, string_agg(a.privilege_type, ' ' order by a.privilege_type)
    from pg_class c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a
    left join pg_roles r on r.oid = a.grantee
    where c.relnamespace = $1::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
    group by c.relname, r.rolname
"""
_COLUMNS = """
    select c.relname, t.attname, r.rolname, a.privilege_type
    from pg_attribute t
    join pg_class c on c.oid = t.attrelid, aclexplode(t.attacl) a
    left join pg_roles r on r.oid = a.grantee
    where c.relnamespace = $1::regnamespace
"""
_SEQUENCES = """
    select r.rolname, string_agg(distinct a.privilege_type, ' ' order by a.privilege_type)
    from pg_class c, aclexplode(c.relacl) a left join pg_roles r on r.oid = a.grantee
    where c.relnamespace = $1::regnamespace and c.relkind = 'S' and a.grantee <> c.relowner
    group by r.rolname
"""
_SCHEMAS = """
    select n.nspname, r.rolname, string_agg(a.privilege_type, ' ' order by a.privilege_type)
    from pg_namespace n, aclexplode(n.nspacl) a left join pg_roles r on r.oid = a.grantee
    where n.nspname = any($1) and a.grantee <> n.nspowner
    group by n.nspname, r.rolname
"""
_ROLES = """
    select rolname, rolcanlogin, rolsuper or rolcreaterole or rolcreatedb or rolbypassrls or rolreplication,
        array(select m.roleid::regrole::text from pg_auth_members m where m.member = r.oid)
    from pg_roles r where rolname like 'lumi\\_%'
"""


@pytest.mark.parametrize("context", CONTEXTS)
async def test_tables_are_their_service_s_to_write_and_the_auditor_s_to_read(
    live: Any, described: dict[str, Described], context: str
) -> None:
    wanted = {
        (table, role): privileges
        for table in ["alembic_version", *(table.name for table in described[context].tables)]
        for role, privileges in {
            f"lumi_{context}_owner": ALL,
            f"lumi_{context}": "INSERT SELECT" if table == "audit_logs" else "DELETE INSERT SELECT UPDATE",
            "lumi_auditor": "SELECT",
        }.items()
    }

    assert {(table, role): found for table, role, found in await live.fetch(_TABLES, context)} == wanted


@pytest.mark.parametrize("context", CONTEXTS)
async def test_no_column_is_granted_by_itself_but_the_user_of_an_audit_row(live: Any, context: str) -> None:
    wanted = [("audit_logs", "user_id", "lumi_identity", "UPDATE")] if context == "identity" else []

    assert [tuple(row) for row in await live.fetch(_COLUMNS, context)] == wanted


@pytest.mark.parametrize("context", CONTEXTS)
async def test_sequences_are_drawn_from_by_their_service_alone(live: Any, context: str) -> None:
    assert dict(await live.fetch(_SEQUENCES, context)) == {f"lumi_{context}": "SELECT USAGE", "lumi_auditor": "SELECT"}


async def test_a_role_sees_its_own_schema_and_extensions(live: Any) -> None:
    found = {tuple(row) for row in await live.fetch(_SCHEMAS, [*CONTEXTS, "extensions", "public"])}

    services = {(context, f"lumi_{context}", "USAGE") for context in CONTEXTS}
    roles = ["lumi_auditor", *(f"lumi_{context}{kind}" for context in CONTEXTS for kind in ("", "_owner"))]
    assert found == (
        services
        | {(context, "lumi_auditor", "USAGE") for context in CONTEXTS}
        | {("extensions", role, "USAGE") for role in roles}
    )


async def test_owners_cannot_log_in_and_no_role_is_another_or_more(live: Any) -> None:
    found = {name: (login, mighty, member_of) for name, login, mighty, member_of in await live.fetch(_ROLES)}

    assert found == {
        "lumi_auditor": (True, False, []),
        **{f"lumi_{context}": (True, False, []) for context in CONTEXTS},
        **{f"lumi_{context}_owner": (False, False, []) for context in CONTEXTS},
    }


@pytest.mark.parametrize("context", CONTEXTS)
async def test_everything_in_a_schema_is_its_owner_s(live: Any, context: str) -> None:
    owners = await live.fetch(
        "select distinct relowner::regrole::text from pg_class where relnamespace = $1::regnamespace "
        "union select nspowner::regrole::text from pg_namespace where oid = $1::regnamespace "
        "union select typowner::regrole::text from pg_type where typnamespace = $1::regnamespace",
        context,
    )

    assert [row[0] for row in owners] == [f"lumi_{context}_owner"]


@pytest.mark.parametrize("context", CONTEXTS)
async def test_a_service_cannot_look_into_another_s_schema(migrated: PostgresServer, context: str) -> None:
    async with connected(migrated, f"lumi_{context}") as service:
        for other in set(CONTEXTS) - {context}:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await service.fetch(f"select from {other}.outbox_events")
        await service.fetch("select from outbox_events")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.execute("create table things ()")


async def test_audit_rows_are_only_added_to_but_for_their_user(migrated: PostgresServer) -> None:
    id = cuid()
    async with connected(migrated, "lumi_identity") as service:
        await service.execute(
            "insert into audit_logs (id, actor_type, action, entity, entity_id) "
            "values ($1, 'user', 'order.placed', 'Order', 'o')",
            id,
        )
        await service.execute("update audit_logs set user_id = null where id = $1", id)
        for change in (
            "update audit_logs set action = 'order.cancelled' where id = $1",
            "update audit_logs set created_at = now() where id = $1",
            "update audit_logs set user_id = null, ip_address = null where id = $1",
            "delete from audit_logs where id = $1",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await service.execute(change, id)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.execute("truncate audit_logs")


async def test_the_auditor_reads_every_table_and_writes_none(
    migrated: PostgresServer, described: dict[str, Described]
) -> None:
    async with connected(migrated, "lumi_auditor") as auditor:
        for schema in described.values():
            for table in schema.tables:
                await auditor.fetch(f"select * from {table} limit 0")
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await auditor.execute("delete from orders.orders")
        await auditor.execute("set default_transaction_read_only = off")
        for schema in described.values():
            for table in schema.tables:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await auditor.execute(f"delete from {table}")


@asynccontextmanager
async def connected(server: PostgresServer, role: str) -> AsyncIterator[Any]:
    """A connection as this role; nothing of it stays."""
    connection = await asyncpg.connect(server.dsn(role))
    try:
        yield connection
    finally:
        await connection.close()


@pytest.mark.parametrize("context", CONTEXTS)
async def test_what_acts_as_its_owner_is_the_service_s_alone_to_call_and_looks_nowhere_else(
    live: Any, context: str
) -> None:
    found = await live.fetch(
        "select proname, proconfig, array(select a.grantee::regrole::text from aclexplode(proacl) a "
        "where a.grantee <> proowner) "
        "from pg_proc where pronamespace = $1::regnamespace and prosecdef order by proname",
        context,
    )

    functions = ("forget_origins", "forget_person") if context == "identity" else ()
    assert [tuple(row) for row in found] == [(name, ['search_path=""'], ["lumi_identity"]) for name in functions]
