"""What must be true of a service's data, whatever crashes, repeats, races or arrives late: queries that return no row.

Each service says its own beside its tables; those that every schema has are said here. One schema's are looked at in
one snapshot that can change nothing.
"""

import asyncio
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from inspect import cleandoc
from typing import Any, Literal, TypeAlias

import asyncpg
from sqlalchemy import MetaData

from lumi_common.db.database import Database
from lumi_common.db.references import references
from lumi_common.events.outbox import RELAY

Kind: TypeAlias = Literal["C", "Q"]

# Outbox rows are kept 90 days; what is older than this is not looked for in them any more.
TOLD = "now() - interval '80 days'"
# What is told is delivered within this time, while nothing is broken.
YOUNG = "(o.created_at > now() - interval '60 seconds')"
SAMPLE = 10
# Of one query in a service, which has others to answer; a checker that stands aside has all the time it wants.
STATEMENT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Invariant:
    """`says` must be true; `query` returns a row for each thing of which it is not.

    Of kind C it is true in every snapshot of `schema` ("" for one of all schemas), of kind Q once traffic has stopped
    and messages are drained. Names in the query carry their schema. A column that tells an id is named `…_id` and is
    never personal; what the others tell is for whoever may read the schema anyway.
    """

    id: str
    kind: Kind
    schema: str
    says: str
    query: str

    @property
    def counted(self) -> str:
        """One row: how many rows break it, and some of them as a JSON array, null where there is none."""
        return (
            f"with broken as materialized (\n{cleandoc(self.query)}\n)\n"
            "select (select count(*) from broken) as rows, "
            f"(select jsonb_agg(to_jsonb(one))::text from (select * from broken limit {SAMPLE}) as one) as sample"
        )


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of an invariant: how many rows break it, None where time was up, and some of them."""

    id: str
    rows: int | None
    sample: tuple[dict[str, Any], ...] = ()

    @property
    def holds(self) -> bool:
        return self.rows == 0


async def look(connection: Any, invariants: Iterable[Invariant], *, seconds: float = 0) -> list[Finding]:
    """What becomes of these in one snapshot, with so many seconds for each; 0 for as many as it takes."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute(f"set local statement_timeout = {round(seconds * 1000)}")
        return [await ask(connection, each) for each in invariants]


async def ask(connection: Any, invariant: Invariant) -> Finding:
    """What becomes of one, as the connection's transaction sees it now."""
    try:
        async with connection.transaction():  # a savepoint: one whose time is up takes no other with it
            rows, sample = await connection.fetchrow(invariant.counted)
    except asyncpg.QueryCanceledError:
        return Finding(invariant.id, None)
    return Finding(invariant.id, rows, tuple(json.loads(sample or "[]")))


class Invariants:
    """A service's own, as its OperationsService and its gauge tell of them: one look at a time in a process."""

    def __init__(self, db: Database, invariants: Iterable[Invariant] = ()) -> None:
        self._db = db
        self.all = tuple(invariants)
        self.broken: dict[str, float] = {}
        self._looking = asyncio.Lock()

    async def look(self) -> list[Finding]:
        """What becomes of each, in their order; raises Unavailable when Postgres is away."""
        async with self._looking:
            try:
                async with self._db.pool.connection() as connection:
                    return await look(connection, self.all, seconds=STATEMENT_SECONDS)
            except Exception as error:
                self._db.refuse(error)

    async def watch(self) -> None:
        """Look, and keep in `broken` how many rows break each; of what could not be told it says nothing."""
        try:
            found = await self.look()
        except Exception:
            self.broken = {}
            raise
        self.broken = {each.id: each.rows for each in found if each.rows is not None}


def undelivered(schema: str, age: str = "true") -> str:
    """Outbox rows `o` of such an age that nobody has delivered, but for those that wait behind a dead letter."""
    return f"""
        select 'not delivered' as what, '{RELAY}' as consumer, o.id::text as event_id, o.type, o.aggregate_id
        from {schema}.outbox_events o
        where o.published_at is null and {age} and not exists (
            select from {schema}.inbox_versions v where v.parked and v.consumer = '{RELAY}'
                and v.aggregate = o.aggregate and v.aggregate_id = o.aggregate_id)
    """


def _naming_gone(metadata: MetaData, *rules: str) -> str:
    """Rows that name what their own schema knows to be gone."""
    return "\nunion all\n".join(
        f"select '{column.table.fullname}.{column.name}' as reference, "
        f"r.id as row_id, r.{column.name} as target_id "
        f"from {column.table.fullname} r join {metadata.schema}.reference_targets t "
        f"on t.kind = '{reference.target}' and t.id = r.{column.name} "
        f"where t.gone_at is not null and ({reference.while_})"
        for column, reference in references(metadata)
        if reference.on_delete in rules
    )


def _of_references(metadata: MetaData) -> Iterator[Invariant]:
    schema = str(metadata.schema)
    if query := _naming_gone(metadata, "SET NULL", "CASCADE"):
        yield Invariant(
            "X1", "C", schema, "no row names what is known to be gone, and nothing late brings it back", query
        )
    if query := _naming_gone(metadata, "RESTRICT"):
        yield Invariant("X2", "C", schema, "nothing that holds a delete up names what is known to be gone", query)


def of_every_schema(metadata: MetaData) -> tuple[Invariant, ...]:
    """What every service's schema must keep: its share of X1, X2, X4 and X5."""
    schema = str(metadata.schema)
    return (
        *_of_references(metadata),
        Invariant(
            "X4",
            "Q",
            schema,
            "what was told is delivered or set aside within a minute; no consumer has applied an event twice",
            f"""
            {undelivered(schema, f"not {YOUNG}")}
            union all
            select 'applied ' || count(*) || ' times', consumer, event_id::text, null, null
            from {schema}.inbox_events group by consumer, event_id having count(*) > 1
            """,
        ),
        # A mark that closes an order has no request behind it, and says so by an empty hash. An effect is what one
        # transaction told; only a dead letter's goes on in several, with the letters that waited behind it.
        Invariant(
            "X5",
            "C",
            schema,
            "one request id, one effect, one answer",
            f"""
            select 'answers' as what, method, request_id, count(*) as times
            from {schema}.request_ids where request_hash <> '' group by principal, method, request_id
            having count(*) > 1 or bool_or(response is null or length(request_hash) <> 32)
            union all
            select 'effects', headers -> 'request' ->> 'method', headers -> 'request' ->> 'id',
                count(distinct created_at)
            from {schema}.outbox_events
            where headers -> 'request' ->> 'method' not like '%DeadLetter' and created_at > now() - interval '7 days'
            group by headers -> 'request', type
            having count(distinct created_at) > 1 and max(created_at) - min(created_at) < interval '24 hours'
            """,
        ),
    )
