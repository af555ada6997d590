"""A service's Postgres: reads and guarded changes in autocommit, transactions and commands where a rule needs them."""

import json
import math
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NoReturn, Protocol
from uuid import UUID

import asyncpg
from google.protobuf.message import Message

from lumi_common import crash
from lumi_common.context import Context
from lumi_common.db.connection import REFUSED, connect
from lumi_common.db.pool import Pool
from lumi_common.db.request import Command, Once
from lumi_common.db.statement import Statement
from lumi_common.errors import Aborted, FailedPrecondition, LumiError, Reason, Unavailable
from lumi_common.logs import current_call
from lumi_common.secret import Secret
from lumi_common.tracing import statement_span

Refusals = Mapping[str, Callable[[], LumiError]]

_CONNECT_SECONDS = 10.0
# Made once: json.loads makes a decoder for each call that wants decimals.
_DECODER = json.JSONDecoder(parse_float=Decimal)
_AWAY = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    asyncpg.TooManyConnectionsError,
    REFUSED,  # its password is being replaced
)


class Row(Protocol):
    """A row of a result, by column name or position (asyncpg's own record)."""

    def __getitem__(self, key: str | int, /) -> Any: ...
    def __iter__(self) -> Iterator[Any]: ...
    def keys(self) -> Iterator[str]: ...
    def values(self) -> Iterator[Any]: ...


class Executor(Protocol):
    """Whatever runs statements: the database itself, one call's autocommit, a transaction, a command."""

    async def fetch(self, statement: Statement, /, **values: Any) -> list[Row]:
        """Every row."""

    async def fetchrow(self, statement: Statement, /, **values: Any) -> Row | None:
        """The first row, or None; TypeError for a statement that revokes."""

    async def fetchval(self, statement: Statement, /, **values: Any) -> Any:
        """The first column of the first row, or None."""


