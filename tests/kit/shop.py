"""The five services composed in this process, on a real PostgreSQL and a real NATS.

Rows are isolated by fresh ids: one shop serves every test of a process.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import asyncpg
import grpc

from lumi_common.cuid import cuid
from lumi_common.rpc.caller import SERVICE_KEY
from lumi_common.rpc.status import from_call_error
from lumi_common.service import Runtime
from lumi_local.nats import NatsServer
from lumi_local.postgres import PostgresServer

SERVICES = ("identity", "catalogue", "orders", "payments", "marketing")
PASSWORD = "correct horse battery staple"
TIMEOUT = 20.0


class Client:
    """A generated stub whose methods take a request and raise the refusal as a LumiError."""

    def __init__(self, stub: Any, metadata: tuple[tuple[str, str], ...]) -> None:
        self._stub, self._metadata = stub, metadata

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._stub, name)

        async def call(request: Any, *, timeout: float = TIMEOUT) -> Any:
            try:
                return await method(request, metadata=self._metadata, timeout=timeout)
            except grpc.aio.AioRpcError as error:
                raise from_call_error(error, name) from error

        return call


@dataclass(frozen=True)
class SignedIn:
    """A user with a live token."""

    id: str
    email: str
    token: str


class Shop:
    """The running services and the doors to them."""

    def __init__(self, postgres: PostgresServer, nats: NatsServer) -> None:
        self.postgres, self.nats = postgres, nats
        self.runtimes: dict[str, Runtime[Any]] = {}
        self._channels: dict[str, grpc.aio.Channel] = {}

    def stub(self, stub_class: Any, token: str = "") -> Client:
        """A stub on the public port of its service, with this token."""
        metadata = (("authorization", f"Bearer {token}"),) if token else ()
        return Client(stub_class(self._channel(stub_class, "public")), metadata)

    def internal(self, stub_class: Any, *, service: str) -> Client:
        """A stub on the internal port of its service, called by this other service."""
        return Client(stub_class(self._channel(stub_class, "internal")), ((SERVICE_KEY, service),))

    async def user(self, *permissions: str) -> SignedIn:
        """A new user, signed in, who holds these permissions."""
        from lumi.identity.v1 import auth_service_pb2 as auth
        from lumi.identity.v1.auth_service_pb2_grpc import AuthServiceStub

        email = f"{uuid4().hex}@example.com"
        client = self.stub(AuthServiceStub)
        await client.SignUp(auth.SignUpRequest(email=email, password=PASSWORD))
        async with self.database("identity") as database:
            id = await database.fetchval("select id from identity.users where email = $1", email)
            await database.executemany(
                "insert into identity.permissions (id, key) values ($1, $2) on conflict (key) do nothing",
                [(cuid(), key) for key in permissions],
            )
            await database.execute(
                "insert into identity.user_permissions (user_id, permission_id) "
                "select $1, id from identity.permissions where key = any($2)",
                id,
                list(permissions),
            )
        answer = await client.SignIn(auth.SignInRequest(email=email, password=PASSWORD))
        return SignedIn(id, email, answer.access_token)

    @asynccontextmanager
    async def database(self, context: str) -> AsyncIterator[Any]:
        """A connection as superuser, in this context's schema: to look, and to make what no RPC can."""
        connection = await asyncpg.connect(
            self.postgres.dsn_superuser, server_settings={"search_path": f"{context}, extensions"}
        )
        try:
            await connection.set_type_codec(
                "citext", schema="extensions", encoder=str, decoder=str, format="text"
            )
            yield connection
        finally:
            await connection.close()

    def _channel(self, stub_class: Any, door: str) -> grpc.aio.Channel:
        context = stub_class.__module__.split(".")[1]
        server = self.runtimes[context].server
        port = server.public_port if door == "public" else server.internal_port
        key = f"127.0.0.1:{port}"
        if key not in self._channels:
            self._channels[key] = grpc.aio.insecure_channel(key)
        return self._channels[key]

    async def close(self) -> None:
        """Hang up and stop the services."""
        for channel in self._channels.values():
            await channel.close()
        await asyncio.gather(*(runtime.close() for runtime in self.runtimes.values()))
