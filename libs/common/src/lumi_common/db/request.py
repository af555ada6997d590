"""Request ids: one id, one effect, one answer.

The record is written in the transaction of the effect, last. Of two at once the second meets the first's key when
it commits, is undone as a whole, and gets the first's answer.
"""

import hashlib
from functools import lru_cache
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import asyncpg
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message
from sqlalchemy import (
    Column,
    DateTime,
    Interval,
    LargeBinary,
    MetaData,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    select,
)

from lumi_common.context import Context
from lumi_common.db.statement import Statement
from lumi_common.errors import Aborted, InvalidArgument, LumiError, Reason

if TYPE_CHECKING:
    from lumi_common.db.database import Database, Row, Transaction

KEY = "request_ids_pkey"
_KEPT = literal_column("interval '24 hours'", Interval)

# Without a schema: the connection's search path leads to the service's own.
_request_ids = Table(
    "request_ids",
    MetaData(),
    Column("principal", Text),
    Column("method", Text),
    Column("request_id", Text),
    Column("request_hash", LargeBinary),
    Column("response", LargeBinary),
    Column("expires_at", DateTime(timezone=True)),
)
_FIND = Statement(
    select(_request_ids.c.request_hash, _request_ids.c.response).where(
        _request_ids.c.principal == bindparam("principal"),
        _request_ids.c.method == bindparam("method"),
        _request_ids.c.request_id == bindparam("request_id"),
    )
)
_KEEP = Statement(
    insert(_request_ids).values(
        principal=bindparam("principal"),
        method=bindparam("method"),
        request_id=bindparam("request_id"),
        request_hash=bindparam("request_hash"),
        response=bindparam("response"),
        expires_at=func.now() + _KEPT,
    )
)

_FORGET = Statement(delete(_request_ids).where(_request_ids.c.expires_at < func.now()))

# Refusals that a repeat meets because its first call took effect: the record decides which it was.
_OF_THE_STATE = ("NOT_FOUND", "ALREADY_EXISTS", "FAILED_PRECONDITION", "ABORTED")


def request_hash(request: Message, context: Context) -> bytes:
    """What tells a call's body from another's that came under the same request id."""
    return _hash(request, by_permission=context.by_permission)


def _hash(request: Message, *, by_permission: bool) -> bytes:
    # A permission is told apart by a byte that no body begins with: who loses it does not get what it earned.
    body = request.SerializeToString(deterministic=True)
    return hashlib.sha256(b"\0" + body if by_permission else body).digest()


class _Request:
    """What a command and a single recorded statement share: the key, the hash and the looking up."""

    def __init__(self, database: "Database", request: Message, context: Context) -> None:
        self.context = context
        self.answer: Any = None
        self._database, self._request = database, request
        self._id: str = getattr(request, "request_id", "")
        if self._id:
            context.under(self._id)

    def _key(self) -> dict[str, str]:
        return {
            "principal": self.context.principal.key,
            "method": self.context.method,
            "request_id": self._id,
        }

    def _hash(self) -> bytes:
        return request_hash(self._request, self.context)

    async def recall(self) -> bool:
        """Take the first call's answer, if this id has one; raises when the id came with another body.

        To be asked first by a call that does something before its transaction.
        """
        if not self._id:
            return False
        return self._take(await self._database.fetchrow(_FIND, **self._key()))

    def _take(self, row: "Row | None") -> bool:
        if row is None:
            return False
        if self.context.owner_only and row["request_hash"] == _hash(self._request, by_permission=True):
            return False  # earned with a permission that the caller has lost: let the call be refused as it is now
        if row["request_hash"] != self._hash():
            raise InvalidArgument(
                Reason.REQUEST_ID_REUSED, "this request_id was used with another body", field="request_id"
            )
        self.answer = self._answer_type().FromString(row["response"])
        return True

    def _answer_type(self) -> Any:
        return _answer_type(self.context.method)

    async def _settle(self, error: BaseException) -> bool:
        """Whether a failed call is a repeat whose first answer stands."""
        if isinstance(error, asyncpg.UniqueViolationError) and error.constraint_name == KEY:
            if not await self.recall():
                raise Aborted(Reason.UNAVAILABLE, "the first call with this request_id did not finish") from error
            return True
        if isinstance(error, LumiError) and error.code in _OF_THE_STATE:
            return await self.recall()
        return False


class Command(_Request):
    """The one transaction of a mutating call.

    `fresh` is False for a repeat of a call that took effect: then `answer` is the first answer already. A fresh
    one changes what it has to and sets `answer`; the record of its request id is written with the commit.
    """

    fresh = True

    async def __aenter__(self) -> Self:
        self._opened = self._database.transaction(self.context)
        self._transaction: Transaction = await self._opened.__aenter__()
        try:
            if self._id:
                self.fresh = not self._take(await self._transaction.fetchrow(_FIND, **self._key()))
        except BaseException as error:
            await self._opened.__aexit__(type(error), error, error.__traceback__)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        try:
            if error is None and self._id and self.fresh:
                response = self.answer.SerializeToString()
                await self._transaction.fetchrow(_KEEP, **self._key(), request_hash=self._hash(), response=response)
        except BaseException as failure:
            await self._leave(failure)
            if await self._settle(failure):
                return True
            raise
        if error is None:
            await self._opened.__aexit__(None, None, None)
            return False
        await self._leave(error)
        return await self._settle(error)

    async def _leave(self, error: BaseException) -> None:
        """Roll back; the error itself goes on to whoever asked."""
        try:
            await self._opened.__aexit__(type(error), error, error.__traceback__)
        except BaseException as same:
            if same is not error:
                raise

    async def fetch(self, statement: Statement, /, **values: Any) -> "list[Row]":
        return await self._transaction.fetch(statement, **values)

    async def fetchrow(self, statement: Statement, /, **values: Any) -> "Row | None":
        return await self._transaction.fetchrow(statement, **values)

    async def fetchval(self, statement: Statement, /, **values: Any) -> Any:
        return await self._transaction.fetchval(statement, **values)


class Once(_Request):
    """A mutating call whose whole change is one recorded statement, built with `request=True`.

    Give `change` the answer, which has to be known before the statement runs. A repeat is found when the
    statement meets its own key or changes nothing: raise the refusal inside the block, and the first answer, if
    there is one, takes its place. After the block `answer` is the answer either way.
    """

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        return error is not None and await self._settle(error)

    async def change(self, statement: Statement, answer: Message, /, **values: Any) -> "Row | None":
        """Run the statement; its first row, or None when its guard let nothing through."""
        row = await self._database.on(self.context).fetchrow(
            statement,
            **self._key(),
            request_hash=self._hash() if self._id else b"",
            response=answer.SerializeToString() if self._id else b"",
            **values,
        )
        self.answer = answer
        return row

    async def keep(self, answer: Message) -> None:
        """Keep the answer of a call that found nothing to change."""
        if self._id:
            response = answer.SerializeToString()
            await self._database.fetchrow(_KEEP, **self._key(), request_hash=self._hash(), response=response)
        self.answer = answer


async def forget_expired(database: "Database") -> None:
    """Delete the records whose day is over."""
    await database.fetch(_FORGET)


@lru_cache(maxsize=1024)
def _answer_type(method: str) -> type[Message]:
    service, _, name = method.lstrip("/").partition("/")
    described = descriptor_pool.Default().FindServiceByName(service).methods_by_name[name]
    answer: type[Message] = message_factory.GetMessageClass(described.output_type)
    return answer
