"""The side of a service that refers to others' rows: what holds a delete up, and what follows it.

Whoever comes to refer to a row holds its line in `reference_targets` (the tables' triggers do). Whoever deletes the
row has that line marked gone, under a lock that those wait for: RESTRICT by asking before (`fence`), SET NULL and
CASCADE by the event that tells of it (`follow`). A line once marked stays, so that nothing late brings anything back.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Integer,
    MetaData,
    Table,
    Text,
    and_,
    bindparam,
    case,
    delete,
    func,
    literal_column,
    null,
    or_,
    select,
    text,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from lumi_common.db.database import Executor
from lumi_common.db.personal import PERSON, blanked
from lumi_common.db.record import Aggregate, recorded
from lumi_common.db.references import Reference, references, table_of
from lumi_common.db.removal import ROWS_AT_ONCE, in_parts, losing, removals
from lumi_common.db.statement import Statement
from lumi_common.db.tables import CommonTables, timestamp
from lumi_common.errors import DeadlineExceeded, FailedPrecondition, Reason
from lumi_common.events.event import Event
from lumi_common.names import snake


class Target(NamedTuple):
    """A row that may be referred to from elsewhere: `kind` is `catalogue.product_variants`."""

    kind: str
    id: str


@cache
def there(kind: str) -> Statement:
    """Which of these rows of a service's own there are; takes `ids`."""
    return Statement(text(f"select id from {kind} where id = any(cast(:ids as text[]))"))


@dataclass(frozen=True, slots=True)
class Held:
    """A column with a reference, and the statements that look at it."""

    name: str  # orders.order_items.product_id
    reference: Reference
    holding: Statement  # takes `ids`: the first of them that a row names
    naming: Statement  # takes `ids`: all of them that a row names, also one that does not hold it
    ids: Statement  # takes `after` and `limit`: the ids that are named, in order
    gone: Statement  # of those some that are marked gone, and how many there are: `id`, `total`


class Referrer:
    """What one schema refers to.

    `among` are its aggregates. `leaving` has, by the column's name, the statement that takes rows away which do not
    hold a RESTRICT, ROWS_AT_ONCE of them; it takes `id`, the target's. Raises ValueError where a declaration cannot be
    kept.
    """

    def __init__(
        self,
        metadata: MetaData,
        common: CommonTables,
        among: Collection[Aggregate],
        *,
        leaving: Mapping[str, Statement] | None = None,
    ) -> None:
        self.metadata = metadata
        declared = list(references(metadata))
        targets = common.reference_targets
        self.held = [_held(column, reference, targets) for column, reference in declared]
        self._leaving = dict(leaving or {})
        self._followed = sorted({of.target for _, of in declared if of.on_delete != "RESTRICT"})
        self._following = [*_cascading(declared, common, among), *_nulling(declared, common, among)]
        free = {each.name for each in self.held if each.reference.while_ != "true"}
        if free != self._leaving.keys():
            raise ValueError(
                f"rows of {', '.join(sorted(free ^ self._leaving.keys()))} need a way to leave, or have one"
            )
        self._know, self._lock, self._mark, self._mark_until, self._free = _target_statements(targets)

    async def fence(self, tx: Executor, wanted: Iterable[Target], *, gone_at: datetime, until: datetime) -> None:
        """Let nothing refer to these any more; raises FailedPrecondition where something does.

        `gone_at` names the deletion, for `free`. Nothing is done after `until`: raises DeadlineExceeded.
        """
        order = await self._locked(tx, wanted)
        # In later statements than the lock: they see all that was written by those who held a line.
        for held in self.held:
            kind = held.reference.target
            ids = [target.id for target in order if target.kind == kind]
            if not ids or held.reference.on_delete != "RESTRICT":
                continue
            if (id := await tx.fetchval(held.holding, ids=ids)) is not None:
                raise FailedPrecondition(
                    Reason.REFERENCED, f"{held.name} still refers to it", reference=held.name, target=kind, id=id
                )
            if held.name in self._leaving:
                for row in await tx.fetch(held.naming, ids=ids):
                    await in_parts(tx, self._leaving[held.name], id=row["id"])
        marked = await tx.fetch(self._mark_until, **_arrays(order), gone_at=gone_at, until=until)
        if len(marked) != len(order):
            raise DeadlineExceeded(Reason.DEADLINE_EXCEEDED, "the deletion has been given up meanwhile")

    async def free(self, on: Executor, wanted: Iterable[Target], *, gone_at: datetime) -> None:
        """These stay after all, unless a later deletion than that of `gone_at` has marked them."""
        # First a line for each: one that a fence has made and not committed would not be seen, and stay marked.
        order = _arrays(sorted(set(wanted)))
        await on.fetch(self._know, **order)
        await on.fetch(self._free, **order, gone_at=gone_at)

    async def follow(self, tx: Executor, event: Event) -> None:
        """Do what SET NULL and CASCADE say of the rows whose end the event tells of."""
        gone = defaultdict(list)
        for record in event.records:
            if record.before_json is not None and record.after_json is None:
                gone[f"{event.source}.{table_of(record.entity)}"].append(record.id)
        wanted = [Target(kind, id) for kind in self._followed for id in gone[kind]]
        if not wanted:
            return
        await tx.fetch(self._mark, **_arrays(await self._locked(tx, wanted)), gone_at=event.time)
        given = {_parameter(kind): gone[kind] for kind in self._followed}
        for statement in self._following:
            await in_parts(tx, statement, **{name: given[name] for name in statement.parameters - {"headers"}})

    async def _locked(self, tx: Executor, wanted: Iterable[Target]) -> list[Target]:
        order = sorted(set(wanted))
        await tx.fetch(self._know, **_arrays(order))
        await tx.fetch(self._lock, **_arrays(order))
        return order


