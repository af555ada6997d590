"""Calling a peer: one channel each, every call with a deadline, on behalf of whoever called us."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from importlib import import_module
from time import monotonic
from typing import Any, Generic, TypeVar
from weakref import WeakSet

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import Message

from lumi_common import crash
from lumi_common.context import Context
from lumi_common.errors import DeadlineExceeded, LumiError, Reason
from lumi_common.rpc.caller import SERVICE_KEY, forwarded
from lumi_common.rpc.certificates import Certificate
from lumi_common.rpc.status import from_call_error
from lumi_common.settings import TlsFiles
from lumi_common.tasks import end

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)

# Kept back from our own caller's deadline, to turn a late answer into one of ours.
MARGIN_SECONDS = 0.02
ATTEMPTS = 4
BACKOFF_SECONDS = 0.05
# How long a channel goes on with certificate files that were replaced, and its calls under way after that.
LOOK_SECONDS = 1.0
DRAIN_SECONDS = 60.0

_OPTIONS: list[tuple[str, int | str]] = [
    ("grpc.service_config", '{"loadBalancingConfig":[{"round_robin":{}}]}'),
    ("grpc.enable_retries", 0),  # ours know which calls may be repeated
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
    ("grpc.use_local_subchannel_pool", 1),
]


class PeerChannel:
    """The channel to one peer; make it inside the running loop, once, and close it at the end.

    `address` is `host:port`, or `dns:///name:port` for round robin over all its addresses; without `tls` (local
    profile only) the caller's own name goes along in a header. With it the peer's certificate has to name the peer:
    none of our other services can answer in its place. When the files are replaced new calls take a new connection.
    """

    def __init__(self, peer: str, address: str, *, caller: str, tls: TlsFiles | None) -> None:
        self.peer = peer
        self.extra_metadata: tuple[tuple[str, str], ...] = ((SERVICE_KEY, caller),) if tls is None else ()
        self._address = address
        self._certificate = None if tls is None else Certificate.of(tls)
        self._look_at = monotonic() + LOOK_SECONDS
        self._methods: WeakSet[PeerMethod[Any, Any]] = WeakSet()
        self._closing: set[asyncio.Task[None]] = set()
        self.channel = self._dialled()

    def unary(
        self, method: str, request: type[Request], response: type[Response], *, timeout: float = 2.0
    ) -> "PeerMethod[Request, Response]":
        """A method of the peer as a typed coroutine function: `await resolve(request, context)`.

        `method` is `lumi.catalogue.v1.VariantService/ResolveVariants`; `timeout` is the most one call may take,
        in seconds. Raises TypeError when the protos know the method with other messages.
        """
        service, _, name = method.partition("/")
        descriptor = descriptor_pool.Default().FindServiceByName(service).FindMethodByName(name)
        if (descriptor.input_type, descriptor.output_type) != (request.DESCRIPTOR, response.DESCRIPTOR):
            raise TypeError(f"{method} takes {descriptor.input_type.name}, gives {descriptor.output_type.name}")
        made: PeerMethod[Request, Response] = PeerMethod(self, descriptor, response.FromString, timeout)
        self._methods.add(made)
        return made

    def operation(
        self, method: str, request: type[Request], response: type[Response], *, timeout: float = 2.0
    ) -> "PeerMethod[Request, Response]":
        """A method of the peer's OperationsService, which whoever is no client of it has not imported."""
        package = f"lumi.{self.peer}.v1"
        import_module(f"{package}.operations_pb2")
        return self.unary(f"{package}.OperationsService/{method}", request, response, timeout=timeout)

    async def close(self) -> None:
        """Hang up."""
        await self.channel.close()
        await end(self._closing)

    def look(self) -> None:
        """Dial anew if the certificate was replaced, now and then; calls under way end where they are."""
        now = monotonic()
        if now < self._look_at or self._certificate is None:
            return
        self._look_at = now + LOOK_SECONDS
        if self._certificate.renewed():
            closing = asyncio.create_task(self.channel.close(DRAIN_SECONDS))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
            self.channel = self._dialled()
            for method in self._methods:
                method.dial(self.channel)

    def _dialled(self) -> Any:
        if self._certificate is None:
            return grpc.aio.insecure_channel(self._address, options=_OPTIONS)
        options = [*_OPTIONS, ("grpc.ssl_target_name_override", self.peer)]
        return grpc.aio.secure_channel(self._address, self._certificate.for_client(), options=options)


