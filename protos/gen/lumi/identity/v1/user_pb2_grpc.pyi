from collections.abc import Awaitable
from typing import Any

import grpc.aio
import lumi._aio
import google.protobuf.empty_pb2
import lumi.identity.v1.user_pb2

class UserServiceStub:
    def __init__(self, channel: grpc.aio.Channel) -> None: ...
    GetMe: lumi._aio.Unary[lumi.identity.v1.user_pb2.GetMeRequest, lumi.identity.v1.user_pb2.User]
    GetUser: lumi._aio.Unary[lumi.identity.v1.user_pb2.GetUserRequest, lumi.identity.v1.user_pb2.User]
    DeleteUser: lumi._aio.Unary[lumi.identity.v1.user_pb2.DeleteUserRequest, lumi.identity.v1.user_pb2.User]
    UndeleteUser: lumi._aio.Unary[lumi.identity.v1.user_pb2.UndeleteUserRequest, lumi.identity.v1.user_pb2.User]
    PurgeUser: lumi._aio.Unary[lumi.identity.v1.user_pb2.PurgeUserRequest, google.protobuf.empty_pb2.Empty]

class UserServiceServicer:
    def GetMe(self, request: lumi.identity.v1.user_pb2.GetMeRequest, context: Any) -> Awaitable[lumi.identity.v1.user_pb2.User]: ...
    def GetUser(self, request: lumi.identity.v1.user_pb2.GetUserRequest, context: Any) -> Awaitable[lumi.identity.v1.user_pb2.User]: ...
    def DeleteUser(self, request: lumi.identity.v1.user_pb2.DeleteUserRequest, context: Any) -> Awaitable[lumi.identity.v1.user_pb2.User]: ...
    def UndeleteUser(self, request: lumi.identity.v1.user_pb2.UndeleteUserRequest, context: Any) -> Awaitable[lumi.identity.v1.user_pb2.User]: ...
    def PurgeUser(self, request: lumi.identity.v1.user_pb2.PurgeUserRequest, context: Any) -> Awaitable[google.protobuf.empty_pb2.Empty]: ...

def add_UserServiceServicer_to_server(
    servicer: UserServiceServicer, server: grpc.aio.Server
) -> None: ...
