"""Calls through the gateway by native gRPC: signed in, with a deadline, tried again under the same request id."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4, uuid5

import grpc
import grpc.aio
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from lumi.identity.v1.auth_pb2 import RefreshTokenRequest, SignInRequest, Tokens
from lumi.identity.v1.auth_pb2_grpc import AuthServiceStub

DEADLINE = 15.0  # seconds a call may take
PATIENCE = 90.0  # seconds for which what is away is tried again: longer than any part needs to come back
_RENEW_BEFORE = 30.0  # seconds before an access token's end
_REQUESTS = UUID("5b0f7c5e-9d0b-4f3e-8f50-3d2a6cf0a9d1")
_OPTIONS = [
    ("grpc.max_receive_message_length", 32 << 20),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
]


@dataclass(frozen=True)
class Refused(Exception):
    """A call's refusal: gRPC code and the reason in its details (empty where there is none)."""

    method: str
    code: str
    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.method}: {self.code} {self.reason}: {self.message}"


def new_request_id() -> str:
    """An id for a call whose repetition later is another call."""
    return str(uuid4())


def lasting_request_id(*parts: object) -> str:
    """The id that the same call has in every run, so that sending it again does nothing twice."""
    return str(uuid5(_REQUESTS, "/".join(map(str, parts))))


def open_channel(target: str) -> grpc.aio.Channel:
    return grpc.aio.insecure_channel(target, options=_OPTIONS)


def stub(service: Any, channel: grpc.aio.Channel) -> Any:
    """A generated stub; generated code has no types for its calls."""
    return service(channel)


async def call(method: Any, request: Message, *, deadline: float = DEADLINE, token: str = "") -> Any:
    """Call a stub's method; what is away or overloaded is tried again with the same request.

    Refused with the server's reason when it says no.
    """
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    give_up = time.monotonic() + PATIENCE
    pause = 0.1
    while True:
        try:
            return await method(request, timeout=deadline, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            refused = _refused(type(request).__name__.removesuffix("Request"), error)
            if not _may_pass(refused) or time.monotonic() > give_up:
                raise refused from None
        await asyncio.sleep(pause)
        pause = min(pause * 2, 2.0)


class Session:
    """Somebody signed in."""

    def __init__(self, channel: grpc.aio.Channel, email: str, password: str) -> None:
        self.channel = channel
        self._email, self._password = email, password
        self._auth = stub(AuthServiceStub, channel)
        self._tokens = Tokens()
        self._renewing = asyncio.Lock()

    async def sign_in(self) -> None:
        request = SignInRequest(email=self._email, password=self._password)
        self._tokens = (await call(self._auth.SignIn, request)).tokens

    async def call(self, method: Any, request: Message, *, deadline: float = DEADLINE) -> Any:
        """Like `call`, in this session's name; an access token that ends soon is renewed before."""
        try:
            return await call(method, request, deadline=deadline, token=await self._token())
        except Refused as refused:
            if refused.code != "UNAUTHENTICATED":
                raise
        await self.sign_in()
        return await call(method, request, deadline=deadline, token=self._tokens.access_token)

    async def _token(self) -> str:
        async with self._renewing:
            if self._tokens.access_token_expire_time.ToSeconds() - time.time() < _RENEW_BEFORE:
                request = RefreshTokenRequest(refresh_token=self._tokens.refresh_token)
                try:
                    self._tokens = (await call(self._auth.RefreshToken, request)).tokens
                except Refused:
                    await self.sign_in()
            return self._tokens.access_token


def _may_pass(refused: Refused) -> bool:
    """Whether trying again makes sense: the part may be back by then, and the request id keeps it one effect."""
    return refused.code in ("UNAVAILABLE", "DEADLINE_EXCEEDED") or refused.reason == "OVERLOADED"


def _refused(method: str, error: grpc.aio.AioRpcError) -> Refused:
    reason = ""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(value).details:
                info = error_details_pb2.ErrorInfo()
                if detail.Unpack(info):
                    reason = info.reason
    return Refused(method, error.code().name, reason, error.details() or "")
