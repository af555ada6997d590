"""What every service answers about references across services: to owners who delete, and to who looks after them."""

import re
from collections.abc import Callable, Iterable

from lumi.common.v1 import references_pb2 as pb

from lumi_common.context import Context
from lumi_common.db.database import Database
from lumi_common.db.references import owned
from lumi_common.db.referrer import Held, Referrer, Target, there
from lumi_common.errors import InvalidArgument, PermissionDenied, Reason
from lumi_common.rpc.channel import PeerChannel, PeerMethod
from lumi_common.rpc.convert import time_from_proto

LIMIT, BATCH, SAMPLE = 10_000, 1_000, 20
_CUID = re.compile("c[a-z0-9]{24}")

_Resolve = PeerMethod[pb.ResolveReferenceRequest, pb.ResolveReferenceResponse]


class ReferenceMethods:
    """The part of OperationsService about references; `peer` finds the channel to the owner of what is referred to."""

    def __init__(self, db: Database, referrer: Referrer, peer: Callable[[str], PeerChannel]) -> None:
        self._db, self._referrer, self._peer = db, referrer, peer
        self._resolving: dict[str, _Resolve] = {}

    async def FenceReference(self, request: pb.FenceReferenceRequest, context: Context) -> pb.FenceReferenceResponse:
        targets = _of_the_caller(request.targets, context)
        async with self._db.command(request, context) as command:
            if command.fresh:
                await self._referrer.fence(
                    command,
                    targets,
                    gone_at=time_from_proto(request.gone_time, field="gone_time"),
                    until=time_from_proto(request.expire_time, field="expire_time"),
                )
                command.answer = pb.FenceReferenceResponse()
        answer: pb.FenceReferenceResponse = command.answer
        return answer

    async def UnfenceReference(
        self, request: pb.UnfenceReferenceRequest, context: Context
    ) -> pb.UnfenceReferenceResponse:
        targets = _of_the_caller(request.targets, context)
        async with self._db.command(request, context) as command:
            if command.fresh:
                gone_at = time_from_proto(request.gone_time, field="gone_time")
                await self._referrer.free(command, targets, gone_at=gone_at)
                command.answer = pb.UnfenceReferenceResponse()
        answer: pb.UnfenceReferenceResponse = command.answer
        return answer

    async def ResolveReference(
        self, request: pb.ResolveReferenceRequest, context: Context
    ) -> pb.ResolveReferenceResponse:
        if request.kind not in owned(self._db.schema):
            raise InvalidArgument(Reason.INVALID_REQUEST, "nobody refers to such rows of this service", field="kind")
        rows = await self._db.fetch(there(request.kind), ids=list(request.ids))
        return pb.ResolveReferenceResponse(ids=[row["id"] for row in rows])

    async def GetIntegrityReport(
        self, request: pb.GetIntegrityReportRequest, context: Context
    ) -> pb.GetIntegrityReportResponse:
        limit, answer = request.limit or LIMIT, pb.GetIntegrityReportResponse()
        ends = []
        for held in self._referrer.held:
            report, end = await self._report(held, request.start_id, limit, context)
            answer.references.append(report)
            ends += [end] if end else []
        # The next report goes on where the column is that came least far: others are looked at again from there.
        answer.next_id = min(ends, default="")
        return answer

    async def _report(self, held: Held, after: str, limit: int, context: Context) -> tuple[pb.ReferenceReport, str]:
        """The report of a column, and the last id looked at, empty when it was the last that there is."""
        of = held.reference
        report = pb.ReferenceReport(column=held.name, target=of.target, on_delete=of.on_delete)
        while report.checked_count < limit:
            size = min(BATCH, limit - report.checked_count)
            ids = [row["id"] for row in await self._db.fetch(held.ids, after=after, limit=size)]
            if not ids:
                break
            # What is no id at all is nobody's, and would be refused.
            request = pb.ResolveReferenceRequest(kind=of.target, ids=filter(_CUID.fullmatch, ids))
            there = set((await self._resolve(of.context)(request, context)).ids)
            missing = [id for id in ids if id not in there]
            report.checked_count += len(ids)
            report.missing_count += len(missing)
            report.missing_ids.extend(missing[: SAMPLE - len(report.missing_ids)])
            after = ids[-1]
        gone = await self._db.fetch(held.gone)
        report.gone_count = gone[0]["total"] if gone else 0
        report.gone_ids.extend(row["id"] for row in gone)
        return report, after if report.checked_count == limit else ""

    def _resolve(self, owner: str) -> _Resolve:
        if owner not in self._resolving:
            self._resolving[owner] = self._peer(owner).operation(
                "ResolveReference", pb.ResolveReferenceRequest, pb.ResolveReferenceResponse
            )
        return self._resolving[owner]


def _of_the_caller(targets: Iterable[pb.ReferenceTarget], context: Context) -> list[Target]:
    """The targets; raises PermissionDenied for those that are not the caller's own rows."""
    caller, wanted = context.principal.id, [Target(target.kind, target.id) for target in targets]
    for kind, _ in wanted:
        if kind.partition(".")[0] != caller:
            raise PermissionDenied(Reason.SERVICE_NOT_ALLOWED, "only its owner deletes a row", caller=caller, kind=kind)
    return wanted
