"""The relay: publishes what the outbox holds, in order, until all of it is acknowledged."""

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from lumi_common import crash
from lumi_common.cuid import cuid
from lumi_common.events.broker import Broker, ConnectionLost, Session
from lumi_common.events.leader import AWAY, leadership
from lumi_common.events.outbox import ADVANCE, RELAY, Message, message
from lumi_common.events.publisher import Outcome, Publisher
from lumi_common.events.retention import Pruner
from lumi_common.logs import described
from lumi_common.secret import Secret
from lumi_common.tracing import TRACEPARENT

if TYPE_CHECKING:
    from lumi_common.telemetry import Span, Telemetry

log = logging.getLogger(__name__)

_BURY = """
with parked as (
  insert into inbox_versions (consumer, aggregate, aggregate_id, version, parked) values ($2, $3, $4, 0, true)
  on conflict (consumer, aggregate, aggregate_id) do update set parked = true, updated_at = now()
)
insert into dead_letters (id, consumer, event_id, subject, payload, error, attempts)
values ($1, $2, $5, $6, $7, $8, 1)
"""


class Relay:
    """Publishes a schema's outbox; of all processes of a service one is active, the others stand by.

    `poll` is how often it looks unasked, `linger` how long it waits after a `wake` for more to gather, `retry` how
    long after a failure it tries again, all in seconds; `batch` is how many rows it takes at once. All its statements
    run on the connection that holds the lock: a relay that lost the lock cannot go on by mistake.
    """

    def __init__(
        self,
        dsn: Secret,
        broker: Broker,
        *,
        batch: int = 256,
        poll: float = 0.25,
        linger: float = 0.1,
        retry: float = 0.5,
        telemetry: "Telemetry | None" = None,
    ) -> None:
        self._dsn, self._broker, self._source = dsn, broker, broker.service
        self._batch, self._poll, self._linger, self._retry = batch, poll, linger, retry
        self._awake = asyncio.Event()
        self._telemetry = telemetry
        self._pruner = Pruner(broker.service)
        self._told = ""
        self.active = False

    def wake(self) -> None:
        """Something was written to the outbox and is committed."""
        self._awake.set()

    async def run(self) -> None:
        """Lead when it is our turn, and publish; ends only by cancellation."""
        while True:
            try:
                async with leadership(self._dsn, self._source, RELAY) as lead:
                    self.active = True
                    while True:
                        await self._publish_on(await self._broker.session(), lead.connection)
            except AWAY as error:
                self._tell(described(error))
            except Exception:
                log.exception("the relay of %s begins again", self._source)
            finally:
                self.active = False
            await asyncio.sleep(self._retry)

    async def _publish_on(self, session: Session, connection: Any) -> None:
        publisher = Publisher(session)
        try:
            await publisher.open()
            await self._publish_with(publisher, session, connection)
        except ConnectionLost:
            log.info("the relay of %s waits for NATS", self._source)
        finally:
            await publisher.close()

    async def _publish_with(self, publisher: Publisher, session: Session, connection: Any) -> None:
        stored: list[int] = []
        while True:
            self._awake.clear()
            rows = await connection.fetch(ADVANCE, stored, self._batch)
            stored = []
            if not rows:
                await self._pruner.prune_when_due(connection)
                await self._rest()
                continue
            messages = [message(self._source, row) for row in rows]
            spans = self._traced(messages)
            outcome = await publisher.publish(messages)
            _end(spans, outcome)
            if crash.armed:
                _pass(messages, outcome)
            stored = outcome.stored
            for event, reason in outcome.impossible:
                await self._bury(connection, event, reason)
            if outcome.trouble:
                await connection.execute("update outbox_events set published_at = now() where seq = any($1)", stored)
                stored = []
                self._tell(outcome.trouble)
                if session.lost.done():
                    raise ConnectionLost(outcome.trouble)
                await asyncio.sleep(self._retry)
            elif self._told:
                log.info("the relay of %s publishes again", self._source)
                self._told = ""

    def _traced(self, messages: list[Message]) -> "dict[int, Span]":
        """A span, by seq, for each message of a sampled call; its consumers go on below it."""
        spans: dict[int, Span] = {}
        if self._telemetry is None:
            return spans
        for each in messages:
            span = self._telemetry.publishing(each.headers.get(TRACEPARENT, ""), each.subject, each.id)
            if span is not None:
                each.headers[TRACEPARENT], spans[each.seq] = span.traceparent, span
        return spans

    def _tell(self, trouble: str) -> None:
        """Log a trouble once, not at each try."""
        if trouble != self._told:
            log.warning("the relay of %s has to wait: %s", self._source, trouble)
        self._told = trouble

    async def _rest(self) -> None:
        try:
            await asyncio.wait_for(self._awake.wait(), self._poll)
        except TimeoutError:
            return
        await asyncio.sleep(self._linger)

    async def _bury(self, connection: Any, event: Message, reason: str) -> None:
        log.error("event %s of %s/%s cannot be published: %s", event.id, *event.key, reason)
        await connection.execute(_BURY, cuid(), RELAY, *event.key, event.id, event.subject, event.payload, reason)


def _pass(messages: list[Message], outcome: Outcome) -> None:
    """The crash points of what is published and not marked yet."""
    for each in messages:
        if each.seq in outcome.stored:
            context, type = each.subject.split(".", 2)[1:]
            crash.point(f"{context}.relay", "after_publish", type)


def _end(spans: "dict[int, Span]", outcome: Outcome) -> None:
    for seq in outcome.stored:
        if seq in spans:
            spans.pop(seq).end()
    for span in spans.values():
        span.end("NOT_PUBLISHED")
