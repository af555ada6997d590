"""What holds for every statement of every service, held by the test databases themselves."""

import asyncpg

from lumi_local.postgres import PostgresServer

# Not ours to stamp: what a foreign key changes (the depth is above nothing), what a test writes itself (as another
# role), a row that the same transaction made. Audit rows cannot be: they are append-only.
_GUARD = """
    create schema if not exists watch;
    create or replace function watch.stale() returns trigger language plpgsql as $$
    begin
      raise exception '%.% was updated without its updated_at', tg_table_schema, tg_table_name;
    end $$;
    do $$
    declare
      stamped regclass;
    begin
      for stamped in
        select attrelid from pg_attribute join pg_class c on c.oid = attrelid
        where attname = 'updated_at' and relkind = 'r' and relnamespace::regnamespace::text = any(array{schemas})
        and attrelid <> 'identity.audit_logs'::regclass
      loop
        execute format('create or replace trigger updated_at_moves before update on %s for each row when ('
          'new.updated_at is not distinct from old.updated_at and old.updated_at <> now()'
          ' and pg_trigger_depth() = 0 and session_user::text like ''lumi\\_%%'') '
          'execute function watch.stale()', stamped);
      end loop;
    end $$;
"""


async def refuse_stale_updates(server: PostgresServer, *schemas: str) -> None:
    """From now on a service's update that leaves `updated_at` where it was fails, naming the table."""
    connection = await asyncpg.connect(server.dsn_superuser)
    try:
        await connection.execute(_GUARD.format(schemas=list(schemas)))
    finally:
        await connection.close()
