"""The life of a service's process: settings, database, servers, background work, signals, drain."""

import asyncio
import gc
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from logging import getLogger
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import uvloop

from lumi_common import crash
from lumi_common.clock import Clock, utc_now
from lumi_common.context import Context
from lumi_common.db.database import Database, Refusals, Row
from lumi_common.db.invariants import Invariant, Invariants
from lumi_common.db.personal import People
from lumi_common.db.references import heard, owned, restricting
from lumi_common.db.referrer import Referrer
from lumi_common.db.request import forget_expired
from lumi_common.deletions import Deletions
from lumi_common.errors import Unavailable
from lumi_common.events.broker import Broker
from lumi_common.events.consumer import Consumer
from lumi_common.events.handlers import Handler, InTransaction
from lumi_common.events.relay import Relay
from lumi_common.figures import Gauge, Gauges, Read, of_every_service
from lumi_common.logs import configure_logs, current_call, described
from lumi_common.personal import PersonalData
from lumi_common.rpc.access import ContractError
from lumi_common.rpc.auth import KEYS_SECONDS, Jwks, KeySource, TokenVerifier
from lumi_common.rpc.certificates import CertificateError
from lumi_common.rpc.channel import PeerChannel
from lumi_common.rpc.health import Check
from lumi_common.rpc.jwks import keys_of, revocations_of
from lumi_common.rpc.operations import OperationsService
from lumi_common.rpc.refused import SEND_SECONDS, Record, recorded_by
from lumi_common.rpc.revocations import BEAT_SECONDS, Revocation, Revocations, RevocationSource, Told
from lumi_common.rpc.server import AddToServer, PortTaken, RpcServer
from lumi_common.settings import Settings
from lumi_common.tasks import end

if TYPE_CHECKING:
    from sqlalchemy import MetaData

    from lumi_common.telemetry import Telemetry

S = TypeVar("S", bound=Settings)
Work = Callable[[], Awaitable[None]]

DATABASE_PATIENCE_SECONDS = 60.0
_FORGET_SECONDS = 600.0
# A call leaves hardly any cycles behind: looking for them after every 700 objects finds nothing, again and again.
_GC_THRESHOLDS = (20_000, 20, 50)
_RESTART_SECONDS, _MAX_RESTART_SECONDS = 0.5, 30.0

_log = getLogger(__name__)


