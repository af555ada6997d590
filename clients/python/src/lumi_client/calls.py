"""One call: its deadline, its request id, its tries, its token."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

import grpc
import grpc.aio
from google.protobuf.field_mask_pb2 import FieldMask

from lumi_client.errors import DeadlineExceeded, ResourceExhausted, Unauthenticated, Unavailable, refusal

Answer = TypeVar("Answer")

_OPTIONS = [
    ("grpc.enable_retries", 0),  # whether a call may be sent again is known here
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.max_receive_message_length", 32 << 20),
]
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
_PASSING = (Unavailable, ResourceExhausted, DeadlineExceeded)
_LASTING = ("REQUEST_TOO_LARGE", "HEADERS_TOO_LARGE")  # reasons of RESOURCE_EXHAUSTED that no pause mends


@dataclass(frozen=True, slots=True)
class Method(Generic[Answer]):
    """A method of the contract; `path` is `/lumi.orders.v1.OrderService/PlaceOrder`.

    `repeatable`: sending it again does nothing twice. `takes_request_id`: because its request says which call it is.
    `seconds`: what the shop allows one try, so that a lost answer does not eat the whole of the time.
    """

    path: str
    answer: Callable[[bytes], Answer]
    repeatable: bool
    takes_request_id: bool
    seconds: float = 10.0

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


class Token(Protocol):
    """Somebody's access token."""

    async def current(self) -> str:
        """One that is good for a while yet; empty for nobody's."""

    async def replace(self, refused: str) -> bool:
        """Get another one than that which was refused; False where there is none to be had."""


class Connection:
    """The way to one gateway, shared by all who call through it; `options` are more of gRPC's own for its channel."""

    def __init__(
        self,
        url: str,
        *,
        timeout: float,
        credentials: grpc.ChannelCredentials | None = None,
        options: Sequence[tuple[str, int | str]] = (),
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
            raise ValueError(
                f"the gateway's address looks like https://shop.example or http://127.0.0.1:8080, not {url}"
            )
        target = f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
        self.timeout = timeout
        if parts.scheme == "https":
            trusted = credentials or grpc.ssl_channel_credentials()
            self._channel = grpc.aio.secure_channel(target, trusted, options=[*_OPTIONS, *options])
        else:
            self._channel = grpc.aio.insecure_channel(target, options=[*_OPTIONS, *options])
        self._methods: dict[str, Any] = {}

    async def close(self) -> None:
        """End it, and the calls that are under way."""
        await self._channel.close()

    async def call(self, method: Method[Answer], request: Any, token: Token, timeout: float | None) -> Answer:
        """Call until there is an answer or a refusal that trying again would not change; raises LumiError.

        `timeout` is for all tries together, in seconds.
        """
        end = time.monotonic() + (self.timeout if timeout is None else timeout)
        if method.takes_request_id and not request.request_id:
            request.request_id = str(uuid4())
        pause = _FIRST_PAUSE
        renewed = False
        while True:
            bearer = await token.current()
            try:
                return await self._send(method, request, bearer, end - time.monotonic())
            except Unauthenticated:
                if renewed or not await token.replace(bearer):
                    raise
                renewed = True
                continue
            except _PASSING as error:
                wait = pause * random.uniform(0.5, 1.0)  # so that many do not come back at once
                if not method.repeatable or error.reason in _LASTING or time.monotonic() + wait >= end:
                    raise
            await asyncio.sleep(wait)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _send(self, method: Method[Answer], request: Any, bearer: str, seconds: float) -> Answer:
        stub = self._methods.get(method.path)
        if stub is None:
            serialize = type(request).SerializeToString
            stub = self._methods[method.path] = self._channel.unary_unary(method.path, serialize, method.answer)
        metadata = (("authorization", f"Bearer {bearer}"),) if bearer else ()
        try:
            answer: Answer = await stub(request, timeout=min(max(seconds, 0.001), method.seconds), metadata=metadata)
        except grpc.aio.AioRpcError as failure:
            raise refusal(method.name, failure) from None
        return answer


@dataclass(frozen=True, slots=True)
class Caller:
    """Calls in somebody's name."""

    connection: Connection
    token: Token

    def call(self, method: Method[Answer], request: Any, timeout: float | None) -> Awaitable[Answer]:
        """See `Connection.call`."""
        return self.connection.call(method, request, self.token, timeout)

    async def pages(self, method: Method[Any], request: Any, items: str, timeout: float | None) -> AsyncIterator[Any]:
        """Every item of a list, page after page as they are wanted; `timeout` is for each page."""
        while True:
            answer = await self.call(method, request, timeout)
            for item in getattr(answer, items):
                yield item
            if not answer.next_page_token:
                return
            request.page_token = answer.next_page_token


def mask(paths: Iterable[str] | None) -> FieldMask | None:
    """The fields that a change is about; None says that it is about all that are set."""
    return None if paths is None else FieldMask(paths=paths)


class Service:
    """What the generated classes of the services have in common."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
