"""A gateway of the test's own: answers as it is told, and remembers what it was asked."""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import time
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from lumi.identity.v1 import auth_pb2
from lumi.identity.v1.auth_pb2_grpc import AuthServiceServicer, add_AuthServiceServicer_to_server
from lumi.orders.v1 import cart_pb2, order_pb2
from lumi.orders.v1.cart_pb2_grpc import CartServiceServicer, add_CartServiceServicer_to_server
from lumi.orders.v1.order_pb2_grpc import OrderServiceServicer, add_OrderServiceServicer_to_server

ORDERS = 5


@dataclass
class Gateway:
    """`refuse` is what the next calls are told, one each; `calls` are those that came, with their tokens."""

    url: str = ""
    refuse: deque[status_pb2.Status] = field(default_factory=deque)
    calls: list[tuple[Message, str]] = field(default_factory=list)
    token_seconds: float = 600.0
    refreshed: int = 0
    second_factor: bool = False

    async def hear(self, request: Message, context: Any) -> None:
        token = dict(context.invocation_metadata()).get("authorization", "")
        self.calls.append((request, token.removeprefix("Bearer ")))
        if self.refuse:
            status = self.refuse.popleft()
            code = next(code for code in grpc.StatusCode if code.value[0] == status.code)
            details = (("grpc-status-details-bin", status.SerializeToString()),)
            await context.abort(code, status.message, details)

    def tokens(self) -> auth_pb2.Tokens:
        tokens = auth_pb2.Tokens(
            access_token=f"access-{self.refreshed}", refresh_token=f"refresh-{self.refreshed}", session_id="csession"
        )
        tokens.access_token_expire_time.FromSeconds(int(time() + self.token_seconds))
        return tokens


class Auth(AuthServiceServicer):
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def SignUp(self, request: auth_pb2.SignUpRequest, context: Any) -> Any:
        await self._gateway.hear(request, context)

    async def SignIn(self, request: auth_pb2.SignInRequest, context: Any) -> auth_pb2.SignInResponse:
        await self._gateway.hear(request, context)
        if self._gateway.second_factor:
            challenge = auth_pb2.TwoFactorChallenge(token="a challenge")
            return auth_pb2.SignInResponse(two_factor_challenge=challenge)
        return auth_pb2.SignInResponse(tokens=self._gateway.tokens())

    async def VerifyTwoFactor(self, request: auth_pb2.VerifyTwoFactorRequest, context: Any) -> auth_pb2.SignInResponse:
        await self._gateway.hear(request, context)
        return auth_pb2.SignInResponse(tokens=self._gateway.tokens())

    async def StepUp(self, request: auth_pb2.StepUpRequest, context: Any) -> auth_pb2.StepUpResponse:
        await self._gateway.hear(request, context)
        tokens = self._gateway.tokens()
        return auth_pb2.StepUpResponse(
            access_token="stepped-up", access_token_expire_time=tokens.access_token_expire_time
        )

    async def RefreshToken(self, request: auth_pb2.RefreshTokenRequest, context: Any) -> auth_pb2.RefreshTokenResponse:
        await self._gateway.hear(request, context)
        self._gateway.refreshed += 1
        return auth_pb2.RefreshTokenResponse(tokens=self._gateway.tokens())


class Carts(CartServiceServicer):
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def CreateCart(self, request: cart_pb2.CreateCartRequest, context: Any) -> cart_pb2.Cart:
        await self._gateway.hear(request, context)
        return cart_pb2.Cart(id="ccart", currency_code=request.currency_code)


class Orders(OrderServiceServicer):
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def ListOrders(self, request: order_pb2.ListOrdersRequest, context: Any) -> order_pb2.ListOrdersResponse:
        await self._gateway.hear(request, context)
        start = int(request.page_token or "0")
        end = min(start + request.page_size, ORDERS)
        return order_pb2.ListOrdersResponse(
            orders=[order_pb2.Order(id=f"c{number}") for number in range(start, end)],
            next_page_token=str(end) if end < ORDERS else "",
        )


def status(code: grpc.StatusCode, reason: str = "", *, field: str = "", **facts: str) -> status_pb2.Status:
    """What a service says when it refuses."""
    made = status_pb2.Status(code=code.value[0], message="so it is")
    if reason:
        made.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain="orders.lumi", metadata=facts))
    if field:
        fault = error_details_pb2.BadRequest()
        fault.field_violations.add(field=field, description="is wrong")
        made.details.add().Pack(fault)
    return made


@asynccontextmanager
async def open_gateway() -> AsyncIterator[Gateway]:
    gateway = Gateway()
    server = grpc.aio.server()
    add_AuthServiceServicer_to_server(Auth(gateway), server)
    add_CartServiceServicer_to_server(Carts(gateway), server)
    add_OrderServiceServicer_to_server(Orders(gateway), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    gateway.url = f"http://127.0.0.1:{port}"
    yield gateway
    await server.stop(None)