class Runtime(Generic[S]):
    """What `compose` wires a service from; everything registered here is started, watched and closed for it."""

    def __init__(
        self, name: str, settings: S, *, refusals: Refusals | None = None, telemetry: "Telemetry | None" = None
    ) -> None:
        self.name = name
        self.settings = settings
        self.clock: Clock = utc_now
        self.db = Database(
            settings.secret("postgres_dsn"),
            schema=name,
            min_size=settings.pool_min,
            max_size=settings.pool_max,
            max_age=settings.pool_seconds,
            refusals=refusals,
        )
        self.telemetry = telemetry or _telemetry(name, settings)
        self.gauges = Gauges()
        self.broker = Broker(settings.secret("nats_url"), name)
        self._keys: KeySource | None = None
        self._revoked: RevocationSource | None = None
        self._record_refused: Record | None = None
        self.revocations = Revocations(self._what_was_revoked)
        self.verifier = TokenVerifier(
            self._signing_keys,
            revocations=self.revocations,
            issuer=settings.token_issuer,
            audience=settings.token_audience,
        )
        self.server = RpcServer(name, settings, self.verifier, self.telemetry)
        self.deletions = Deletions(self.db, self.peer)
        self._peers: dict[str, PeerChannel] = {}
        self._work: dict[str, Work] = {}
        self._consumers: list[Consumer] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._closers: list[Work] = []

    def serve(self, add_to_server: AddToServer, servicer: Any) -> None:
        """Serve a servicer with the generated `add_..._to_server`, on the ports that its options name."""
        self.server.add(add_to_server, servicer)

    def serve_operations(
        self, add_to_server: AddToServer, referrer: Referrer, people: People, invariants: Iterable[Invariant] = ()
    ) -> None:
        """Serve the OperationsService of this context's package, for the relay and all consumers of this service.

        What refers to other services' rows follows their end, and what others refer to is taken back to them when its
        deletion was left unfinished. What is about `people` is shown and erased where identity asks for it.
        `invariants` are those that this service's schema can answer by itself. A gauge tells what broke, looked at
        every LUMI_INVARIANTS_SECONDS; nothing looks where telemetry is off.
        """
        own = Invariants(self.db, invariants)
        personal = PersonalData(self.db, people, self.broker)
        self.serve(add_to_server, OperationsService(self.db, self._consumers, referrer, self.peer, personal, own))
        if heard(self.name):
            self.consume(f"{self.name}-references", InTransaction(referrer.follow))
        if any(restricting(kind) for kind in owned(self.name)):
            self.every(self.settings.sweep_seconds, "deletions", self.deletions.sweep)
        if self.telemetry is not None:
            self.every(self.settings.invariants_seconds, "invariants", own.watch)
            self.gauge(
                "lumi.invariants.broken",
                lambda: own.broken,
                by="lumi.invariant",
                unit="{row}",
                description="Rows that break an invariant",
            )

    def peer(self, name: str) -> PeerChannel:
        """The channel to a peer named in LUMI_PEERS; made at first use, closed at the end.

        Raises LookupError when LUMI_PEERS does not name it.
        """
        if name not in self._peers:
            address = self.settings.peers.get(name)
            if address is None:
                raise LookupError(f"LUMI_PEERS does not say where {name} is")
            self._peers[name] = PeerChannel(name, address, caller=self.name, tls=self.settings.internal_tls)
        return self._peers[name]

    def background(self, name: str, work: Work) -> None:
        """Run `work` beside the servers: started again with backoff when it raises, cancelled at the end."""
        self._work[name] = work

    def every(self, seconds: float, name: str, work: Work) -> None:
        """Run `work` again and again in the background, `seconds` after it last ended, whatever became of it."""

        async def loop() -> None:
            while True:
                current_call.set(Context.system(f"{self.name}.{name}"))  # its lines share a trace id
                try:
                    await work()
                except Exception as error:
                    _log.error("periodic work failed", exc_info=error, extra={"work": name})
                await asyncio.sleep(seconds)

        self.background(name, loop)

    def consume(self, name: str, handler: Handler, **options: Any) -> Consumer:
        """Run a consumer group (`orders-payments`) of this service; `options` as in Consumer."""
        consumer = Consumer(name, self.db, self.broker, handler, telemetry=self.telemetry, **options)
        self._consumers.append(consumer)
        self.background(name, consumer.run)
        return consumer

    def gauge(self, name: str, read: Read, *, by: str = "", unit: str = "1", description: str = "") -> None:
        """Export a figure that `read` tells when asked, every few seconds and never in a call.

        With `by` it tells one for each value of that attribute. Nothing is read where telemetry is off.
        """
        self._export(Gauge(name, read, by, unit, description))

    def _export(self, gauge: Gauge) -> None:
        if self.telemetry is not None:
            self.gauges.add(gauge)
            self.telemetry.gauge(gauge)

    def ready_when(self, name: str, check: Check) -> None:
        """Make readiness depend on a check that raises when something needed is away."""
        self.server.health.add(name, check)

    def on_close(self, close: Work) -> None:
        """Close something at the end, after the servers and the background work; last in, first out."""
        self._closers.append(close)

    def use_keys(self, keys: KeySource, revocations: RevocationSource) -> None:
        """Take token keys, and what was revoked, from here instead of asking identity: for identity itself."""
        self._keys, self._revoked = keys, revocations

    def record_refused(self, record: Record) -> None:
        """Have refused access recorded by this instead of asking identity: for identity itself."""
        self._record_refused = record

    async def _signing_keys(self) -> Jwks:
        assert self._keys is not None
        return await self._keys()

    async def _what_was_revoked(self, cursor: str) -> Told:
        assert self._revoked is not None
        return await self._revoked(cursor)

    def _note_revocations(self, rows: Iterable[Row]) -> None:
        self.revocations.note(Revocation(row["id"], row["not_before"]) for row in rows)

    async def open(self) -> None:
        """Open the database, waiting for it: services and Postgres start in any order."""
        async with asyncio.timeout(DATABASE_PATIENCE_SECONDS):
            while True:
                try:
                    return await self.db.open()
                except Unavailable as error:
                    _log.warning("waiting for Postgres", extra={"cause": described(error.__cause__ or error)})
                    await asyncio.sleep(0.5)

    async def start(self) -> None:
        """Serve, and start the relay and the background work; returns when the first readiness check has run.

        Every service has an outbox, so every service has its relay, though not without LUMI_NATS_URL (in tests).
        """
        if self._keys is None:
            identity = self.peer("identity")
            self.use_keys(keys_of(identity), revocations_of(identity))
            self.record_refused(recorded_by(identity))
        self.db.on_revocation = self._note_revocations
        self.every(BEAT_SECONDS, "revocations", self.revocations.look)
        self.every(KEYS_SECONDS, "token keys", self.verifier.renew)
        if self._record_refused is not None:
            self.every(SEND_SECONDS, "refused access", partial(self.server.refused.send, self._record_refused))
        if self.settings.nats_url.get_secret_value():
            relay = Relay(self.db.dsn, self.broker, telemetry=self.telemetry)
            self.db.on_outbox_write = relay.wake
            self.background("relay", relay.run)
            self.broker.start()
        self.every(_FORGET_SECONDS, "request ids", partial(forget_expired, self.db))
        self.ready_when("postgres", self._database_answers)
        await self.server.start()
        await self.server.health.look()
        if self.telemetry is not None:
            for gauge in of_every_service(self.db, self.server.limits, self._consumers, self.revocations):
                self._export(gauge)
            self.background("gauges", self.gauges.watch)
        for name, work in {**self._work, "health": self.server.health.watch}.items():
            self._tasks.append(asyncio.create_task(_kept_running(name, work), name=name))

    async def close(self) -> None:
        """Drain, stop the background work, and close what is open, in that order."""
        await self.server.drain()
        await end(self._tasks)
        if self._record_refused is not None:
            await self.server.refused.flush(self._record_refused)
        for close in reversed(self._closers):
            await close()
        await self.broker.stop()
        for peer in self._peers.values():
            await peer.close()
        await self.db.close()
        if self.telemetry is not None:
            await asyncio.to_thread(self.telemetry.close)

    async def _database_answers(self) -> None:
        await self.db.pool.fetchval("select 1")


