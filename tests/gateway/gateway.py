"""A real Envoy with the generated configuration, and ways of calling it."""

from __future__ import annotations

import base64
import json
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPResponse
from pathlib import Path
from typing import Any, TypeVar

import grpc
import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.api import annotations_pb2
from google.protobuf.descriptor import MethodDescriptor
from lumi.identity.v1 import auth_pb2

from lumi_common.principal import Principal
from lumi_common.rpc.auth import TokenSigner, public_jwk
from lumi_envoy.__main__ import contents
from lumi_envoy.routes import JWKS_PATH
from lumi_envoy.settings import CONTEXTS, LOOPBACK, Settings
from lumi_local import programs
from lumi_local.process import Spec, free_port, wait_until
from tests.gateway.backends import Backends

ID = "c" + "0" * 24
USER = Principal("user", ID, ID)
ORIGIN = "https://shop.example"
RATES = ("calls_per_client", "calls_per_user", "sessions_per_client", "tries_per_client", "tries_per_user")
T, R = TypeVar("T"), TypeVar("R")
CHANNEL = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]


@dataclass(frozen=True)
class Raw:
    """An answer to a request of one's own writing; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Gateway:
    """A running gateway, its backends, and who may sign tokens for it."""

    settings: Settings
    backends: Backends
    signer: TokenSigner
    folder: Path
    http: httpx.Client = field(init=False)
    channel: Any = field(init=False)

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=self.url, trust_env=False, timeout=10)
        self.channel = grpc.insecure_channel(self.address, options=CHANNEL)

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.settings.gateway_port}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def token(self, user: Principal = USER, *, age: float = 0, signer: TokenSigner | None = None) -> str:
        """A token of a user, made `age` seconds ago; it lives for five minutes."""
        return (signer or self.signer).sign(user, now=time.time() - age)[0]

    def headers(self, user: Principal = USER) -> dict[str, str]:
        """Headers with a good token."""
        return {"authorization": f"Bearer {self.token(user)}"}

    def call(self, path: str, request: bytes = b"", metadata: Mapping[str, str] | None = None, **options: Any) -> bytes:
        """A native gRPC call; raises grpc.RpcError. A good token goes along unless metadata are given."""
        return self._call(self.channel, path, request, metadata, options)

    def call_alone(self, path: str) -> bytes:
        """The same on a connection of its own: an odd path may make the gateway hang up."""
        with grpc.insecure_channel(self.address, options=CHANNEL) as channel:
            return self._call(channel, path, b"", None, {})

    def _call(
        self, channel: Any, path: str, request: bytes, metadata: Mapping[str, str] | None, options: Mapping[str, Any]
    ) -> bytes:
        sent = self.headers() if metadata is None else metadata
        answer: bytes = channel.unary_unary(path)(request, metadata=tuple(sent.items()), **{"timeout": 10, **options})
        return answer

    def raw(self, target: str, *headers: str, body: bytes = b"", verb: str = "POST") -> Raw:
        """Send a request line and headers just as they are, which no client library would."""
        lines = [f"{verb} {target} HTTP/1.1", "host: lumi", f"content-length: {len(body)}", *headers]
        request = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
        with socket.create_connection((LOOPBACK, self.settings.gateway_port), timeout=5) as connection:
            connection.sendall(request)
            answer = HTTPResponse(connection, method=verb)
            answer.begin()
            return Raw(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())

    def access_log(self) -> str:
        """What Envoy has logged so far."""
        return (self.folder / "envoy.log").read_text()

    def logged(self, traceparent: str) -> dict[str, Any]:
        """The line of the access log for a call, as soon as it is written."""

        def lines() -> list[str]:
            return [line for line in self.access_log().splitlines() if traceparent in line]

        wait_until(lambda: bool(lines()), "the call was not logged", seconds=5)
        line: dict[str, Any] = json.loads(lines()[-1])
        return line


@contextmanager
def running_gateway(folder: Path, certificates: Path | None = None, **chosen: Any) -> Iterator[Gateway]:
    """Envoy before five backends, on free ports, with settings of one's choice; its first keys are there.

    With a folder of certificates the backends speak TLS.

    Nobody is held to a rate unless that is chosen. Envoy dies with the
    thread that starts it: enter this on the main one.
    """
    backends = Backends(CONTEXTS, certificates)
    signer = TokenSigner(Ed25519PrivateKey.generate(), "test", ttl=300)
    jwk = auth_pb2.Jwk(**public_jwk(signer.key.public_key(), signer.kid))
    backends.answers[JWKS_PATH] = lambda _request, _wire: auth_pb2.Jwks(keys=[jwk]).SerializeToString()
    settings = Settings(
        **{
            "env": "production",
            "port_base": free_port() - 901,
            "gateway_port": free_port(),
            "upstreams": {context: f"{LOOPBACK}:{port}" for context, port in backends.ports.items()},
            "allowed_origins": [ORIGIN],
            "trusted_hops": 1,
            **dict.fromkeys(RATES, 1_000_000),
            **chosen,
        }
    )
    if "trusted_hops" not in chosen:
        # As no production is, in the clear and with nobody in front: what a test says of itself is not believed.
        settings = settings.model_copy(update={"trusted_hops": 0})
    gateway = Gateway(settings, backends, signer, folder)
    try:
        with running_envoy(settings, folder):
            yield gateway
    finally:
        gateway.channel.close()
        gateway.http.close()
        for context in list(backends.servers):
            backends.stop(context)


@contextmanager
def running_envoy(settings: Settings, folder: Path) -> Iterator[None]:
    """Envoy with the configuration of these settings; its log is in the folder. To be entered on the main thread."""
    file = folder / "envoy.yaml"
    for path, text in contents(settings, file).items():
        path.write_text(text)
    argv = [str(programs.envoy(None)), "--config-path", str(file), "--disable-hot-restart"]
    argv += ["--concurrency", "1", "--log-level", "warning", "--file-flush-interval-msec", "50"]
    process = Spec(argv, cwd=folder, death_signal="SIGKILL").start(folder / "spec.json", folder / "envoy.log")
    try:
        wait_until(lambda: admin(settings, "/ready") == "LIVE\n", "Envoy did not start", seconds=30)
        wait_until(lambda: "clients::" in admin(settings, "/listeners"), "nobody listens to clients", seconds=30)
        yield
    finally:
        process.kill()
        process.wait()


def admin(settings: Settings, path: str) -> str:
    """What Envoy's admin port answers; nothing while it is not there."""
    try:
        return httpx.get(f"http://{LOOPBACK}:{settings.admin_port}{path}", trust_env=False, timeout=5).text
    except httpx.HTTPError:
        return ""


def all_at_once(what: Callable[[T], R], cases: Mapping[str, T]) -> dict[str, R]:
    """What becomes of each; the gateway takes its time to hang up."""
    with ThreadPoolExecutor(24) as pool:
        return dict(zip(cases, pool.map(what, cases.values()), strict=True))


def http_form(method: MethodDescriptor) -> tuple[str, str, dict[str, Any] | None]:
    """How a method is called over HTTP: verb, a path with its variables filled in, body."""
    rule = method.GetOptions().Extensions[annotations_pb2.http]
    verb = rule.WhichOneof("pattern")
    path = re.sub(r"\{[^}]*\}", ID, getattr(rule, verb))
    return verb.upper(), path, {} if rule.body else None


def grpc_path(method: MethodDescriptor) -> str:
    """`/lumi.orders.v1.OrderService/PlaceOrder`."""
    return f"/{method.containing_service.full_name}/{method.name}"


def grpc_frame(message: bytes) -> bytes:
    """A message as gRPC frames it."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def unsigned(claims: Mapping[str, Any], header: Mapping[str, Any]) -> str:
    """A token without a signature."""
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, claims))
    return ".".join((*parts, ""))
