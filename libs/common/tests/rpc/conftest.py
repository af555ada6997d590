import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from libs.common.tests.rpc.echo import EchoService, SayRequest, id_of, stubs
from lumi_common.principal import Principal
from lumi_common.rpc.auth import Jwks, TokenSigner, TokenVerifier, public_jwk
from lumi_common.rpc.server import RpcServer
from lumi_common.settings import Settings

StartServer = Callable[..., Awaitable[RpcServer]]


@pytest.fixture(scope="session")
def signer() -> TokenSigner:
    return TokenSigner(Ed25519PrivateKey.generate(), "key-1", ttl=600)


@pytest.fixture
def bearer(signer: TokenSigner) -> Callable[..., tuple[tuple[str, str], ...]]:
    def make(kind: str = "user", *permissions: str) -> tuple[tuple[str, str], ...]:
        principal = Principal(kind, id_of(kind), id_of("session"), frozenset(permissions))  # type: ignore[arg-type]
        return (("authorization", f"Bearer {signer.sign(principal)[0]}"),)

    return make


@pytest.fixture
async def start_server(signer: TokenSigner) -> AsyncIterator[StartServer]:
    async def keys() -> Jwks:
        return {"keys": [public_jwk(signer.key.public_key(), signer.kid)]}

    async with AsyncExitStack() as stack:

        async def start(servicer: Any = None, **values: Any) -> RpcServer:
            settings = Settings(
                **{
                    "env": "local",
                    "postgres_dsn": "postgresql://",
                    "public_address": "127.0.0.1:0",
                    "internal_address": "127.0.0.1:0",
                    "plaintext_internal": "tls_ca" not in values,
                    "drain_seconds": 0,
                    **values,
                }
            )
            server = RpcServer("echo", settings, TokenVerifier(keys))
            server.add(stubs.add_EchoServiceServicer_to_server, servicer or EchoService())
            await server.start()
            stack.push_async_callback(server.drain)
            return server

        yield start


@pytest.fixture
async def server(start_server: StartServer) -> RpcServer:
    return await start_server()


@pytest.fixture
async def channel(server: RpcServer) -> AsyncIterator[Any]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.public_port}") as channel:
        yield channel


@pytest.fixture
def echo(channel: Any) -> Any:
    return stubs.EchoServiceStub(channel)


@pytest.fixture
def ask(echo: Any) -> Callable[..., Awaitable[dict[str, Any]]]:
    """Call a unary method of the echo service and read what it was told about the caller."""

    async def call(
        method: str, text: str = "", metadata: Any = (), timeout: float = 5, **fields: Any
    ) -> dict[str, Any]:
        answer = await getattr(echo, method)(SayRequest(text=text, **fields), metadata=metadata, timeout=timeout)
        told: dict[str, Any] = json.loads(answer.text)
        return told

    return call
