"""Deleting a row with all that goes with it, each aggregate with its record.

What goes and what only loses its parent is read from the tables' own foreign keys; the database's cascade is the
safety net. The row is to be locked in a statement before: no child can come then.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import CTE, Delete, Table, Text, Update, bindparam, delete, func, null, select, update

from lumi_common.db.database import Executor
from lumi_common.db.record import Aggregate, Change, recorded
from lumi_common.db.statement import Statement
from lumi_common.db.tables import CommonTables
from lumi_common.names import snake

# So many rows one event tells of at most, far from what a message may be large.
ROWS_AT_ONCE = 500


async def in_parts(on: Executor, statement: Statement, **values: Any) -> None:
    """Run a statement that changes ROWS_AT_ONCE rows, or what is left of them, until nothing is left."""
    while len(await on.fetch(statement, **values)) == ROWS_AT_ONCE:
        pass


def removal(
    common: CommonTables,
    root: Aggregate,
    action: str,
    among: Collection[Aggregate],
    *,
    parts: Sequence[CTE] = (),
    beside: Sequence[Change] = (),
) -> Statement:
    """A statement that deletes the root's row `id`, and answers with it as it was (one version on); none: no row.

    `among` are the aggregates of the schema. Those that go with it have an action of the root's verb
    (`inventory.purged`), those that lose a parent are `updated`. `parts` and `beside` go into the same statement.
    """
    gone = root.change(delete(root.table).where(root.table.c.id == bindparam("id", type_=Text)), action, name="gone")
    return recorded(common, gone, *below(gone, among), *beside, parts=parts)


def removals(common: CommonTables, of: Aggregate, gone: Delete, action: str, among: Collection[Aggregate]) -> Statement:
    """Like `removal` for all rows of a delete, told in one outbox row; answers with them."""
    change = of.change(gone, action, name="gone")
    return recorded(common, change, *below(change, among), batch=True)


def below(gone: Change, among: Collection[Aggregate]) -> Iterator[Change]:
    """What the foreign keys to a deleted aggregate's table do to others; ValueError where it could not be told."""
    yield from _below(gone, {aggregate.table: aggregate for aggregate in among if aggregate.id == "id"}, "")


def losing(aggregate: Aggregate, without: Update, name: str = "change") -> Change:
    """The change of rows that name no longer what is gone: `without` takes the name away."""
    values: dict[str, Any] = {"updated_at": func.now()}
    if aggregate.versioned:
        values["version"] = aggregate.table.c.version + 1
    return aggregate.change(without.values(values), f"{snake(aggregate.entity)}.updated", name=name)


def _below(gone: Change, own: dict[Table, Aggregate], path: str) -> Iterator[Change]:
    parent, verb = gone.aggregate.table, gone.step.rpartition(".")[2]
    for child in parent.metadata.sorted_tables:
        for key in (key for key in child.foreign_keys if key.column.table is parent):
            aggregate, name = own.get(child), f"{path}{child.name}_{key.parent.name}"
            theirs = key.parent.in_(select(gone.cte.c.id))
            if aggregate is None:
                if any(each.column.table is child for table in own for each in table.foreign_keys):
                    raise ValueError(f"{child} goes with {parent}, and what goes with it would not be told")
            elif key.ondelete == "CASCADE":
                change = aggregate.change(delete(child).where(theirs), f"{snake(aggregate.entity)}.{verb}", name=name)
                yield change
                yield from _below(change, own, f"{name}_")
            elif key.ondelete == "SET NULL":
                yield losing(aggregate, update(child).where(theirs).values({key.parent.name: null()}), name)
