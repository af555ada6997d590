"""A SQLAlchemy Core expression, compiled once for asyncpg."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.dialects.postgresql import asyncpg as dialect
from sqlalchemy.sql.elements import ClauseElement

_DIALECT = dialect.dialect()  # type: ignore[no-untyped-call]


class Statement:
    """SQL text with the order of its parameters; build it at import, never per call.

    `writes_outbox` says that the statement writes an outbox row, and so takes the parameter `headers`.
    Constants inside the expression keep their values; every other parameter must be given by name.
    """

    __slots__ = ("_constants", "_order", "sql", "writes_outbox")

    def __init__(self, expression: ClauseElement, *, writes_outbox: bool = False) -> None:
        compiled = expression.compile(dialect=_DIALECT)
        self.sql = str(compiled)
        self._order = tuple(compiled.positiontup or ())  # type: ignore[attr-defined]
        required = {name for name, bind in compiled.binds.items() if bind.required}  # type: ignore[attr-defined]
        self._constants = {name: value for name, value in compiled.params.items() if name not in required}
        self.writes_outbox = writes_outbox

    @property
    def parameters(self) -> frozenset[str]:
        """Names that a caller has to give."""
        return frozenset(self._order) - self._constants.keys()

    def arguments(self, given: Mapping[str, Any]) -> list[Any]:
        """Values in the order of `$1, $2, …`; KeyError names a parameter that is missing."""
        constants = self._constants
        return [constants[name] if name in constants else given[name] for name in self._order]