class Database:
    """The pool, and the ways to use it.

    `refusals` says which refusal a violated constraint means, by the constraint's name. `on_outbox_write` is
    called after each commit that wrote an outbox row, so that the relay need not wait for its next look, and
    `on_revocation` with the rows of statements that revoke, once they are committed.
    """

    def __init__(
        self,
        dsn: Secret,
        *,
        schema: str,
        min_size: int = 2,
        max_size: int = 12,
        max_age: float = math.inf,
        refusals: Refusals | None = None,
    ) -> None:
        self.schema = schema
        self.dsn = dsn
        self.on_outbox_write: Callable[[], None] = _nothing
        self.on_revocation: Callable[[Sequence[Row]], None] = _ignore
        self._refusals = dict(refusals or {})
        self._min_size = min(min_size, max_size)
        self.pool = Pool(self._connect, max_size=max_size, max_age=max_age)

    async def open(self) -> None:
        """Connect; raises Unavailable when Postgres cannot be reached."""
        try:
            await self.pool.fill(self._min_size)
        except (asyncpg.PostgresError, *_AWAY) as error:
            raise Unavailable(Reason.UNAVAILABLE, "Postgres cannot be reached") from error

    async def close(self) -> None:
        """Give every connection back."""
        await self.pool.close()

    async def _connect(self) -> Any:
        connection = await connect(
            self.dsn,
            timeout=_CONNECT_SECONDS,
            server_settings={
                "application_name": f"lumi-{self.schema}",
                "search_path": f"{self.schema}, extensions",
                "timezone": "UTC",
                "jit": "off",
                # Our statements are few and run often: planned once each, not anew for every set of values.
                "plan_cache_mode": "force_generic_plan",
                # And each finds its rows by a key. A plan made while a table was next to empty would read all of it,
                # and go on to do so while it grows, until the table is next analyzed.
                "enable_seqscan": "off",
                "idle_in_transaction_session_timeout": "30s",
            },
        )
        await _set_codecs(connection)
        return connection

    async def _take(self) -> Any:
        try:
            return await self.pool.take()
        except Exception as error:
            self.refuse(error)

    async def fetch(self, statement: Statement, /, **values: Any) -> list[Row]:
        arguments = statement.arguments(values)
        with statement_span(statement, current_call.get()):
            connection = await self._take()
            try:
                if crash.armed:
                    await _before_commit(connection, statement, values)
                rows: list[Row] = await connection.fetch(statement.sql, *arguments)
            except Exception as error:
                self.pool.give(connection)
                self.refuse(error)
            except BaseException:
                self.pool.discard(connection)
                raise
            self.pool.give(connection)
            if crash.armed and (step := statement.step_of(values)):
                crash.point(_doer(), "after_commit", step)
            if statement.revokes:
                self.on_revocation(rows)
            return rows

    async def fetchrow(self, statement: Statement, /, **values: Any) -> Row | None:
        _check_one_row(statement)
        arguments = statement.arguments(values)
        with statement_span(statement, current_call.get()):
            connection = await self._take()
            try:
                if crash.armed:
                    await _before_commit(connection, statement, values)
                row: Row | None = await connection.fetchrow(statement.sql, *arguments)
            except Exception as error:
                self.pool.give(connection)
                self.refuse(error)
            except BaseException:
                self.pool.discard(connection)
                raise
            self.pool.give(connection)
            if crash.armed and (step := statement.step_of(values)):
                crash.point(_doer(), "after_commit", step)
            return row

    async def fetchval(self, statement: Statement, /, **values: Any) -> Any:
        row = await self.fetchrow(statement, **values)
        return None if row is None else row[0]

    def on(self, context: Context) -> "Autocommit":
        """One guarded, recorded statement at a time, each its own commit, done in this call's name."""
        return Autocommit(self, context)

    @asynccontextmanager
    async def transaction(self, context: Context, step: str = "") -> AsyncIterator["Transaction"]:
        """BEGIN and COMMIT around the block; ROLLBACK when it raises. No remote call belongs inside.

        `step` names its crash points where its caller has another transaction.
        """
        try:
            async with self.pool.connection() as connection:
                commit = None
                async with connection.transaction():
                    transaction = Transaction(self, connection, context)
                    yield transaction
                    if crash.armed:
                        crash.point(context.method, "before_commit", step)
                    if context.span is not None:
                        commit = context.span.of_statement("COMMIT")
                if commit is not None:
                    commit.end()
        except _AWAY as error:
            self.refuse(error)
        if crash.armed:
            crash.point(context.method, "after_commit", step)
        if transaction.wrote_outbox:
            self.on_outbox_write()
        if transaction.revoked:
            self.on_revocation(transaction.revoked)

    def command(self, request: Message, context: Context) -> Command:
        """The one transaction of a mutating call, which knows request ids: see `Command`."""
        return Command(self, request, context)

    def once(self, request: Message, context: Context) -> Once:
        """One recorded statement that carries its request id itself: see `Once`."""
        return Once(self, request, context)

    def refuse(self, error: BaseException) -> NoReturn:
        """Raise what a failure of the driver means to the caller: a named refusal, Unavailable, or itself."""
        if isinstance(error, _AWAY):
            raise Unavailable(Reason.UNAVAILABLE, "Postgres is away for the moment") from error
        if isinstance(error, asyncpg.DeadlockDetectedError):
            raise Aborted(Reason.UNAVAILABLE, "another change was in the way: try again") from error
        name = getattr(error, "constraint_name", None) or ""
        if name.endswith("_reference") and isinstance(error, asyncpg.ForeignKeyViolationError):
            target, _, id = error.detail.partition(" ")
            raise FailedPrecondition(
                Reason.REFERENCE_GONE, "what it would refer to is gone", reference=name, target=target, id=id
            ) from error
        refusal = self._refusals.get(name)
        if refusal is None:
            raise error
        raise refusal() from error


