"""Alembic for a service: its own schema, as its owner role, with timeouts, from `services/<context>/migrations`."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alembic import command, context
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool


def upgrade(owner_dsn: str, metadata: MetaData, folder: Path, revision: str = "head") -> None:
    """Bring the schema to this revision; one migrator at a time, others wait."""
    _run(owner_dsn, metadata, folder, lambda config: command.upgrade(config, revision))


def downgrade(owner_dsn: str, metadata: MetaData, folder: Path, revision: str = "base") -> None:
    """Take the schema back to this revision."""
    _run(owner_dsn, metadata, folder, lambda config: command.downgrade(config, revision))


def differences(owner_dsn: str, metadata: MetaData) -> list[Any]:
    """What Alembic would still change to make the database like the tables; empty when they agree."""

    def compare(connection: Connection) -> list[Any]:
        _act_as_owner(connection, metadata)
        options = {"compare_type": True, "compare_server_default": True, **_scope(metadata)}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))

    return asyncio.run(_with_connection(owner_dsn, compare))


def run_environment(metadata: MetaData) -> None:
    """The whole of a service's `migrations/env.py`."""

    def migrate(connection: Connection) -> None:
        _act_as_owner(connection, metadata)
        connection.execute(text("select pg_advisory_lock(hashtext(:key))"), {"key": f"migrate.{metadata.schema}"})
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=metadata,
            transaction_per_migration=True,
            **_scope(metadata),
        )
        with context.begin_transaction():
            context.run_migrations()
        connection.commit()

    migrate(context.config.attributes["connection"])


def _run(dsn: str, metadata: MetaData, folder: Path, action: Callable[[Config], None]) -> None:
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("file_template", "%%(year)d%%(month).2d%%(day).2d_%%(hour).2d%%(minute).2d_%%(slug)s")

    def migrate(connection: Connection) -> None:
        config.attributes["connection"] = connection
        action(config)

    asyncio.run(_with_connection(dsn, migrate))


async def _with_connection(dsn: str, action: Callable[[Connection], Any]) -> Any:
    scheme, _, rest = dsn.partition("://")
    engine = create_async_engine(f"{scheme.split('+')[0]}+asyncpg://{rest}", poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(action)
    finally:
        await engine.dispose()


def _act_as_owner(connection: Connection, metadata: MetaData) -> None:
    connection.execute(text(f"set role lumi_{metadata.schema}_owner"))
    # Not the schema itself: what is on the path is reflected without its schema, and would look different.
    connection.execute(text("set search_path to extensions"))
    connection.execute(text("set lock_timeout = '5s'"))
    connection.execute(text("set statement_timeout = '60s'"))
    connection.commit()


def _scope(metadata: MetaData) -> dict[str, Any]:
    def ours(name: str | None, kind: str, _parents: object) -> bool:
        return name == metadata.schema if kind == "schema" else True

    return {
        "include_schemas": True,
        "include_name": ours,
        "version_table_schema": metadata.schema,
        "version_table": "alembic_version",
    }
