"""Pipelined publishing: many aggregates at once, of one aggregate never two unacknowledged."""

import asyncio
import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

import nats.errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from lumi_common.events.broker import ConnectionLost, Session, unsubscribe
from lumi_common.events.outbox import Message

ACK_SECONDS = 5.0
_TOO_LARGE = 10054  # JetStream's "message size exceeds maximum allowed"


@dataclass(slots=True)
class Outcome:
    """What became of a batch: `stored` are outbox seqs, `impossible` what no stream will ever take.

    `trouble` says why the rest, if any, has to be published again with the same ids.
    """

    stored: list[int] = field(default_factory=list)
    impossible: list[tuple[Message, str]] = field(default_factory=list)
    trouble: str = ""


class Publisher:
    """Publishes on one session; acknowledgements come back on one inbox of its own."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._inbox = session.client.new_inbox()
        self._skip = len(self._inbox) + 1
        self._tokens = count()
        self._waiting: dict[str, Message] = {}
        self._lanes: dict[tuple[str, str], deque[Message]] = {}
        self._outcome = Outcome()
        self._finished: asyncio.Future[None] | None = None
        self._subscription: Subscription | None = None

    async def open(self) -> None:
        """Listen for acknowledgements."""
        self._subscription = await self._session.subscribe(f"{self._inbox}.*", self._acknowledged)

    async def close(self) -> None:
        """Stop listening."""
        if self._subscription is not None:
            await unsubscribe(self._subscription)

    async def publish(self, messages: Sequence[Message]) -> Outcome:
        """Publish in order and wait for every acknowledgement; not to be called twice at a time."""
        outcome = self._outcome = Outcome()
        finished = self._finished = asyncio.get_running_loop().create_future()
        self._waiting.clear()
        self._lanes.clear()
        heads = []
        for message in messages:
            lane = self._lanes.get(message.key)
            if lane is None:
                self._lanes[message.key] = deque()
                heads.append(message)
            else:
                lane.append(message)
        try:
            for message in heads:
                await self._send(message)
            await self._settle(finished)
        except ConnectionLost:
            outcome.trouble = "the connection is lost"
        finally:
            # A late acknowledgement of this batch is nobody's any more.
            self._waiting.clear()
            self._lanes.clear()
            self._finished = None
        return outcome

    async def _settle(self, finished: "asyncio.Future[None]") -> None:
        lost = self._session.lost
        while not finished.done():
            before = len(self._outcome.stored)
            await asyncio.wait((finished, lost), timeout=ACK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if lost.done():
                raise ConnectionLost("NATS went away")
            if not finished.done() and len(self._outcome.stored) == before:
                self._outcome.trouble = f"no acknowledgement within {ACK_SECONDS:g} s"
                return

    async def _send(self, message: Message) -> None:
        token = str(next(self._tokens))
        self._waiting[token] = message
        try:
            await self._session.publish(
                message.subject, message.payload, reply=f"{self._inbox}.{token}", headers=message.headers
            )
        except nats.errors.Error as error:  # too large, or with a subject that is none
            del self._waiting[token]
            self._give_up(message, repr(error))

    async def _acknowledged(self, reply: Msg) -> None:
        message = self._waiting.pop(reply.subject[self._skip :], None)
        if message is None:
            return
        error = _error(reply)
        if error is None:
            self._outcome.stored.append(message.seq)
            lane = self._lanes[message.key]
            if lane:
                try:
                    await self._send(lane.popleft())
                except ConnectionLost:
                    return  # `publish` hears of it itself
            else:
                self._leave(message.key)
        elif error.get("err_code") == _TOO_LARGE:
            self._give_up(message, str(error.get("description")))
        else:
            # The lane's later ones must not overtake it; they go out again with it.
            self._outcome.trouble = str(error.get("description"))
            self._leave(message.key)

    def _give_up(self, message: Message, reason: str) -> None:
        self._outcome.impossible.append((message, reason))
        self._leave(message.key)

    def _leave(self, key: tuple[str, str]) -> None:
        del self._lanes[key]
        if not self._lanes and self._finished is not None and not self._finished.done():
            self._finished.set_result(None)


def _error(reply: Msg) -> "dict[str, object] | None":
    """What the server says against the message; None when it is stored, now or under this id before."""
    if not reply.data:
        return {"description": "no stream answers for this subject"}
    answer = json.loads(reply.data)
    error: dict[str, object] | None = answer.get("error")
    return error