class Autocommit:
    """Statements in autocommit with the call's context for their outbox rows."""

    __slots__ = ("_database", "context")

    def __init__(self, database: Database, context: Context) -> None:
        self._database, self.context = database, context

    async def fetch(self, statement: Statement, /, **values: Any) -> list[Row]:
        if not statement.writes_outbox:
            return await self._database.fetch(statement, **values)
        rows = await self._database.fetch(statement, headers=self.context.headers, **values)
        self._database.on_outbox_write()
        return rows

    async def fetchrow(self, statement: Statement, /, **values: Any) -> Row | None:
        if not statement.writes_outbox:
            return await self._database.fetchrow(statement, **values)
        row = await self._database.fetchrow(statement, headers=self.context.headers, **values)
        self._database.on_outbox_write()
        return row

    async def fetchval(self, statement: Statement, /, **values: Any) -> Any:
        row = await self.fetchrow(statement, **values)
        return None if row is None else row[0]


class Transaction:
    """Statements on one connection between BEGIN and COMMIT."""

    __slots__ = ("_connection", "_database", "context", "revoked", "wrote_outbox")

    def __init__(self, database: Database, connection: Any, context: Context) -> None:
        self._database, self._connection, self.context = database, connection, context
        self.wrote_outbox = False
        self.revoked: list[Row] = []

    async def fetch(self, statement: Statement, /, **values: Any) -> list[Row]:
        if statement.writes_outbox:
            values["headers"], self.wrote_outbox = self.context.headers, True
        arguments = statement.arguments(values)
        with statement_span(statement, self.context):
            try:
                rows: list[Row] = await self._connection.fetch(statement.sql, *arguments)
            except (asyncpg.PostgresError, *_AWAY) as error:
                self._database.refuse(error)
            if statement.revokes:
                self.revoked += rows
            return rows

    async def fetchrow(self, statement: Statement, /, **values: Any) -> Row | None:
        _check_one_row(statement)
        if statement.writes_outbox:
            values["headers"], self.wrote_outbox = self.context.headers, True
        arguments = statement.arguments(values)
        with statement_span(statement, self.context):
            try:
                row: Row | None = await self._connection.fetchrow(statement.sql, *arguments)
            except (asyncpg.PostgresError, *_AWAY) as error:
                self._database.refuse(error)
            return row

    async def fetchval(self, statement: Statement, /, **values: Any) -> Any:
        row = await self.fetchrow(statement, **values)
        return None if row is None else row[0]


def _check_one_row(statement: Statement) -> None:
    if statement.revokes:
        raise TypeError("a statement that revokes is to be run with fetch: this process hears of all its rows")


async def _before_commit(connection: Any, statement: Statement, values: dict[str, Any]) -> None:
    """The crash point of a statement that is its own commit: there it is written, and nothing more."""
    if (step := statement.step_of(values)) and crash.due(_doer(), "before_commit", step):
        try:
            await connection.execute("begin")
            await connection.fetch(statement.sql, *statement.arguments(values))
        finally:
            crash.die()


def _doer() -> str:
    call = current_call.get()
    return "" if call is None else call.method


def _nothing() -> None:
    """Nobody listens yet."""


def _ignore(_: Sequence[Row]) -> None:
    """Nobody listens yet."""


async def _set_codecs(connection: Any) -> None:
    for name in ("json", "jsonb"):
        await connection.set_type_codec(name, schema="pg_catalog", encoder=to_json, decoder=from_json)
    await connection.set_type_codec("citext", schema="extensions", encoder=str, decoder=str, format="text")


def to_json(value: Any) -> str:
    """JSON text; decimals, times and UUIDs as strings."""
    return json.dumps(value, default=_as_text, separators=(",", ":"))


def from_json(text: str) -> Any:
    """The value of a JSON text, numbers with a fraction as Decimal."""
    return _DECODER.decode(text)


def _as_text(value: object) -> str:
    if isinstance(value, (Decimal, UUID)):
        return str(value)
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")
