"""What a live schema is, one line per fact, read from PostgreSQL's own catalogue."""

from typing import Any

# With an empty path every name comes back qualified, so that two databases spell the same thing alike.
_PATH = "set search_path = ''"

_RELATIONS = """
    select case relkind::text when 'r' then 'table' when 'v' then 'view' when 'm' then 'materialized view'
        when 'p' then 'partitioned table' when 'S' then 'sequence' else 'relation ' || relkind::text end
        || ' ' || relname || case relpersistence::text when 'u' then ' unlogged' else '' end
        || case when relrowsecurity then ' with row security' else '' end
    from pg_class c
    where relnamespace = $1::regnamespace and relkind not in ('i', 'I', 't', 'c') and relname <> 'alembic_version'
    and not exists (select from pg_depend where objid = c.oid and deptype = 'i' and refobjsubid > 0)
"""
_COLUMNS = """
    select format('%s.%s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod))
        || case when a.attcollation <> t.typcollation then ' collate ' || l.collname else '' end
        || case when a.attnotnull then '' else ' null' end
        || case a.attidentity::text when 'a' then ' always identity' when 'd' then ' by default identity' else '' end
        || case a.attgenerated::text when '' then '' else ' generated' end
        || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')
    from pg_attribute a
    join pg_class c on c.oid = a.attrelid
    join pg_type t on t.oid = a.atttypid
    left join pg_collation l on l.oid = a.attcollation
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where c.relnamespace = $1::regnamespace and c.relkind in ('r', 'p', 'v', 'm') and a.attnum > 0
    and not a.attisdropped and c.relname <> 'alembic_version'
"""
# Unique constraints are told by their indexes, what is not null by its column.
_CONSTRAINTS = """
    select format('%s %s', c.relname, pg_get_constraintdef(k.oid))
        || case when k.convalidated then '' else ' NOT VALIDATED' end
    from pg_constraint k
    join pg_class c on c.oid = k.conrelid
    where k.connamespace = $1::regnamespace and (k.contype not in ('u', 'n') or not k.convalidated)
    and c.relname <> 'alembic_version'
"""
# Without its name, which is nobody's business but its owner's.
_INDEXES = """
    select replace(pg_get_indexdef(i.indexrelid), format(' INDEX %I ON', x.relname), ' INDEX ON')
        || case when i.indisvalid then '' else ' INVALID' end
    from pg_index i
    join pg_class c on c.oid = i.indrelid
    join pg_class x on x.oid = i.indexrelid
    where c.relnamespace = $1::regnamespace and c.relkind in ('r', 'p') and not i.indisprimary
    and c.relname <> 'alembic_version'
"""
_TYPES = """
    select format('%s %s', case typtype when 'e' then 'enum' else 'type' end, typname)
        || coalesce((select ' (' || string_agg(enumlabel, ', ' order by enumsortorder) || ')'
            from pg_enum where enumtypid = t.oid), '')
    from pg_type t
    where typnamespace = $1::regnamespace and typtype in ('e', 'd', 'r', 'b') and typelem = 0
"""
_PROGRAMS = """
    select format('function %s(%s)', proname, pg_get_function_identity_arguments(oid))
    from pg_proc where pronamespace = $1::regnamespace
    union all
    select format('%s trigger %s', c.relname, tgname)
    from pg_trigger t join pg_class c on c.oid = t.tgrelid
    where c.relnamespace = $1::regnamespace and not tgisinternal
    union all
    select format('%s rule %s', c.relname, rulename)
    from pg_rewrite r join pg_class c on c.oid = r.ev_class
    where c.relnamespace = $1::regnamespace and c.relkind = 'r'
"""


async def facts(connection: Any, schema: str) -> set[str]:
    """Tables, columns, constraints, indexes, types and programs of a schema; Alembic's own table left out."""
    await connection.execute(_PATH)
    queries = (_RELATIONS, _COLUMNS, _CONSTRAINTS, _INDEXES, _TYPES, _PROGRAMS)
    return {row[0] for query in queries for row in await connection.fetch(query, schema)}


_FOREIGN_KEYS = """
    select n.nspname as schema, c.relname as table, a.attname as column, tn.nspname as target_schema,
        tc.relname as target, array_length(k.conkey, 1) as width
    from pg_constraint k
    join pg_class c on c.oid = k.conrelid
    join pg_namespace n on n.oid = c.relnamespace
    join pg_class tc on tc.oid = k.confrelid
    join pg_namespace tn on tn.oid = tc.relnamespace
    join pg_attribute a on a.attrelid = c.oid and a.attnum = k.conkey[1]
    where k.contype = 'f' and n.nspname = any($1)
"""
# A partial index serves only where its condition leaves out nothing but the absent.
_LEADERS = """
    select n.nspname as schema, c.relname as table, a.attname as column
    from pg_index i
    join pg_class c on c.oid = i.indrelid
    join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
    where n.nspname = any($1) and i.indisvalid and (i.indpred is null
        or pg_get_expr(i.indpred, i.indrelid) = format('(%I IS NOT NULL)', a.attname))
"""
_LED = """
    select c.relname as table, i.indisunique as unique, i.indpred is null as whole,
        array(select pg_get_indexdef(i.indexrelid, n, true) from generate_series(1, i.indnkeyatts) n) as columns
    from pg_index i join pg_class c on c.oid = i.indrelid
    where c.relnamespace = $1::regnamespace and i.indisvalid
"""


async def foreign_keys(connection: Any, schemas: tuple[str, ...]) -> list[Any]:
    """Rows (schema, table, column, target_schema, target, width) of these schemas' foreign keys."""
    return await connection.fetch(_FOREIGN_KEYS, list(schemas))


async def leading_columns(connection: Any, schemas: tuple[str, ...]) -> set[tuple[str, str, str]]:
    """Every (schema, table, column) that leads an index of all its rows."""
    return {tuple(row) for row in await connection.fetch(_LEADERS, list(schemas))}


async def index_columns(connection: Any, schema: str) -> list[Any]:
    """Rows (table, unique, whole, columns) of a schema's indexes, `whole` where they cover all rows."""
    return await connection.fetch(_LED, schema)
