"""A consumer group: each event's effect exactly once, in order per aggregate."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any, ParamSpec

from lumi_common import crash
from lumi_common.context import Context, lead_of
from lumi_common.db.database import Database
from lumi_common.errors import Aborted, Reason
from lumi_common.events.broker import Broker, ConnectionLost, Session
from lumi_common.events.event import Event
from lumi_common.events.handlers import Handler, InBatch, InTransaction, Remote, is_transient
from lumi_common.events.inbox import Inbox
from lumi_common.events.lanes import Lanes
from lumi_common.events.leader import AWAY, Leadership, leadership
from lumi_common.events.puller import Delivery, Puller
from lumi_common.events.streams import Durable, durable, stream
from lumi_common.logs import current_call, described
from lumi_common.principal import Principal
from lumi_common.tasks import end

if TYPE_CHECKING:
    from lumi_common.telemetry import Span, Telemetry

log = logging.getLogger(__name__)

HANDLER_SECONDS = 30.0
Work = tuple[Delivery, Event]
P = ParamSpec("P")


class Consumer:
    """Pulls one durable consumer's events and hands them to `handler`.

    Of all processes of a service one is active per group. An event whose type is not among `types` (empty: all) is
    let go unread. An event that fails for a passing reason is tried until it succeeds, its aggregate's later ones
    waiting behind it; one that fails `attempts` times for another becomes a dead letter, and its aggregate is
    parked. `retry` is the first pause and `retry_most` the longest, `linger` how long to wait for more before a
    batch, in seconds; `batch` and `concurrency` are how many events and aggregates at once.
    """

    def __init__(
        self,
        name: str | Durable,
        database: Database,
        broker: Broker,
        handler: Handler,
        *,
        types: Collection[str] = (),
        attempts: int = 5,
        retry: float = 0.2,
        retry_most: float = 5.0,
        batch: int = 256,
        linger: float = 0.0,
        concurrency: int = 4,
        telemetry: "Telemetry | None" = None,
    ) -> None:
        self.durable = durable(name) if isinstance(name, str) else name
        self.name = self.durable.name
        self.handler = handler
        self.inbox = Inbox(self.name)
        self.active = False
        self._database, self._broker, self._types = database, broker, frozenset(types)
        self._attempts, self._retry, self._retry_most = attempts, retry, retry_most
        self._batch, self._linger = batch, linger
        self._room = asyncio.Semaphore(concurrency)
        self._principal = Principal.service(self.name)
        self._telemetry = telemetry

    async def run(self) -> None:
        """Lead when it is our turn, and consume; ends only by cancellation."""
        while True:
            try:
                async with leadership(self._database.dsn, self._database.schema, self.name) as lead:
                    self.active = True
                    await self._lead(lead)
            except AWAY as error:
                log.warning("the consumer %s begins again: %s", self.name, described(error))
            except Exception:
                log.exception("the consumer %s begins again", self.name)
            finally:
                self.active = False
            await asyncio.sleep(self._retry)

    async def pending(self) -> int:
        """How many events are published and not acknowledged yet; raises NoAnswer or ConnectionLost."""
        session, waiting = await self._broker.session(), 0
        for context in self.durable.contexts:
            answer = json.loads(await session.request(f"$JS.API.CONSUMER.INFO.{stream(context)}.{self.name}"))
            waiting += int(answer.get("num_pending", 0)) + int(answer.get("num_ack_pending", 0))
        return waiting

    async def _lead(self, lead: Leadership) -> None:
        watch = asyncio.create_task(lead.watch())
        watch.add_done_callback(_seen)
        try:
            while True:
                work = asyncio.create_task(self._consume(await self._broker.session()))
                work.add_done_callback(_seen)
                try:
                    await asyncio.wait((work, watch), return_when=asyncio.FIRST_COMPLETED)
                    if watch.done():
                        await watch
                    await work
                except ConnectionLost:
                    log.info("the consumer %s waits for NATS", self.name)
                finally:
                    await end((work,))
        finally:
            watch.cancel()

    async def _consume(self, session: Session) -> None:
        puller = Puller(session, self.durable)
        lanes: Lanes[Work] = Lanes(lambda work: self._settle(puller, *work))
        lanes.failed.add_done_callback(lambda _: puller.nudge())
        try:
            await puller.open()
            while True:
                deliveries = await puller.take(self._batch, self._linger)
                works = [work for each in deliveries if (work := await self._read(puller, each))]
                in_batch = isinstance(self.handler, InBatch)
                if not in_batch or not await self._file(puller, works):
                    for work in works:
                        lanes.add(work[1].key, work)
                if in_batch:
                    await lanes.idle()
                elif lanes.failed.done():
                    lanes.failed.result()
        finally:
            # At once: what is still listening takes events, and nobody is there any more to see to them.
            await puller.close()
            await lanes.stop()

    async def _read(self, puller: Puller, delivery: Delivery) -> Work | None:
        """The event, or None for one that is not for us and one that is none."""
        try:
            event = Event.parse(delivery.payload, delivery.traceparent, subject=delivery.subject)
        except ValueError as error:
            log.error("%s got what is no event on %s", self.name, delivery.subject)
            delivery.attempts = 1
            await self._insist(self._bury, delivery, error)
        else:
            if not self._types or event.type in self._types:
                return delivery, event
        await puller.acknowledge(delivery)
        return None

    async def _file(self, puller: Puller, works: Sequence[Work]) -> bool:
        """Apply a batch whole; False when it cannot be, so that one by one must show which event is to blame."""
        pause = self._retry
        while works:
            try:
                await self._apply(works)
                break
            except Exception as error:
                if not is_transient(error):
                    log.warning("%s takes a batch of %d one by one: %s", self.name, len(works), described(error))
                    return False
                log.warning("%s waits: %s", self.name, described(error))
                await asyncio.sleep(pause)
                pause = min(2 * pause, self._retry_most)
        for delivery, event in works:
            if crash.armed:
                crash.point(self.name, "before_acknowledge", event.type)
            await puller.acknowledge(delivery)
        return True

    async def _settle(self, puller: Puller, delivery: Delivery, event: Event) -> None:
        """Apply one event, however long it takes, or set it aside."""
        current_call.set(self._context(event))  # of this lane's own task: its lines carry the event's trace
        pause = self._retry
        while True:
            try:
                async with self._room:
                    await self._apply([(delivery, event)])
                break
            except Exception as error:
                if not is_transient(error):
                    delivery.attempts += 1
                    told = self.name, event, delivery.attempts, described(error)
                    log.warning("%s failed at %r, attempt %d: %s", *told)
                    if delivery.attempts >= self._attempts:
                        log.exception("%s sets aside %r and what follows it", self.name, event)
                        await self._insist(self._park, delivery, event, error)
                        break
            await asyncio.sleep(pause)
            pause = min(2 * pause, self._retry_most)
        if crash.armed:
            crash.point(self.name, "before_acknowledge", event.type)
        await puller.acknowledge(delivery)

    async def _apply(self, works: Sequence[Work]) -> None:
        with self._consuming(works) as context:
            await self._apply_in(context, works)

    @contextmanager
    def _consuming(self, works: Sequence[Work]) -> Iterator[Context]:
        """The context to apply these in: each event of a sampled call has its span, the first one's has the rest."""
        context = self._context(works[0][1])
        with ExitStack() as spans:
            if self._telemetry is not None:
                sampled: list[Context] = []
                for delivery, event in works:
                    span = self._telemetry.consuming(event.traceparent, delivery.subject, event.id, self.name)
                    if span is not None:
                        sampled.append(self._context(event, spans.enter_context(span)))
                context = lead_of(sampled) or context
            before = current_call.set(context)
            try:
                yield context
            finally:
                current_call.reset(before)

    async def _apply_in(self, context: Context, works: Sequence[Work]) -> None:
        if isinstance(self.handler, Remote):
            for work in works:
                await self._apply_remotely(self.handler, context, *work)
            return
        # Within a batch too an event that is not newer than one before it is dropped.
        newest: dict[tuple[str, str], int] = {}
        offered: list[Work] = []
        for work in works:
            event = work[1]
            if event.version > newest.get(event.key, -1):
                newest[event.key] = event.version
                offered.append(work)
        async with self._database.transaction(context) as tx:
            admission = await self.inbox.admit(tx, [event for _, event in offered])
            fresh = [event for _, event in offered if event.id in admission.fresh]
            if isinstance(self.handler, InTransaction):
                for event in fresh:
                    await self.handler.apply(tx, event)
            elif fresh:
                await self.handler.apply(tx, fresh)
            if admission.parked:
                for delivery, event in offered:
                    if event.id in admission.parked and not await self.inbox.shelve(tx, event, delivery):
                        raise Aborted(Reason.UNAVAILABLE, "the aggregate was redriven just now")

    async def _apply_remotely(self, handler: Remote, context: Context, delivery: Delivery, event: Event) -> None:
        parked, known = await self.inbox.state(self._database, event)
        if known:
            return
        if not parked:
            async with asyncio.timeout(HANDLER_SECONDS):
                await handler.apply(event)
        async with self._database.transaction(context) as tx:
            if not parked:
                await self.inbox.admit(tx, [event])
            elif not await self.inbox.shelve(tx, event, delivery):
                raise Aborted(Reason.UNAVAILABLE, "the aggregate was redriven just now")

    async def _insist(self, step: Callable[P, Awaitable[None]], *args: P.args, **kwargs: P.kwargs) -> None:
        """What must not fail is tried until it does not."""
        while True:
            try:
                return await step(*args, **kwargs)
            except Exception as error:
                log.warning("%s cannot write a dead letter yet: %s", self.name, described(error))
            await asyncio.sleep(self._retry_most)

    async def _park(self, delivery: Delivery, event: Event, error: BaseException) -> None:
        async with self._database.transaction(self._context(event)) as tx:
            await self.inbox.park(tx, event, delivery, error)

    async def _bury(self, delivery: Delivery, error: BaseException) -> None:
        async with self._database.transaction(Context.system(self.name)) as tx:
            await self.inbox.bury(tx, delivery, error)

    def _context(self, event: Event, span: "Span | None" = None) -> Context:
        """In the consumer's name, in the trace of the call that caused the event."""
        return Context(
            method=self.name,
            principal=self._principal,
            traceparent=event.traceparent if span is None else span.traceparent,
            deadline=monotonic() + HANDLER_SECONDS,
            span=span,
        )


def _seen(task: "asyncio.Task[Any]") -> None:
    """Whoever waits for the task raises its error; if nobody does any more, it is of no interest."""
    if not task.cancelled():
        task.exception()