def _telemetry(name: str, settings: Settings) -> "Telemetry | None":
    if not settings.otlp_endpoint:
        return None
    from lumi_common.telemetry import Telemetry  # only here: it brings OpenTelemetry's SDK along

    return Telemetry.over_otlp(name, settings.otlp_endpoint, settings.trace_ratio)


Compose = Callable[[Runtime[S]], Awaitable[None]]
Command = Callable[..., Awaitable[None]]


def run(
    name: str,
    settings_class: type[S],
    compose: Compose[S],
    *,
    metadata: "MetaData",
    migrations: Path,
    commands: Mapping[str, Command] | None = None,
    refusals: Refusals | None = None,
) -> None:
    """The whole of a service's `__main__`: `serve` (when no command is given), `migrate`, or a command of its own.

    `compose` registers servicers and work on the runtime, whose database is open by then. A command gets the same
    runtime, without servers, and the arguments that its name says it takes (`withdraw-key KID`). `migrations` is the
    service's Alembic folder.
    """
    commands = commands or {}
    usages = {usage.split()[0]: usage for usage in ("serve", "migrate", *commands)}
    command, *arguments = sys.argv[1:] or ["serve"]
    if command not in usages or len(arguments) != len(usages[command].split()) - 1:
        raise SystemExit(f"usage: python -m lumi_{name} [{' | '.join(usages.values())}]")
    settings = settings_class.load()
    configure_logs(name, settings.log_level)
    crash.arm(settings.crash_at)
    if command == "migrate":
        _migrate(settings, metadata, migrations)
        return
    if command == "serve" and not settings.nats_url.get_secret_value():
        raise SystemExit("LUMI_NATS_URL is needed to serve: events would never leave the outbox")
    try:
        if command == "serve":
            uvloop.run(_serve(name, settings, compose, refusals))
        else:
            uvloop.run(_once(name, settings, commands[usages[command]], arguments, refusals))
    except (CertificateError, ContractError, PortTaken, LookupError) as fault:
        raise SystemExit(f"cannot start: {fault}") from None


def _migrate(settings: Settings, metadata: "MetaData", folder: Path) -> None:
    from lumi_common.db.migrate import upgrade

    if settings.owner_dsn is None:
        raise SystemExit("LUMI_OWNER_DSN is needed to migrate")
    upgrade(settings.owner_dsn.get_secret_value(), metadata, folder)


async def _once(name: str, settings: S, command: Command, arguments: Iterable[str], refusals: Refusals | None) -> None:
    runtime = Runtime(name, settings, refusals=refusals)
    await runtime.open()
    try:
        await command(runtime, *arguments)
    finally:
        await runtime.close()


async def _serve(name: str, settings: S, compose: Compose[S], refusals: Refusals | None) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    runtime = Runtime(name, settings, refusals=refusals)
    await runtime.open()
    try:
        await compose(runtime)
        await runtime.start()
        gc.collect()
        gc.freeze()  # what is here now stays: the collector need not look at it again
        gc.set_threshold(*_GC_THRESHOLDS)
        _log.info("serving", extra={"public": runtime.server.public_port, "internal": runtime.server.internal_port})
        await stopping.wait()
        _log.info("draining")
    finally:
        await runtime.close()


async def _kept_running(name: str, work: Work) -> None:
    pause = _RESTART_SECONDS
    loop = asyncio.get_running_loop()
    while True:
        started = loop.time()
        try:
            return await work()
        except Exception as error:
            _log.error("background work failed", exc_info=error, extra={"work": name})
        if loop.time() - started > _MAX_RESTART_SECONDS:
            pause = _RESTART_SECONDS  # it ran well for a while: this is a new fault
        await asyncio.sleep(pause)
        pause = min(pause * 2, _MAX_RESTART_SECONDS)
