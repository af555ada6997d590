from collections.abc import Awaitable
from typing import Any

import grpc.aio
import lumi._aio
import google.protobuf.empty_pb2
import lumi.identity.v1.auth_pb2
import lumi.identity.v1.user_pb2

class AuthServiceStub:
    def __init__(self, channel: grpc.aio.Channel) -> None: ...
    SignUp: lumi._aio.Unary[lumi.identity.v1.auth_pb2.SignUpRequest, lumi.identity.v1.user_pb2.User]
    SignIn: lumi._aio.Unary[lumi.identity.v1.auth_pb2.SignInRequest, lumi.identity.v1.auth_pb2.SignInResponse]
    RefreshToken: lumi._aio.Unary[lumi.identity.v1.auth_pb2.RefreshTokenRequest, lumi.identity.v1.auth_pb2.RefreshTokenResponse]
    SignOut: lumi._aio.Unary[lumi.identity.v1.auth_pb2.SignOutRequest, google.protobuf.empty_pb2.Empty]
    CreateGuestSession: lumi._aio.Unary[lumi.identity.v1.auth_pb2.CreateGuestSessionRequest, lumi.identity.v1.auth_pb2.GuestSession]
    GetJwks: lumi._aio.Unary[lumi.identity.v1.auth_pb2.GetJwksRequest, lumi.identity.v1.auth_pb2.Jwks]

class AuthServiceServicer:
    def SignUp(self, request: lumi.identity.v1.auth_pb2.SignUpRequest, context: Any) -> Awaitable[lumi.identity.v1.user_pb2.User]: ...
    def SignIn(self, request: lumi.identity.v1.auth_pb2.SignInRequest, context: Any) -> Awaitable[lumi.identity.v1.auth_pb2.SignInResponse]: ...
    def RefreshToken(self, request: lumi.identity.v1.auth_pb2.RefreshTokenRequest, context: Any) -> Awaitable[lumi.identity.v1.auth_pb2.RefreshTokenResponse]: ...
    def SignOut(self, request: lumi.identity.v1.auth_pb2.SignOutRequest, context: Any) -> Awaitable[google.protobuf.empty_pb2.Empty]: ...
    def CreateGuestSession(self, request: lumi.identity.v1.auth_pb2.CreateGuestSessionRequest, context: Any) -> Awaitable[lumi.identity.v1.auth_pb2.GuestSession]: ...
    def GetJwks(self, request: lumi.identity.v1.auth_pb2.GetJwksRequest, context: Any) -> Awaitable[lumi.identity.v1.auth_pb2.Jwks]: ...

def add_AuthServiceServicer_to_server(
    servicer: AuthServiceServicer, server: grpc.aio.Server
) -> None: ...