def _arrays(targets: Sequence[Target]) -> dict[str, list[str]]:
    return {"kinds": [target.kind for target in targets], "ids": [target.id for target in targets]}


def _target_statements(targets: Table) -> tuple[Statement, Statement, Statement, Statement, Statement]:
    pairs = func.unnest(bindparam("kinds", type_=ARRAY(Text)), bindparam("ids", type_=ARRAY(Text)))
    wanted: Any = pairs.table_valued("kind", "id", name="wanted").render_derived()
    gone_at, until = bindparam("gone_at", type_=timestamp), bindparam("until", type_=timestamp)
    named = and_(targets.c.kind == wanted.c.kind, targets.c.id == wanted.c.id)
    in_order = select(wanted.c.kind, wanted.c.id).order_by(wanted.c.kind, wanted.c.id)
    know = insert(targets).from_select(["kind", "id"], in_order).on_conflict_do_nothing()
    lock = select(targets.c.id).join(wanted, named).order_by(targets.c.kind, targets.c.id).with_for_update(of=targets)
    mark = update(targets).where(named, targets.c.gone_at.is_(None)).values(gone_at=gone_at)
    # A fence that was long on its way leaves a later deletion its mark: only that may take it away.
    later = func.greatest(targets.c.gone_at, gone_at)
    mark_until = update(targets).where(named, func.clock_timestamp() < until).values(gone_at=later)
    # With it an older one that was never taken back; not a newer one.
    free = update(targets).where(named, targets.c.gone_at <= gone_at).values(gone_at=null())
    return (
        Statement(know),
        Statement(lock),
        Statement(mark),
        Statement(mark_until.returning(targets.c.id)),
        Statement(free),
    )


def _held(column: Column[Any], reference: Reference, targets: Table) -> Held:
    table = column.table
    holds = text(reference.while_) if reference.while_ != "true" else true()
    named = select(column.label("id")).where(holds)
    given = column == func.any(bindparam("ids", type_=ARRAY(Text)))
    gone = and_(targets.c.kind == literal_column(f"'{reference.target}'"), targets.c.gone_at.is_not(None))
    total = func.count().over().label("total")
    return Held(
        name=f"{table.schema}.{table.name}.{column.name}",
        reference=reference,
        holding=Statement(named.where(given).order_by(column).limit(literal_column("1"))),
        naming=Statement(select(column.label("id")).where(given).distinct().order_by(column)),
        ids=Statement(
            named.where(column > bindparam("after", type_=Text))
            .distinct()
            .order_by(column)
            .limit(bindparam("limit", type_=Integer))
        ),
        gone=Statement(
            select(targets.c.id, total)
            .where(gone, named.where(column == targets.c.id).exists())
            .order_by(targets.c.id)
            .limit(literal_column("20"))
        ),
    )


def _parameter(kind: str) -> str:
    return kind.replace(".", "_")


def _named(column: Column[Any], reference: Reference) -> ColumnElement[bool]:
    """The column names one of what is gone."""
    return column == func.any(bindparam(_parameter(reference.target), type_=ARRAY(Text)))


def _by_table(
    declared: Sequence[tuple[Column[Any], Reference]], on_delete: str, among: Collection[Aggregate]
) -> Iterator[tuple[Aggregate, list[tuple[Column[Any], Reference]]]]:
    own = {aggregate.table: aggregate for aggregate in among if aggregate.id == "id"}
    grouped = defaultdict(list)
    for column, reference in declared:
        if reference.on_delete == on_delete:
            grouped[column.table].append((column, reference))
    for table, columns in grouped.items():
        if table not in own:
            raise ValueError(f"{table} follows others' deletes and is no aggregate: its changes would not be told")
        yield own[table], columns


# One statement a table, so that an event that ends several targets changes each row once; ROWS_AT_ONCE of them, in the
# order of their ids, so that two who do this for the same rows do not wait for each other in a ring.


def _some(table: Table, columns: Sequence[tuple[Column[Any], Reference]]) -> ColumnElement[bool]:
    """Rows that name one of what is gone, as many as one event can tell of."""
    named = select(table.c.id).where(or_(*(_named(column, reference) for column, reference in columns)))
    return table.c.id.in_(named.order_by(table.c.id).limit(literal_column(str(ROWS_AT_ONCE))).with_for_update())


def _cascading(
    declared: Sequence[tuple[Column[Any], Reference]], common: CommonTables, among: Collection[Aggregate]
) -> Iterator[Statement]:
    for aggregate, columns in _by_table(declared, "CASCADE", among):
        gone = delete(aggregate.table).where(_some(aggregate.table, columns))
        yield removals(common, aggregate, gone, f"{snake(aggregate.entity)}.deleted", among)


def _nulling(
    declared: Sequence[tuple[Column[Any], Reference]], common: CommonTables, among: Collection[Aggregate]
) -> Iterator[Statement]:
    for aggregate, columns in _by_table(declared, "SET NULL", among):
        without = update(aggregate.table).where(_some(aggregate.table, columns))
        left: dict[str, ColumnElement[Any]] = {
            column.name: case((_named(column, of), null()), else_=column) for column, of in columns
        }
        left |= _emptied(aggregate.table, columns)
        yield recorded(common, losing(aggregate, without.values(left)), batch=True)


def _emptied(table: Table, columns: Sequence[tuple[Column[Any], Reference]]) -> dict[str, ColumnElement[Any]]:
    """What tells of a person whom the row no longer names."""
    person = [_named(column, of) for column, of in columns if of.target == PERSON]
    return {name: case((or_(*person), null()), else_=table.c[name]) for name in blanked(table)} if person else {}
