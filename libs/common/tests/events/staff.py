"""Somebody who operates a world, through the servicer that every service has."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from lumi.common.v1 import operations_pb2 as pb
from lumi.identity.v1 import operations_pb2 as _  # noqa: F401  # the methods' descriptors

from libs.common.tests.events.world import World, eventually
from lumi_common.context import Context
from lumi_common.db.personal import People
from lumi_common.db.referrer import Referrer
from lumi_common.db.tables import common_tables, schema
from lumi_common.events.consumer import Consumer
from lumi_common.personal import PersonalData
from lumi_common.principal import Principal
from lumi_common.rpc.convert import time_to_proto
from lumi_common.rpc.operations import OperationsService

REQUEST_ID = "0193e2a4-7b1c-7d3e-9f00-5a6b7c8d9e0f"


class Staff:
    """Calls the methods as one user."""

    def __init__(self, here: World, *consumers: Consumer) -> None:
        nothing = schema(here.name)
        referrer = Referrer(nothing, common_tables(nothing), ())
        personal = PersonalData(here.database, People(nothing, {}), here.broker)
        self.service = OperationsService(here.database, consumers, referrer, _nobody, personal)

    async def letters(self, consumer: str = "") -> list[pb.DeadLetter]:
        """The first page."""
        request = pb.ListDeadLettersRequest(consumer=consumer)
        return list((await self.service.ListDeadLetters(request, _call("ListDeadLetters"))).dead_letters)

    async def wait_for(self, count: int) -> Sequence[pb.DeadLetter]:
        """The letters, as soon as there are so many."""

        async def page() -> list[pb.DeadLetter]:
            found = await self.letters()
            return found if len(found) == count else []

        letters: Sequence[pb.DeadLetter] = await eventually(page)
        return letters

    async def redrive(self, id: str, request_id: str = "") -> pb.DeadLetter:
        request = pb.RedriveDeadLetterRequest(id=id, request_id=request_id)
        return await self.service.RedriveDeadLetter(request, _call("RedriveDeadLetter"))

    async def skip(self, id: str, request_id: str = "") -> pb.DeadLetter:
        request = pb.SkipDeadLetterRequest(id=id, request_id=request_id)
        return await self.service.SkipDeadLetter(request, _call("SkipDeadLetter"))

    async def republish(
        self, *, start_time: datetime | None = None, start_seq: int = 0, aggregate_id: str = "", limit: int = 0,
        request_id: str = "",
    ) -> tuple[int, int]:  # fmt: skip
        """How many go out again, and where to go on."""
        request = pb.RepublishEventsRequest(
            start_time=time_to_proto(start_time), start_seq=start_seq, aggregate_id=aggregate_id, limit=limit,
            request_id=request_id,
        )  # fmt: skip
        answer = await self.service.RepublishEvents(request, _call("RepublishEvents"))
        return answer.event_count, answer.next_seq


def _call(method: str) -> Context:
    return Context(f"lumi.identity.v1.OperationsService/{method}", Principal.user("ada"), ip="192.0.2.7")


def _nobody(name: str) -> Any:
    raise LookupError(name)
