from collections.abc import Awaitable
from typing import Any

import grpc.aio
import lumi._aio
import google.protobuf.empty_pb2
import lumi.identity.v1.session_pb2

class SessionServiceStub:
    def __init__(self, channel: grpc.aio.Channel) -> None: ...
    ListSessions: lumi._aio.Unary[lumi.identity.v1.session_pb2.ListSessionsRequest, lumi.identity.v1.session_pb2.ListSessionsResponse]
    RevokeSession: lumi._aio.Unary[lumi.identity.v1.session_pb2.RevokeSessionRequest, google.protobuf.empty_pb2.Empty]
    RevokeAllSessions: lumi._aio.Unary[lumi.identity.v1.session_pb2.RevokeAllSessionsRequest, lumi.identity.v1.session_pb2.RevokeAllSessionsResponse]

class SessionServiceServicer:
    def ListSessions(self, request: lumi.identity.v1.session_pb2.ListSessionsRequest, context: Any) -> Awaitable[lumi.identity.v1.session_pb2.ListSessionsResponse]: ...
    def RevokeSession(self, request: lumi.identity.v1.session_pb2.RevokeSessionRequest, context: Any) -> Awaitable[google.protobuf.empty_pb2.Empty]: ...
    def RevokeAllSessions(self, request: lumi.identity.v1.session_pb2.RevokeAllSessionsRequest, context: Any) -> Awaitable[lumi.identity.v1.session_pb2.RevokeAllSessionsResponse]: ...

def add_SessionServiceServicer_to_server(
    servicer: SessionServiceServicer, server: grpc.aio.Server
) -> None: ...
