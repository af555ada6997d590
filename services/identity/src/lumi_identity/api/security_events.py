"""SecurityEventService: what happened to the safety of accounts."""

from functools import partial

from google.protobuf.empty_pb2 import Empty
from lumi.identity.v1.security_event_pb2 import (
    ListSecurityEventsRequest,
    ListSecurityEventsResponse,
    RecordSecurityEventsRequest,
    RefusedAccess,
)
from lumi.identity.v1.security_event_pb2_grpc import SecurityEventServiceServicer

from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_common.rpc.convert import time_from_proto
from lumi_identity.api import convert
from lumi_identity.storage.security import NEWEST_FIRST, Refused, record_refused


class SecurityEventService(SecurityEventServiceServicer):
    def __init__(self, db: Database) -> None:
        self._db = db

    async def ListSecurityEvents(
        self, request: ListSecurityEventsRequest, context: Context
    ) -> ListSecurityEventsResponse:
        page = await NEWEST_FIRST.page(
            self._db,
            partial(convert.security_event_to_proto, whole=context.owner is None),
            size=request.page_size,
            token=request.page_token,
            owner=context.owner,
            user_id=request.user_id or None,
            type=request.type or None,
            start=convert.moment(request, "start_time"),
            end=convert.moment(request, "end_time"),
        )
        return ListSecurityEventsResponse(security_events=page.items, next_page_token=page.next_page_token)

    async def RecordSecurityEvents(self, request: RecordSecurityEventsRequest, context: Context) -> Empty:
        async with self._db.command(request, context) as command:
            if command.fresh:
                await record_refused(command, context.principal.id, [*map(_refused, request.refused)])
                command.answer = Empty()
        return command.answer


def _refused(told: RefusedAccess) -> Refused:
    return Refused(
        cuid(),
        told.user_id,
        told.caller,
        told.method,
        told.reason,
        told.count,
        time_from_proto(told.first_time, field="refused.first_time"),
        told.ip_address,
        told.user_agent,
    )
