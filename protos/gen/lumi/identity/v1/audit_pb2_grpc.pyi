from collections.abc import Awaitable
from typing import Any

import grpc.aio
import lumi._aio
import lumi.identity.v1.audit_pb2

class AuditServiceStub:
    def __init__(self, channel: grpc.aio.Channel) -> None: ...
    ListAuditLogs: lumi._aio.Unary[lumi.identity.v1.audit_pb2.ListAuditLogsRequest, lumi.identity.v1.audit_pb2.ListAuditLogsResponse]
    GetAuditLog: lumi._aio.Unary[lumi.identity.v1.audit_pb2.GetAuditLogRequest, lumi.identity.v1.audit_pb2.AuditLog]
    GetEntityTimeline: lumi._aio.Unary[lumi.identity.v1.audit_pb2.GetEntityTimelineRequest, lumi.identity.v1.audit_pb2.GetEntityTimelineResponse]

class AuditServiceServicer:
    def ListAuditLogs(self, request: lumi.identity.v1.audit_pb2.ListAuditLogsRequest, context: Any) -> Awaitable[lumi.identity.v1.audit_pb2.ListAuditLogsResponse]: ...
    def GetAuditLog(self, request: lumi.identity.v1.audit_pb2.GetAuditLogRequest, context: Any) -> Awaitable[lumi.identity.v1.audit_pb2.AuditLog]: ...
    def GetEntityTimeline(self, request: lumi.identity.v1.audit_pb2.GetEntityTimelineRequest, context: Any) -> Awaitable[lumi.identity.v1.audit_pb2.GetEntityTimelineResponse]: ...

def add_AuditServiceServicer_to_server(
    servicer: AuditServiceServicer, server: grpc.aio.Server
) -> None: ...
