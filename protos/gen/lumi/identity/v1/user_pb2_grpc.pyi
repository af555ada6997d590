from collections.abc import Awaitable
from typing import Any

import grpc.aio
import lumi._aio
import lumi.identity.v1.user_pb2

class UserServiceStub:
    def __init__(self, channel: grpc.aio.Channel) -> None: ...
    GetMe: lumi._aio.Unary[lumi.identity.v1.user_pb2.GetMeRequest, lumi.identity.v1.user_pb2.User]
    GetUser: lumi._aio.Unary[lumi.identity.v1.user_pb2.GetUserRequest, lumi.identity.v1.user_pb2.User]

class UserServiceServicer:
    def GetMe(self, request: lumi.identity.v1.user_pb2.GetMeRequest, context: Any) -> Awaitable[lumi.identity.v1.user_pb2.User]: ...
    def GetUser(self, request: lumi.identity.v1.user_pb2.GetUserRequest, context: Any) -> Awaitable[lumi.identity.v1.user_pb2.User]: ...

def add_UserServiceServicer_to_server(
    servicer: UserServiceServicer, server: grpc.aio.Server
) -> None: ...
