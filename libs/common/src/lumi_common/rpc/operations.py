"""The OperationsService of every service: events that were given up, a stream that was lost, and whether its data is
right.

Each context has it in its own proto package, so that it has a gRPC path and permissions of its own; the messages are
shared, and so is this servicer.
"""

import re
from collections.abc import Callable, Sequence

from lumi.common.v1 import operations_pb2 as pb
from sqlalchemy import bindparam, column, select, table

from lumi_common import errors
from lumi_common.context import Actor, Context
from lumi_common.db.database import Database
from lumi_common.db.invariants import Finding, Invariant, Invariants
from lumi_common.db.page import Listing
from lumi_common.db.referrer import Referrer
from lumi_common.events.consumer import Consumer
from lumi_common.events.dead_letters import COLUMNS, DeadLetter, DeadLetters, letter_of
from lumi_common.events.outbox import RELAY
from lumi_common.events.republish import republish
from lumi_common.personal import PersonalData
from lumi_common.rpc.channel import PeerChannel
from lumi_common.rpc.convert import time_from_proto, time_to_proto
from lumi_common.rpc.personal import PersonalMethods
from lumi_common.rpc.references import ReferenceMethods

_letters = table("dead_letters", *(column(name) for name in COLUMNS.split(", ")))
_OLDEST_FIRST = Listing(
    select(*_letters.c), _letters.c.id, filters={"consumer": _letters.c.consumer == bindparam("consumer")}
)
_KIND = re.compile(r"<?(\w+)")
# Errors whose texts are ours: they hold ids and numbers, and no values of anybody's.
_OURS = frozenset(
    name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.LumiError)
)


class OperationsService(ReferenceMethods, PersonalMethods):
    """Answers for one service, whose consumers these are, which may grow, and whose data these invariants hold for."""

    def __init__(
        self,
        db: Database,
        consumers: Sequence[Consumer],
        referrer: Referrer,
        peer: Callable[[str], PeerChannel],
        personal: PersonalData,
        invariants: Invariants | None = None,
    ) -> None:
        ReferenceMethods.__init__(self, db, referrer, peer)
        PersonalMethods.__init__(self, db, personal)
        self._invariants = invariants or Invariants(db)
        self._dead_letters = DeadLetters(db, consumers)

    async def ListDeadLetters(self, request: pb.ListDeadLettersRequest, context: Context) -> pb.ListDeadLettersResponse:
        page = await _OLDEST_FIRST.page(
            self._db,
            lambda row: letter_to_proto(letter_of(row)),
            size=request.page_size,
            token=request.page_token,
            consumer=request.consumer or None,
        )
        return pb.ListDeadLettersResponse(dead_letters=page.items, next_page_token=page.next_page_token)

    async def RedriveDeadLetter(self, request: pb.RedriveDeadLetterRequest, context: Context) -> pb.DeadLetter:
        return await self._free(request, context, skip=False)

    async def SkipDeadLetter(self, request: pb.SkipDeadLetterRequest, context: Context) -> pb.DeadLetter:
        return await self._free(request, context, skip=True)

    async def RepublishEvents(self, request: pb.RepublishEventsRequest, context: Context) -> pb.RepublishEventsResponse:
        since = time_from_proto(request.start_time, field="start_time") if request.HasField("start_time") else None
        async with self._db.command(request, context) as command:
            if command.fresh:
                events, next_seq = await republish(
                    command,
                    start_time=since,
                    start_seq=request.start_seq,
                    aggregate_id=request.aggregate_id,
                    limit=request.limit,
                )
                command.answer = pb.RepublishEventsResponse(event_count=events, next_seq=next_seq)
        self._db.on_outbox_write()
        return command.answer

    async def CheckInvariants(self, request: pb.CheckInvariantsRequest, context: Context) -> pb.CheckInvariantsResponse:
        found = await self._invariants.look()
        return pb.CheckInvariantsResponse(findings=map(finding_to_proto, self._invariants.all, found))

    async def _free(
        self, request: pb.RedriveDeadLetterRequest | pb.SkipDeadLetterRequest, context: Context, *, skip: bool
    ) -> pb.DeadLetter:
        found = await self._dead_letters.find(request.id)
        command = self._db.command(request, _in_the_name_of(found, context))
        await self._dead_letters.free(command, request.id, context, letter_to_proto, skip=skip)
        self._db.on_outbox_write()
        answer: pb.DeadLetter = command.answer
        if answer.consumer != RELAY and answer.aggregate:
            await self._dead_letters.follow(answer.consumer, (answer.aggregate, answer.aggregate_id))
        return answer


def letter_to_proto(letter: DeadLetter) -> pb.DeadLetter:
    """The letter without its payload, and without texts that may quote values."""
    event = letter.event
    return pb.DeadLetter(
        id=letter.id,
        consumer=letter.consumer,
        event_id=letter.event_id,
        subject=letter.subject,
        aggregate=event.aggregate if event else "",
        aggregate_id=event.aggregate_id if event else "",
        version=event.version if event else 0,
        error=shown(letter),
        attempts=letter.attempts,
        create_time=time_to_proto(letter.created_at),
    )


def finding_to_proto(invariant: Invariant, finding: Finding) -> pb.InvariantFinding:
    """The finding with the ids of its rows, and none of their values."""
    return pb.InvariantFinding(
        id=invariant.id,
        rule=invariant.says,
        eventual=invariant.kind == "Q",
        timed_out=finding.rows is None,
        row_count=finding.rows or 0,
        sample=[
            pb.BrokenRow(
                ids=[pb.RowId(name=k, id=str(v)) for k, v in row.items() if k.endswith("_id") and v is not None]
            )
            for row in finding.sample
        ],
    )


def shown(letter: DeadLetter) -> str:
    """What a letter failed with, as far as it can be shown: texts of others may quote values."""
    kind = _KIND.match(letter.error)
    if letter.attempts == 0 or letter.consumer == RELAY or (kind and kind[1] in _OURS):
        return letter.error
    return kind[1] if kind else ""


def _in_the_name_of(letter: DeadLetter | None, context: Context) -> Context:
    """What a handler writes has its consumer as the actor, whoever set it going; the request id stays the caller's."""
    return Context(
        context.method,
        context.principal,
        actor=None if letter is None else Actor("service", letter.consumer),
        traceparent=context.traceparent,
        deadline=context.deadline,
        owner_only=context.owner_only,
        span=context.span,
    )
