"""Pulling a durable consumer's messages from the streams it reads, on one session."""

import asyncio
import json
import logging
from collections import deque
from contextlib import suppress
from time import monotonic

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from lumi_common.events.broker import ConnectionLost, NoAnswer, Session, unsubscribe
from lumi_common.events.streams import Durable, stream
from lumi_common.tracing import TRACEPARENT

log = logging.getLogger(__name__)

PULL_SECONDS = 30.0
BATCH = 256
# The server says when a pull is over; if it did not by then, it has forgotten it.
_GRACE_SECONDS = 2.0
_STREAM_TOKEN, _SEQUENCE_TOKEN = 2, 5
_STREAM_TOKEN_LONG, _SEQUENCE_TOKEN_LONG = 4, 7  # with domain and account hash in front


class Delivery:
    """One message in hand: where it is in its stream, and where its acknowledgement goes."""

    __slots__ = ("attempts", "event_id", "payload", "place", "reply", "subject", "traceparent")

    def __init__(self, message: Msg) -> None:
        headers = message.headers or {}
        self.place = _place(message.reply)
        self.reply = message.reply
        self.subject = message.subject
        self.payload = message.data
        self.event_id = headers.get("Nats-Msg-Id", "")
        self.traceparent = headers.get(TRACEPARENT, "")
        self.attempts = 0


class _Pull:
    """The standing request to one stream."""

    __slots__ = ("context", "expected", "inbox", "until")

    def __init__(self, context: str, inbox: str) -> None:
        self.context, self.inbox = context, inbox
        self.expected, self.until = 0, 0.0


class Puller:
    """Keeps a request open to each stream and gathers what comes.

    It begins by resetting the durable to its acknowledgement floor: what a predecessor had in hand comes again at
    once and in order, instead of whenever its time runs out and in any order. From then on nothing is given back
    to the server: what has to wait waits in hand, unacknowledged, so that nothing overtakes it.
    """

    def __init__(self, session: Session, durable: Durable) -> None:
        self._session, self._durable = session, durable
        self._pulls = [_Pull(context, session.client.new_inbox()) for context in durable.contexts]
        self._subscriptions: list[Subscription] = []
        self._ready: deque[Delivery] = deque()
        self._in_hand: dict[tuple[str, int], Delivery] = {}
        self._arrived = asyncio.Event()

    async def open(self) -> None:
        """Reset and begin pulling; raises NoAnswer where the durable is not there (yet)."""
        for pull in self._pulls:
            await self._reset(pull.context)
            await self._listen(pull)
        self._session.lost.add_done_callback(lambda _: self.nudge())

    async def close(self) -> None:
        """Stop listening, so that a request still standing at the server takes nothing from a successor."""
        for subscription in self._subscriptions:
            await unsubscribe(subscription)

    def nudge(self) -> None:
        """Let `take` return, with or without deliveries."""
        self._arrived.set()

    async def take(self, limit: int, linger: float = 0.0) -> list[Delivery]:
        """At most `limit` deliveries in stream order, as soon as there are some; `linger` seconds for more to gather.

        Empty after a nudge or a while of silence; raises ConnectionLost.
        """
        if not self._ready:
            self._arrived.clear()
            await self._pull_where_due()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._arrived.wait(), PULL_SECONDS / 6)
            if not self._ready:
                self._check()
                return []
        if linger and len(self._ready) < limit:
            await asyncio.sleep(linger)
        self._check()
        await self._pull_where_due()
        ready = self._ready
        return [ready.popleft() for _ in range(min(limit, len(ready)))]

    async def acknowledge(self, delivery: Delivery) -> None:
        """Its effect is committed: it need not come again."""
        if self._in_hand.get(delivery.place) is not delivery:
            return  # its stream was made anew: the place, and so the address, is another event's
        del self._in_hand[delivery.place]
        await self._session.publish(delivery.reply, b"")

    def _check(self) -> None:
        if self._session.lost.done():
            raise ConnectionLost("NATS went away")

    async def _reset(self, context: str) -> None:
        name = f"{stream(context)}.{self._durable.name}"
        try:
            answer = json.loads(await self._session.request(f"$JS.API.CONSUMER.RESET.{name}"))
        except NoAnswer as error:
            raise NoAnswer(f"the consumer {name} is not there, or NATS is not ready") from error
        if "error" in answer:
            raise NoAnswer(f"the consumer {name} cannot be reset: {answer['error'].get('description')}")

    async def _pull_where_due(self) -> None:
        now = monotonic()
        for pull in self._pulls:
            if pull.expected > 0 and now < pull.until:
                continue
            pull.expected, pull.until = BATCH, now + PULL_SECONDS + _GRACE_SECONDS
            request = b'{"batch":%d,"expires":%d}' % (BATCH, int(PULL_SECONDS * 1e9))
            name = f"{stream(pull.context)}.{self._durable.name}"
            await self._session.publish(f"$JS.API.CONSUMER.MSG.NEXT.{name}", request, reply=pull.inbox)

    async def _listen(self, pull: _Pull) -> None:
        async def receive(message: Msg) -> None:
            await self._receive(pull, message)

        self._subscriptions.append(await self._session.subscribe(pull.inbox, receive))

    async def _receive(self, pull: _Pull, message: Msg) -> None:
        if not message.reply:  # the end of a pull: its time is over, or the server moves house
            status = (message.headers or {}).get("Status", "")
            pull.expected = 0
            if status == "503":  # nobody there: ask again, but not at once
                pull.expected, pull.until = 1, monotonic() + _GRACE_SECONDS
            await self._pull_where_due()
            return
        pull.expected -= 1
        delivery = Delivery(message)
        held = self._in_hand.get(delivery.place)
        # It took longer than the server waits; the newest address is good for both.
        if held is not None and held.event_id == delivery.event_id:
            held.reply = delivery.reply
            return
        self._in_hand[delivery.place] = delivery
        self._ready.append(delivery)
        self._arrived.set()


def _place(reply: str) -> tuple[str, int]:
    tokens = reply.split(".")
    if len(tokens) > 9:
        return tokens[_STREAM_TOKEN_LONG], int(tokens[_SEQUENCE_TOKEN_LONG])
    return tokens[_STREAM_TOKEN], int(tokens[_SEQUENCE_TOKEN])