class PeerMethod(Generic[Request, Response]):
    """One method of a peer. Errors come as the LumiError that the peer raised, with its reason and facts.

    UNAVAILABLE is tried again, with backoff and within the deadline, for reads and for calls with a request id.
    """

    def __init__(
        self,
        channel: PeerChannel,
        method: MethodDescriptor,
        parse: Callable[[bytes], Response],
        timeout: float,
    ) -> None:
        self.name = f"{method.containing_service.full_name}/{method.name}"
        self._peer, self._extra, self._timeout = channel.peer, channel.extra_metadata, timeout
        self._look, self._parse = channel.look, parse
        self._reads = method.GetOptions().idempotency_level == MethodOptions.NO_SIDE_EFFECTS
        self._takes_request_id = "request_id" in method.input_type.fields_by_name
        self.dial(channel.channel)

    def dial(self, channel: Any) -> None:
        """Have the next calls go over this channel."""
        self._send: Callable[..., Awaitable[Response]] = channel.unary_unary(
            f"/{self.name}", request_serializer=_serialize, response_deserializer=self._parse
        )

    async def __call__(self, request: Request, context: Context) -> Response:
        """Call the peer in this context; raises LumiError."""
        if context.span is None:
            answer = await self._call(request, context, context.traceparent)
        else:
            with context.span.of_peer_call(self.name, self._peer) as span:
                answer = await self._call(request, context, span.traceparent)
        if crash.armed:
            crash.point(context.method, "after_answer", self.name.rpartition("/")[2])
        return answer

    async def _call(self, request: Request, context: Context, traceparent: str) -> Response:
        self._look()
        deadline = min(self._timeout, context.remaining() - MARGIN_SECONDS)
        if deadline <= 0:
            raise DeadlineExceeded(Reason.DEADLINE_EXCEEDED, f"no time left for {self.name}", method=self.name)
        metadata = forwarded(context, traceparent) + self._extra
        try:
            return await self._send(request, timeout=deadline, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            refusal = self._refusal(error)
            if error.code() is not grpc.StatusCode.UNAVAILABLE or not self._repeatable(request):
                raise refusal from error
        return await self._try_again(request, context, metadata, refusal, deadline)

    async def _try_again(
        self, request: Request, context: Context, metadata: Any, refusal: LumiError, deadline: float
    ) -> Response:
        loop = asyncio.get_running_loop()
        end = loop.time() + min(deadline, context.remaining() - MARGIN_SECONDS)
        for attempt in range(1, ATTEMPTS):
            pause = BACKOFF_SECONDS * 2**attempt * random.uniform(0.5, 1.0)
            remaining = end - loop.time() - pause
            if remaining <= 0:
                break
            await asyncio.sleep(pause)
            try:
                # A peer that is just restarting is waited for instead of being refused by the broken connection.
                return await self._send(request, timeout=remaining, metadata=metadata, wait_for_ready=True)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    later = self._refusal(error)
                    # Running out of time while waiting for the peer tells less than that it was away.
                    raise (refusal if later.code == "DEADLINE_EXCEEDED" else later) from error
        raise refusal

    def _repeatable(self, request: Any) -> bool:
        return self._reads or (self._takes_request_id and bool(request.request_id))

    def _refusal(self, error: grpc.aio.AioRpcError) -> LumiError:
        refusal = from_call_error(error, self._peer)
        if refusal.code == "DEADLINE_EXCEEDED" and "method" not in refusal.facts:
            refusal.message, refusal.facts = f"{self.name} ran out of time", {"method": self.name}
        return refusal


def _serialize(message: Message) -> bytes:
    data: bytes = message.SerializeToString()
    return data
