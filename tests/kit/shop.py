"""The five services composed in this process, on a real PostgreSQL and a real NATS.

Rows are isolated by fresh ids: one shop serves every test of a process.
"""

import asyncio
import importlib
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import asyncpg
import grpc

from lumi_common.cuid import cuid
from lumi_common.db.migrate import upgrade
from lumi_common.events.streams import ensure_streams
from lumi_common.service import Runtime
from lumi_local import certificates
from lumi_local.nats import NatsServer
from lumi_local.postgres import PostgresServer
from lumi_local.process import LOOPBACK
from tests.kit.buying import Shelf, Shopper
from tests.kit.client import Client

if TYPE_CHECKING:
    from lumi_common.telemetry import Telemetry

SERVICES = ("identity", "catalogue", "orders", "payments", "marketing")
PASSWORD = "correct horse battery staple"
# What a service is told beside what every service is; short intervals, so that tests wait on state and not for long.
_OWN: dict[str, dict[str, Any]] = {
    "identity": {
        "token_pepper": "p" * 32,
        "key_encryption_key": "k" * 32,
        "bcrypt_cost": 4,
        "sweep_seconds": 0.5,
        "erasure_settle_seconds": 2,
        "purge_settle_seconds": 0,
    },
    "catalogue": {"sweep_seconds": 1},
    "orders": {"sweep_seconds": 1, "retry_seconds": 1},
    "payments": {"manual_payments": "settle"},
}


@dataclass(frozen=True)
class SignedIn:
    """A user with a live token."""

    id: str
    email: str
    token: str


class Shop:
    """The running services and the doors to them."""

    def __init__(self, postgres: PostgresServer, nats: NatsServer, certificates: Path) -> None:
        self.postgres, self.nats = postgres, nats
        self.runtimes: dict[str, Runtime[Any]] = {}
        self._certificates = certificates
        self._channels: dict[tuple[str, str], grpc.aio.Channel] = {}

    def stub(self, stub_class: Any, token: str = "") -> Client:
        """A stub on the public port of its service, with this token."""
        metadata = (("authorization", f"Bearer {token}"),) if token else ()
        return Client(stub_class(self.channel(_service_of(stub_class))), metadata)

    def internal(self, stub_class: Any, *, service: str) -> Client:
        """A stub on the internal port of its service, with the certificate of this other service."""
        return Client(stub_class(self.channel(_service_of(stub_class), service)), ())

    async def user(self, *permissions: str) -> SignedIn:
        """A new user, signed in and stepped up, who holds these permissions."""
        from lumi.identity.v1 import auth_pb2 as auth
        from lumi.identity.v1.auth_pb2_grpc import AuthServiceStub

        email = f"{uuid4().hex}@example.com"
        client = self.stub(AuthServiceStub)
        await client.SignUp(auth.SignUpRequest(email=email, password=PASSWORD))
        if permissions:
            await self._permit(email, permissions)
        answer = await client.SignIn(auth.SignInRequest(email=email, password=PASSWORD))
        proven = self.stub(AuthServiceStub, answer.tokens.access_token)
        token = (await proven.StepUp(auth.StepUpRequest(password=PASSWORD))).access_token
        return SignedIn(answer.user.id, email, token)

    async def _permit(self, email: str, permissions: Sequence[str]) -> None:
        async with self.database("identity") as database:
            await database.executemany(
                "insert into identity.permissions (id, key) values ($1, $2) on conflict (key) do nothing",
                [(cuid(), key) for key in permissions],
            )
            await database.execute(
                "insert into identity.user_permissions (user_id, permission_id) "
                "select u.id, p.id from identity.users u cross join identity.permissions p "
                "where u.email = $1 and p.key = any($2)",
                email,
                permissions,
            )

    async def staff(self, *permissions: str) -> Shelf:
        """Somebody who fills shelves, with these permissions beside those that takes."""
        user = await self.user("products.write", "products.read", "inventory.read", "inventory.adjust", *permissions)
        return Shelf(partial(self.stub, token=user.token))

    async def shopper(self) -> Shopper:
        """A new customer."""
        return Shopper(partial(self.stub, token=(await self.user()).token))

    @asynccontextmanager
    async def database(self, context: str) -> AsyncIterator[Any]:
        """A connection as superuser, in this context's schema: to look, and to make what no RPC can."""
        connection = await asyncpg.connect(
            self.postgres.dsn_superuser, server_settings={"search_path": f"{context}, extensions"}
        )
        try:
            await connection.set_type_codec("citext", schema="extensions", encoder=str, decoder=str, format="text")
            yield connection
        finally:
            await connection.close()

    def dial(self) -> None:
        """Make the channels to every door: here, inside the loop that they belong to."""
        for name, runtime in self.runtimes.items():
            server = runtime.server
            self._channels[name, ""] = self._dial(f"{LOOPBACK}:{server.public_port}", "")
            for caller in SERVICES:
                self._channels[name, caller] = self._dial(f"{LOOPBACK}:{server.internal_port}", caller)

    def channel(self, service: str, caller: str = "") -> grpc.aio.Channel:
        """The one to a service's public port, or to its internal one with the certificate of this other service."""
        return self._channels[service, caller]

    def _dial(self, address: str, caller: str) -> grpc.aio.Channel:
        if not caller:
            return grpc.aio.insecure_channel(address)
        files = tls_files(self._certificates, caller)
        credentials = grpc.ssl_channel_credentials(
            files["tls_ca"].read_bytes(), files["tls_key"].read_bytes(), files["tls_cert"].read_bytes()
        )
        return grpc.aio.secure_channel(address, credentials)

    async def hang_up(self) -> None:
        """Close the channels."""
        await asyncio.gather(*(channel.close() for channel in self._channels.values()))

    async def close(self) -> None:
        """Hang up and stop the services."""
        await self.hang_up()
        await asyncio.gather(*(runtime.close() for runtime in self.runtimes.values()))


