"""References to another service's rows, declared beside the column that holds the id."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Column, MetaData

_KEY = "reference"


@dataclass(frozen=True, slots=True)
class Reference:
    """What a column's ids name: `target` is `identity.users`, `on_delete` what becomes of the row when that one goes.

    `snapshot` are the columns of the same row that keep what the target was, for when it is gone.
    """

    target: str
    on_delete: Literal["SET NULL", "CASCADE", "RESTRICT"]
    snapshot: tuple[str, ...] = ()


def refers_to(
    target: str, on_delete: Literal["SET NULL", "CASCADE", "RESTRICT"], *snapshot: str
) -> dict[str, Reference]:
    """The `info` of such a column: `Column("user_id", identifier, info=refers_to("identity.users", "SET NULL"))`."""
    return {_KEY: Reference(target, on_delete, snapshot)}


def references(metadata: MetaData) -> Iterator[tuple[Column[Any], Reference]]:
    """Every such column of a schema with its reference."""
    for table in metadata.sorted_tables:
        for column in table.columns:
            if _KEY in column.info:
                yield column, column.info[_KEY]
