"""Keyset pages: a page begins after the last id of the one before, however much was written in between."""

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, Select, Text, bindparam

from lumi_common.db.database import Executor, Row
from lumi_common.db.statement import Statement
from lumi_common.errors import InvalidArgument, Reason

DEFAULT_SIZE = 50
MAX_SIZE = 1000

T = TypeVar("T")


class Page(NamedTuple, Generic[T]):
    """Some of the rows, and the token of the next page; an empty token says that this was the last."""

    items: list[T]
    next_page_token: str


class Listing:
    """A list with optional filters, in order of `key` (an id: ids sort by creation).

    `filters` maps a filter's name to its condition, written with a bindparam of that name. Statements are
    compiled once for each combination of filters that is asked for.
    """

    def __init__(
        self,
        source: Select[Any],
        key: ColumnElement[str],
        filters: Mapping[str, ColumnElement[bool]] | None = None,
        *,
        descending: bool = False,
    ) -> None:
        self._source, self._key, self._filters, self._descending = (
            source,
            key,
            dict(filters or {}),
            descending,
        )
        self._statements: dict[tuple[bool, frozenset[str]], Statement] = {}

    async def page(
        self,
        executor: Executor,
        build: Callable[[Row], T],
        *,
        size: int = 0,
        token: str = "",
        **filters: Any,
    ) -> Page[T]:
        """One page of at most `size` items (50 unless given, at most 1,000); filters that are None do not count.

        Raises InvalidArgument for a token that is not ours, or that came with other filters.
        """
        size = min(size, MAX_SIZE) or DEFAULT_SIZE
        chosen = {name: value for name, value in filters.items() if value is not None}
        mark = _mark(chosen)
        after = _open(token, mark) if token else None
        statement = self._statement(after is not None, frozenset(chosen))
        values = chosen if after is None else {**chosen, "after_": after}
        rows = await executor.fetch(statement, limit_=size + 1, **values)
        items = [build(row) for row in rows[:size]]
        more = len(rows) > size
        return Page(items, _seal(rows[size - 1][str(self._key.key)], mark) if more else "")

    def _statement(self, continued: bool, names: frozenset[str]) -> Statement:
        shape = continued, names
        if shape not in self._statements:
            query = self._source.where(*(self._filters[name] for name in sorted(names)))
            if continued:
                after = bindparam("after_", type_=Text)
                query = query.where(self._key < after if self._descending else self._key > after)
            query = query.order_by(self._key.desc() if self._descending else self._key)
            self._statements[shape] = Statement(query.limit(bindparam("limit_")))
        return self._statements[shape]


def sealed(after: str, **filters: Any) -> str:
    """The token of a page that begins after what this says, for lists that are no `Listing`."""
    return _seal(after, _mark(filters))


def opened(token: str, **filters: Any) -> str:
    """What a token was sealed with; raises InvalidArgument for one that is not ours, or of other filters."""
    return _open(token, _mark(filters))


def _mark(filters: Mapping[str, Any]) -> str:
    """A short sign of the filters, so that a token cannot be carried to another question."""
    return hashlib.sha256(json.dumps(filters, sort_keys=True, default=str).encode()).hexdigest()[:12]


def _seal(after: str, mark: str) -> str:
    return urlsafe_b64encode(f"{mark}{after}".encode()).decode().rstrip("=")


def _open(token: str, mark: str) -> str:
    try:
        text = urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except ValueError:
        text = ""
    if not text.startswith(mark) or "\0" in text:  # PostgreSQL has no such character
        raise InvalidArgument(
            Reason.PAGE_TOKEN_INVALID, "take page_token from the answer before, with the same filters",
            field="page_token",
        )  # fmt: skip
    return text[len(mark) :]
