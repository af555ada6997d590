"""References to another service's rows, declared beside the column that holds the id."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from lumi_common.db.crossings import CROSSINGS
from lumi_common.names import plural, snake

if TYPE_CHECKING:
    from sqlalchemy import Column, MetaData

OnDelete: TypeAlias = Literal["SET NULL", "CASCADE", "RESTRICT"]
_KEY = "reference"


@dataclass(frozen=True, slots=True)
class Reference:
    """What a column's ids name: `target` is `identity.users`, `on_delete` what becomes of the row when that one goes.

    `snapshot` are the columns of the same row that keep what the target was, for when it is gone. Rows for which the
    SQL condition `while_` is false do not hold a RESTRICT: they go with the target.
    """

    target: str
    on_delete: OnDelete
    snapshot: tuple[str, ...] = ()
    while_: str = "true"

    @property
    def context(self) -> str:
        """The service that owns the target."""
        return self.target.partition(".")[0]


def refers_to(target: str, on_delete: OnDelete, *snapshot: str, while_: str = "true") -> dict[str, Reference]:
    """The `info` of such a column: `Column("user_id", identifier, info=refers_to("identity.users", "SET NULL"))`."""
    return {_KEY: Reference(target, on_delete, snapshot, while_)}


def restricting(target: str) -> tuple[str, ...]:
    """The services that have to agree before a row of `target` may go."""
    return tuple(dict.fromkeys(_context(name) for name, of, rule in CROSSINGS if of == target and rule == "RESTRICT"))


def heard(context: str) -> tuple[str, ...]:
    """The services whose deletes this one has to follow."""
    ours = (of for name, of, rule in CROSSINGS if _context(name) == context and rule != "RESTRICT")
    return tuple(dict.fromkeys(map(_context, ours)))


def owned(context: str) -> tuple[str, ...]:
    """The tables of a service that others refer to."""
    return tuple(dict.fromkeys(of for _, of, _ in CROSSINGS if _context(of) == context))


def table_of(entity: str) -> str:
    """The table of a model: `product_variants` of `ProductVariant`."""
    return plural(snake(entity))


def _context(name: str) -> str:
    return name.partition(".")[0]


def references(metadata: MetaData) -> Iterator[tuple[Column[Any], Reference]]:
    """Every such column of a schema with its reference, tables and columns in order; ValueError if one cannot hold."""
    for table in metadata.sorted_tables:
        for column in table.columns:
            reference = column.info.get(_KEY)
            if reference is not None:
                _expect_possible(column, reference)
                yield column, reference


def _expect_possible(column: Column[Any], reference: Reference) -> None:
    context, dot, table = reference.target.partition(".")
    if not (context and dot and table):
        raise ValueError(f"{column} refers to {reference.target!r}, which is no context.table")
    if context == column.table.schema:
        raise ValueError(f"{column} refers to {reference.target} of its own schema: that is a foreign key")
    if column.foreign_keys:
        raise ValueError(f"{column} cannot be both a foreign key and a reference to another service")
    if reference.on_delete == "SET NULL" and not column.nullable:
        raise ValueError(f"{column} is SET NULL when {reference.target} goes, and must be nullable")
    if reference.while_ != "true" and reference.on_delete != "RESTRICT":
        raise ValueError(f"{column} follows {reference.target} whatever its row is like: `while_` is for RESTRICT")
    if missing := [name for name in reference.snapshot if name not in column.table.columns]:
        raise ValueError(f"{column} keeps its snapshot in {missing}, which {column.table} does not have")
