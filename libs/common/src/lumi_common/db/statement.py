"""A SQLAlchemy Core expression, compiled once for asyncpg."""

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy.dialects.postgresql import asyncpg as dialect
from sqlalchemy.sql.elements import ClauseElement

_DIALECT = dialect.dialect()  # type: ignore[no-untyped-call]

_CTE = re.compile(r'([\w"]+)\s+as\s+(?:(?:not\s+)?materialized\s+)?\(', re.IGNORECASE)
# Not the `update` of a lock (`for update`, `for no key update`) or of an upsert (`do update`).
_WRITES = re.compile(
    r"(?<!for )(?<!key )(?<!do )\b(insert\s+into|update|delete\s+from)\s+(?:only\s+)?([\w.]+)", re.IGNORECASE
)
# Nor the `from` of `is distinct from` or of `extract(epoch from ...)`.
_READS = re.compile(
    r"(?<!distinct )(?<!epoch )(?<!microseconds )\bfrom\s+(?:only\s+)?([a-z_][\w.]*)(?![\w.]*\s*\()", re.IGNORECASE
)
_LOCKS = re.compile(r"\bfor\s+(?:no\s+key\s+)?update\b", re.IGNORECASE)
_MOST_NAMED = 4
# Every recorded change writes these: they would only push out what it is about.
_BESIDES = frozenset({"outbox_events", "request_ids"})


class Statement:
    """SQL text with the order of its parameters; build it at import, never per call.

    `writes_outbox` says that the statement writes an outbox row, and so takes the parameter `headers`; `revokes` that
    each of its rows names whose tokens count only from a time on, as `id` and `not_before`.
    Constants inside the expression keep their values; every other parameter must be given by name. `step` is what a
    change is called among crash points, such as `order.placed`; without one it is the parameter `action`, if any.
    """

    __slots__ = ("_constants", "_order", "_step", "_summary", "revokes", "sql", "writes_outbox")

    def __init__(
        self, expression: ClauseElement, *, writes_outbox: bool = False, revokes: bool = False, step: str = ""
    ) -> None:
        compiled = expression.compile(dialect=_DIALECT)
        self.sql = str(compiled)
        self._order = tuple(compiled.positiontup or ())  # type: ignore[attr-defined]
        required = {name for name, bind in compiled.binds.items() if bind.required}  # type: ignore[attr-defined]
        self._constants = {name: value for name, value in compiled.params.items() if name not in required}
        self.writes_outbox, self.revokes = writes_outbox, revokes
        self._step = step
        self._summary = ""

    @property
    def parameters(self) -> frozenset[str]:
        """Names that a caller has to give."""
        return frozenset(self._order) - self._constants.keys()

    @property
    def summary(self) -> str:
        """Its operations and tables, such as `UPDATE orders, INSERT order_items`; never a value."""
        if not self._summary:
            self._summary = _summary_of(self.sql)
        return self._summary

    def step_of(self, given: Mapping[str, Any]) -> str:
        """Which step it is with these values; empty for one without a crash point of its own."""
        return self._step or given.get("action", "")

    def arguments(self, given: Mapping[str, Any]) -> list[Any]:
        """Values in the order of `$1, $2, …`; KeyError names a parameter that is missing."""
        constants = self._constants
        return [constants[name] if name in constants else given[name] for name in self._order]


def _summary_of(sql: str) -> str:
    writes = [f"{verb.split()[0].upper()} {_bare(table)}" for verb, table in _WRITES.findall(sql)]
    if writes:
        main = [each for each in writes if each.split()[1] not in _BESIDES] or writes
        return _joined(main)
    own = {name.strip('"').lower() for name in _CTE.findall(sql)}
    tables = [_bare(table) for table in _READS.findall(sql) if table.lower() not in own]
    lock = " FOR UPDATE" if _LOCKS.search(sql) else ""
    return f"SELECT {_joined(tables)}{lock}".rstrip()


def _bare(table: str) -> str:
    return table.rpartition(".")[2]


def _joined(parts: list[str]) -> str:
    return ", ".join(list(dict.fromkeys(parts))[:_MOST_NAMED])
