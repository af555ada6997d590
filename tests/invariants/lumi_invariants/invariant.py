"""One thing that must be true, as a query that returns no row."""

from dataclasses import dataclass
from inspect import cleandoc
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["C", "Q"]

# Outbox rows are kept 90 days; what is older than this is not looked for in them any more.
TOLD = "now() - interval '80 days'"


@dataclass(frozen=True, slots=True)
class Invariant:
    """`says` must be true; `query` returns a row for each thing of which it is not.

    Of kind C it is true in every snapshot of `schema` ("" for one of all schemas), of kind Q once traffic has stopped
    and messages are drained. Names in the query carry their schema; its columns tell ids, never personal data.
    """

    id: str
    kind: Kind
    schema: str
    says: str
    query: str

    @property
    def counted(self) -> str:
        """One row: how many rows break it, and one of them as JSON, null where there is none."""
        return (
            f"with broken as materialized (\n{cleandoc(self.query)}\n)\n"
            "select (select count(*) from broken) as rows, "
            "(select to_jsonb(broken)::text from broken limit 1) as sample"
        )
