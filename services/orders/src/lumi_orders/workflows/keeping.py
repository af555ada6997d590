"""Keeping a call's answer under its request id: by the call itself, or for it by whoever finishes its work."""

from typing import Any, Protocol

from google.protobuf.message import Message

from lumi_common.context import Context
from lumi_common.db.database import Database, Row
from lumi_common.db.statement import Statement
from lumi_orders.domain.checkout import Origin
from lumi_orders.storage.requests import UNASKED

# How often a change is decided anew because another came first.
TRIES = 10


class Keeper(Protocol):
    """Runs a recorded statement with the answer that it earns; `Database.once` is one."""

    context: Context

    async def change(self, statement: Statement, answer: Message, /, **values: Any) -> Row | None:
        """The statement's first row, or None when its guard let nothing through."""


class Aftercare:
    """Finishes what another call began: the answer is kept under that call's request id, if it gave one."""

    def __init__(self, db: Database, context: Context, method: str = "", origin: Origin | None = None) -> None:
        self.context = context
        self._db, self._method, self._origin = db, method, origin

    async def change(self, statement: Statement, answer: Message, /, **values: Any) -> Row | None:
        request: dict[str, Any] = UNASKED
        if self._origin is not None:
            request = {
                "principal": self._origin.principal,
                "method": self._method,
                "request_id": self._origin.request_id,
                "request_hash": self._origin.request_hash,
                "response": answer.SerializeToString(),
            }
        return await self._db.on(self.context).fetchrow(statement, **request, **values)


def actor_of(context: Context) -> str:
    """Whose doing it is, as an order's history keeps it."""
    return f"{context.actor.type}:{context.actor.id}"
