"""The five services' public ports as far as the gateway sees them: gRPC servers that answer every method of their
context and remember what reached them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

FETCHER = "Go-browser"  # what Envoy calls itself when it fetches keys

Answer = Callable[[bytes, Any], bytes]


@dataclass(frozen=True)
class Call:
    """One call as it reached a service."""

    context: str  # the service that it reached
    path: str
    metadata: Mapping[str, str]
    seconds: float | None  # until its deadline
    request: bytes


class Backends:
    """All five of them; over TLS with the certificates in a folder, if one is given, each its own."""

    def __init__(self, contexts: tuple[str, ...], certificates: Path | None = None) -> None:
        self._certificates = certificates
        self.calls: list[Call] = []
        self.answers: dict[str, Answer] = {}
        self.servers: dict[str, Any] = {}
        self.ports: dict[str, int] = {}
        self._lock = threading.Lock()
        for context in contexts:
            self.start(context)

    def start(self, context: str) -> None:
        """Serve a context, on the port it had before if it had one."""
        # As much metadata as the services take; from half of that on grpc would refuse some by chance.
        options = [("grpc.so_reuseport", 0), ("grpc.max_metadata_size", 16 * 1024)]
        server = grpc.server(ThreadPoolExecutor(16), options=options)
        servicer = health.HealthServicer()
        servicer.set("ready", health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
        server.add_generic_rpc_handlers((_Everything(self, context),))
        address = f"127.0.0.1:{self.ports.get(context, 0)}"
        if self._certificates is None:
            self.ports[context] = server.add_insecure_port(address)
        else:
            pair = tuple((self._certificates / f"{context}.{suffix}").read_bytes() for suffix in ("key", "pem"))
            self.ports[context] = server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
        server.start()
        self.servers[context] = server

    def stop(self, context: str) -> None:
        """Be gone at once, as after a kill."""
        self.servers.pop(context).stop(0).wait()

    @property
    def last(self) -> Call:
        """What arrived last."""
        return self.calls[-1]

    @contextmanager
    def answering(self, path: str, answer: Answer) -> Iterator[None]:
        """Answer a method so, for a while; then as before."""
        before = self.answers.copy()
        self.answers[path] = answer
        try:
            yield
        finally:
            self.answers = before

    def serve(self, context: str, path: str, request: bytes, wire: Any) -> bytes:
        """Remember the call, unless Envoy itself made it; an empty message answers it, whatever its type."""
        metadata = {key: value for key, value in wire.invocation_metadata() if isinstance(value, str)}
        call = Call(context, path, metadata, wire.time_remaining(), request)
        if metadata.get("user-agent") != FETCHER:
            with self._lock:
                self.calls.append(call)
        answer = self.answers.get(path)
        return answer(request, wire) if answer else b""


class _Everything(grpc.GenericRpcHandler):  # type: ignore[misc]
    def __init__(self, backends: Backends, context: str) -> None:
        self._backends, self._context = backends, context

    def service(self, details: Any) -> Any:
        path = details.method
        return grpc.unary_unary_rpc_method_handler(
            lambda request, wire: self._backends.serve(self._context, path, request, wire)
        )
