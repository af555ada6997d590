from collections.abc import Awaitable
from typing import Any

import grpc.aio
import lumi._aio
import google.protobuf.empty_pb2
import lumi.identity.v1.security_event_pb2

class SecurityEventServiceStub:
    def __init__(self, channel: grpc.aio.Channel) -> None: ...
    ListSecurityEvents: lumi._aio.Unary[lumi.identity.v1.security_event_pb2.ListSecurityEventsRequest, lumi.identity.v1.security_event_pb2.ListSecurityEventsResponse]
    RecordSecurityEvents: lumi._aio.Unary[lumi.identity.v1.security_event_pb2.RecordSecurityEventsRequest, google.protobuf.empty_pb2.Empty]

class SecurityEventServiceServicer:
    def ListSecurityEvents(self, request: lumi.identity.v1.security_event_pb2.ListSecurityEventsRequest, context: Any) -> Awaitable[lumi.identity.v1.security_event_pb2.ListSecurityEventsResponse]: ...
    def RecordSecurityEvents(self, request: lumi.identity.v1.security_event_pb2.RecordSecurityEventsRequest, context: Any) -> Awaitable[google.protobuf.empty_pb2.Empty]: ...

def add_SecurityEventServiceServicer_to_server(
    servicer: SecurityEventServiceServicer, server: grpc.aio.Server
) -> None: ...