def _service_of(stub_class: Any) -> str:
    return str(stub_class.__init__.__module__.split(".")[1])


@asynccontextmanager
async def open_shop(
    postgres: PostgresServer,
    nats: NatsServer,
    folder: Path,
    *,
    telemetry: "Callable[[str], Telemetry] | None" = None,
    **overrides: Mapping[str, Any],
) -> AsyncIterator[Shop]:
    """Compose and start the five services; `overrides` are settings of a service, by its name.

    `telemetry` makes that of a service; there is none unless given.
    """
    certificates.ensure(folder)
    await ensure_streams(nats.url_admin)
    shop = Shop(postgres, nats, folder)
    ports = {name: _held_port() for name in SERVICES}
    internal = {name: f"{LOOPBACK}:{held.getsockname()[1]}" for name, held in ports.items()}
    try:
        for name in SERVICES:
            module = importlib.import_module(f"lumi_{name}.server")
            settings_class = getattr(importlib.import_module(f"lumi_{name}.settings"), f"{name.title()}Settings")
            settings = settings_class(
                env="local",
                postgres_dsn=postgres.dsn(f"lumi_{name}"),
                nats_url=nats.url(name),
                public_address=f"{LOOPBACK}:0",
                internal_address=internal[name],
                peers=internal,
                **tls_files(folder, name),
                **{**_OWN.get(name, {}), **overrides.get(name, {})},
            )
            refusals = getattr(module, "REFUSALS", None)
            told = telemetry(name) if telemetry else None
            runtime: Runtime[Any] = Runtime(name, settings, refusals=refusals, telemetry=told)
            shop.runtimes[name] = runtime
            await runtime.open()
            await module.compose(runtime)
        for name, runtime in shop.runtimes.items():
            ports[name].close()
            await runtime.start()
        shop.dial()
        yield shop
    finally:
        await shop.close()


def _held_port() -> socket.socket:
    """A port that nobody else is given until it is closed: peers have to know it long before it is listened on."""
    held = socket.socket()
    held.bind((LOOPBACK, 0))
    return held


def migrate(postgres: PostgresServer) -> None:
    """Bring every schema of this database to head."""
    for name in SERVICES:
        metadata = importlib.import_module(f"lumi_{name}.storage.tables").metadata
        package = importlib.import_module(f"lumi_{name}")
        folder = Path(str(package.__file__)).parents[2] / "migrations"
        upgrade(postgres.dsn_superuser, metadata, folder)


def tls_files(folder: Path, service: str) -> dict[str, Path]:
    """The settings that name a service's certificate."""
    return {"tls_ca": folder / "ca.pem", "tls_cert": folder / f"{service}.pem", "tls_key": folder / f"{service}.key"}
