"""A service's connection to NATS, made again for as long as the service lives."""

import asyncio
import logging
from asyncio import CancelledError, Event, Future, Task
from collections.abc import Awaitable, Callable
from contextlib import suppress

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from lumi_common.events.streams import inbox_prefix
from lumi_common.logs import described
from lumi_common.secret import Secret, values
from lumi_common.tasks import end

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.25

_AWAY = (
    nats.errors.ConnectionClosedError,
    nats.errors.ConnectionDrainingError,
    nats.errors.ConnectionReconnectingError,
    nats.errors.OutboundBufferLimitError,
    nats.errors.StaleConnectionError,
    nats.errors.FlushTimeoutError,
    OSError,
)


class ConnectionLost(ConnectionError):
    """The session's connection to NATS is gone; begin again on the next one."""


class NoAnswer(TimeoutError):
    """Nobody answered in time, or as they should."""


class Session:
    """One connection from its greeting to its end; what was subscribed or in flight ends with it."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.lost: Future[None] = asyncio.get_running_loop().create_future()

    def end(self) -> None:
        """The connection has ended."""
        if not self.lost.done():
            self.lost.set_result(None)

    async def publish(
        self, subject: str, payload: bytes, *, reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        """Hand a message to the connection; raises ConnectionLost, or what nats-py has against the message."""
        try:
            await self.client.publish(subject, payload, reply=reply, headers=headers)
        except _AWAY as error:
            self.end()
            raise ConnectionLost("NATS went away") from error

    async def subscribe(self, subject: str, receive: Callable[[Msg], Awaitable[None]]) -> Subscription:
        """Hear a subject until the session or the subscription ends; raises ConnectionLost."""
        try:
            return await self.client.subscribe(subject, cb=receive)
        except _AWAY as error:
            self.end()
            raise ConnectionLost("NATS went away") from error

    async def request(self, subject: str, payload: bytes = b"", *, timeout: float = 2.0) -> bytes:
        """Ask and wait for the answer; raises ConnectionLost, or NoAnswer."""
        try:
            return (await self.client.request(subject, payload, timeout=timeout)).data
        except (nats.errors.NoRespondersError, nats.errors.TimeoutError) as error:
            raise NoAnswer(f"no answer to {subject}") from error
        except _AWAY as error:
            self.end()
            raise ConnectionLost("NATS went away") from error


async def unsubscribe(subscription: Subscription) -> None:
    """End a subscription, unless its session has ended it."""
    with suppress(nats.errors.Error, OSError):
        await subscription.unsubscribe()


class Broker:
    """Keeps one connection for the relay and the consumers of a service.

    nats-py's own reconnecting is off: it would resend what it had buffered behind our backs, and what is to be sent
    again is known to the outbox alone.
    """

    def __init__(self, url: Secret, service: str) -> None:
        self.service = service
        self._url = url
        self._session: Session | None = None
        self._found = Event()
        self._task: Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._found.is_set()

    def start(self) -> None:
        """Begin connecting in the background: a service starts without its broker."""
        self._task = asyncio.create_task(self._keep(), name=f"{self.service} broker")

    async def stop(self) -> None:
        """Close the connection for good, after what was published has been sent."""
        if self._task is not None:
            await end([self._task])

    async def session(self) -> Session:
        """The present connection, or the next one as soon as there is one."""
        while self._session is None or self._session.lost.done():
            self._found.clear()
            await self._found.wait()
        return self._session

    async def _keep(self) -> None:
        told = False
        while True:
            try:
                session = await self._connected()
            except (nats.errors.Error, OSError, TimeoutError) as error:
                if not told:  # once per outage
                    log.warning("NATS cannot be reached, trying on: %s", described(error))
                told = True
                await asyncio.sleep(RETRY_SECONDS)
                continue
            told = False
            self._session = session
            self._found.set()
            try:
                await asyncio.shield(session.lost)
                log.warning("the connection to NATS is lost")
            except CancelledError:
                await self._flush(session.client)
                raise
            finally:
                self._found.clear()
                with suppress(nats.errors.Error, OSError):
                    await session.client.close()
            await asyncio.sleep(RETRY_SECONDS)

    async def _connected(self) -> Session:
        *others, last = values(self._url)
        for each in others:
            with suppress(nats.errors.Error):
                return await self._connect(each)
        return await self._connect(last)

    async def _connect(self, url: str) -> Session:
        session = Session(Client())

        async def closed() -> None:
            session.end()

        async def noted(error: Exception) -> None:
            if session.client.is_connected:  # before that it is raised too
                log.warning("NATS: %s", described(error))

        await session.client.connect(
            url,
            name=f"lumi-{self.service}",
            inbox_prefix=inbox_prefix(self.service),
            allow_reconnect=False,
            connect_timeout=2,
            ping_interval=5,
            max_outstanding_pings=2,
            disconnected_cb=closed,
            closed_cb=closed,
            error_cb=noted,
        )
        return session

    @staticmethod
    async def _flush(client: Client) -> None:
        try:
            await client.flush(2)
        except (nats.errors.Error, OSError):
            log.warning("NATS did not take the last messages; what it lacks goes out again")
