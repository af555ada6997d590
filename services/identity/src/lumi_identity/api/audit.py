"""AuditService: who changed what, in every service."""

from lumi.identity.v1.audit_pb2 import (
    AuditLog,
    GetAuditLogRequest,
    GetEntityTimelineRequest,
    GetEntityTimelineResponse,
    ListAuditLogsRequest,
    ListAuditLogsResponse,
)
from lumi.identity.v1.audit_pb2_grpc import AuditServiceServicer

from lumi_common.context import Context
from lumi_common.db.database import Database
from lumi_identity.api.convert import audit_log_to_proto
from lumi_identity.storage.audit import NEWEST_FIRST, TIMELINE, get_audit_log


class AuditService(AuditServiceServicer):
    def __init__(self, db: Database) -> None:
        self._db = db

    async def ListAuditLogs(self, request: ListAuditLogsRequest, context: Context) -> ListAuditLogsResponse:
        page = await NEWEST_FIRST.page(
            self._db,
            audit_log_to_proto,
            size=request.page_size,
            token=request.page_token,
            user_id=request.user_id or None,
            action=request.action or None,
            entity=request.entity or None,
        )
        return ListAuditLogsResponse(audit_logs=page.items, next_page_token=page.next_page_token)

    async def GetAuditLog(self, request: GetAuditLogRequest, context: Context) -> AuditLog:
        return audit_log_to_proto(await get_audit_log(self._db, request.id))

    async def GetEntityTimeline(self, request: GetEntityTimelineRequest, context: Context) -> GetEntityTimelineResponse:
        page = await TIMELINE.page(
            self._db,
            audit_log_to_proto,
            size=request.page_size,
            token=request.page_token,
            entity=request.entity,
            entity_id=request.entity_id,
        )
        return GetEntityTimelineResponse(audit_logs=page.items, next_page_token=page.next_page_token)
