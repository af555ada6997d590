"""PrivacyService: what the shop has of a person, shown and erased."""

from datetime import datetime

from lumi.common.v1.personal_pb2 import RowCount
from lumi.identity.v1.privacy_pb2 import (
    EraseUserRequest,
    ErasureReceipt,
    ExportUserDataRequest,
    ExportUserDataResponse,
    GetErasureReceiptRequest,
    ServiceErasure,
)
from lumi.identity.v1.privacy_pb2_grpc import PrivacyServiceServicer

from lumi_common.context import Context
from lumi_common.db.database import Database
from lumi_common.db.page import opened, sealed
from lumi_common.db.personal import Key
from lumi_common.errors import InvalidArgument, Reason
from lumi_common.rpc.convert import time_to_proto
from lumi_identity.domain.erasure import Erasure, Progress, Step
from lumi_identity.storage.erasures import Erasures
from lumi_identity.storage.users import UserRepository
from lumi_identity.workflows.erasure import Erasing

_PAGE = 100


class PrivacyService(PrivacyServiceServicer):
    def __init__(self, db: Database, erasing: Erasing) -> None:
        self._db, self._erasing = db, erasing

    async def ExportUserData(self, request: ExportUserDataRequest, context: Context) -> ExportUserDataResponse:
        user = await UserRepository(self._db).get(
            request.id, owner=context.owner, include_deleted=not context.owner_only
        )
        start = _place(opened(request.page_token, user=user.id)) if request.page_token else ("identity", Key("", ""))
        rows, further = await self._erasing.export(user.id, start, request.page_size or _PAGE, context)
        answer = ExportUserDataResponse(rows=rows)
        if further is not None:
            service, (table, key) = further
            answer.next_page_token = sealed("\n".join((service, table, key)), user=user.id)
        return answer

    async def EraseUser(self, request: EraseUserRequest, context: Context) -> ErasureReceipt:
        async with self._db.command(request, context) as command:
            if command.fresh:
                if context.owner_only and request.id != context.principal.id:
                    raise UserRepository.not_found(request.id)
                command.answer = receipt_to_proto(await self._erasing.begin(command, request.id, request.etag))
        return command.answer

    async def GetErasureReceipt(self, request: GetErasureReceiptRequest, context: Context) -> ErasureReceipt:
        return receipt_to_proto(await Erasures(self._db).get(request.id))


def receipt_to_proto(erasure: Erasure) -> ErasureReceipt:
    """A receipt; whose it is, only a hash says."""
    return ErasureReceipt(
        id=erasure.id,
        subject_hash=erasure.subject_hash,
        state="ERASURE_STATE_COMPLETE" if erasure.step is Step.COMPLETE else "ERASURE_STATE_UNDER_WAY",
        create_time=time_to_proto(erasure.created_at),
        complete_time=time_to_proto(erasure.completed_at),
        services=[_service_to_proto(name, erasure.services[name]) for name in sorted(erasure.services)],
    )


def _service_to_proto(name: str, progress: Progress) -> ServiceErasure:
    confirmed = datetime.fromisoformat(progress.confirmed_at) if progress.confirmed_at else None
    return ServiceErasure(
        service=name,
        tables=[RowCount(table=table, rows=rows) for table, rows in sorted(progress.rows.items())],
        confirm_time=time_to_proto(confirmed),
    )


def _place(sealed_place: str) -> tuple[str, Key]:
    parts = sealed_place.split("\n")
    if len(parts) != 3:
        raise InvalidArgument(Reason.PAGE_TOKEN_INVALID, "take page_token from the answer before", field="page_token")
    return parts[0], Key(*parts[1:])
