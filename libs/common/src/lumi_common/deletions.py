"""Deleting what other services refer to: each of them agrees before, or nothing is deleted.

The intent is a row, written before anybody is asked and deleted by the transaction that deletes. So whoever finds it
knows that nothing was deleted yet. What was given up, or left by a crash, is taken back by a sweeper once no fence of
it can be on its way any more; a new deletion need not wait for that.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from logging import getLogger
from uuid import uuid4

from lumi.common.v1 import references_pb2 as pb
from sqlalchemy import text

from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database, Executor, Row
from lumi_common.db.references import restricting
from lumi_common.db.referrer import Target, there
from lumi_common.db.statement import Statement
from lumi_common.errors import Aborted, LumiError, NotFound, Reason
from lumi_common.logs import described
from lumi_common.rpc.channel import PeerChannel, PeerMethod
from lumi_common.rpc.convert import time_to_proto

_log = getLogger(__name__)

ANSWER_SECONDS = 3.0
# Fences are taken for so long after the beginning; the sweeper comes later, so that none can come behind its back.
FENCE_SECONDS, INTENT_SECONDS = 5, 8
_BATCH, _MOST = 100, 1000

# Names carry no schema: the connection's search path leads to the service's own.
_INTEND = Statement(
    text(f"""
insert into deletions (id, kind, entity_id, step, deadline)
select id, kind, entity_id, 'FENCE', clock_timestamp() + interval '{INTENT_SECONDS} seconds'
from unnest(cast(:ids as text[]), cast(:kinds as text[]), cast(:entity_ids as text[])) as t (id, kind, entity_id)
order by kind, entity_id
on conflict (kind, entity_id) do update set id = excluded.id, step = excluded.step, deadline = excluded.deadline,
  created_at = excluded.created_at, updated_at = excluded.updated_at
  where deletions.step = 'UNFENCE' and deletions.created_at < excluded.created_at
returning id, kind, entity_id, created_at
""")
)
_END = Statement(
    text("delete from deletions where id = any(:ids) and step = 'FENCE' and deadline > clock_timestamp() returning id")
)
_GIVE_UP = Statement(
    text("update deletions set step = 'UNFENCE', updated_at = now() where id = any(:ids) and step = 'FENCE'"
         " returning id, kind, entity_id, created_at")
)  # fmt: skip
_TAKE_UP = Statement(
    text(f"""
update deletions set step = 'UNFENCE', deadline = clock_timestamp() + interval '{INTENT_SECONDS} seconds',
  updated_at = now()
where id in (
  select id from deletions where deadline < clock_timestamp() order by deadline limit {_BATCH} for update skip locked
) returning id, kind, entity_id, created_at
""")
)
_OVER = Statement(text("delete from deletions where id = any(:ids) and step = 'UNFENCE'"))

_Fence = PeerMethod[pb.FenceReferenceRequest, pb.FenceReferenceResponse]
_Unfence = PeerMethod[pb.UnfenceReferenceRequest, pb.UnfenceReferenceResponse]


@dataclass(frozen=True, slots=True)
class Deletion:
    """A deletion of these targets that everybody has agreed to."""

    targets: frozenset[Target]
    ids: tuple[str, ...]

    async def end(self, tx: Executor) -> None:
        """End the intent in the transaction that deletes; raises Aborted when it was taken back meanwhile."""
        if len(await tx.fetch(_END, ids=list(self.ids))) != len(self.ids):
            raise _under_way()


class Deletions:
    """The deletions of one service's rows; `peer` finds the channel to a service that refers to them."""

    def __init__(self, db: Database, peer: Callable[[str], PeerChannel]) -> None:
        self._db, self._peer = db, peer
        self._methods: dict[str, tuple[_Fence, _Unfence]] = {}

    @asynccontextmanager
    async def deleting(self, targets: Collection[Target], context: Context) -> AsyncIterator[Deletion]:
        """Have all who refer to the targets agree, for a block whose transaction deletes them and ends the deletion.

        Raises FailedPrecondition REFERENCED when something refers to one of them, NotFound when another call has just
        deleted one, Aborted DELETION_UNDER_WAY when one is deleting it, Unavailable when a service that has to agree is
        away. If the block raises, nothing is gone.
        """
        intents = await self._intend(targets, context)
        try:
            await self._fence(intents, context)
            yield Deletion(frozenset(targets), tuple(row["id"] for row in intents))
        finally:
            # Of a deletion that was committed there is nothing left to give up, whatever its caller was told.
            await self._give_up(intents, context)

    async def sweep(self) -> None:
        """Take back what was given up or left."""
        while await self._sweep_batch() == _BATCH:
            pass

    async def _sweep_batch(self) -> int:
        left = await self._db.fetch(_TAKE_UP)
        for rows in _by_deletion(left):
            try:
                await self._unfence(rows, Context.system("deletions"))
                await self._db.fetch(_OVER, ids=[row["id"] for row in rows])
            except LumiError as error:
                _log.warning("a deletion cannot be taken back yet: %s", described(error))
        return len(left)

    async def _intend(self, targets: Collection[Target], context: Context) -> Sequence[Row]:
        order = sorted(targets)
        async with self._db.transaction(context, "deletion.intended") as tx:
            intents = await tx.fetch(
                _INTEND,
                ids=[cuid() for _ in order],
                kinds=[target.kind for target in order],
                entity_ids=[target.id for target in order],
            )
            if len(intents) != len(order):
                raise _under_way()
            # Whoever held the intent before may have deleted the row. Its fence is then to stay: we would take it back.
            for kind, ids in _by_kind(order).items():
                if missing := set(ids) - {row["id"] for row in await tx.fetch(there(kind), ids=ids)}:
                    raise NotFound(Reason.NOT_FOUND, "it has just been deleted", target=kind, id=min(missing))
        return intents

    async def _give_up(self, intents: Sequence[Row], context: Context) -> None:
        """Take the fences back at once where that can be done; the intent stays until no fence can come any more."""
        try:
            given_up = await self._db.fetch(_GIVE_UP, ids=[row["id"] for row in intents])
            if given_up:
                await self._unfence(given_up, context)
        except LumiError as error:
            _log.warning("a deletion is left to the sweeper: %s", described(error))

    async def _fence(self, intents: Sequence[Row], context: Context) -> None:
        gone_at: datetime = intents[0]["created_at"]
        until = gone_at + timedelta(seconds=FENCE_SECONDS)
        requests = [
            (
                peer,
                pb.FenceReferenceRequest(
                    targets=targets,
                    gone_time=time_to_proto(gone_at),
                    expire_time=time_to_proto(until),
                    request_id=str(uuid4()),
                ),
            )
            for peer, targets in _by_peer(intents)
        ]
        await asyncio.gather(*(self._of(peer)[0](request, context) for peer, request in requests))

    async def _unfence(self, intents: Sequence[Row], context: Context) -> None:
        gone_at = time_to_proto(intents[0]["created_at"])
        for peer, targets in _by_peer(intents):
            request = pb.UnfenceReferenceRequest(targets=targets, gone_time=gone_at, request_id=str(uuid4()))
            await self._of(peer)[1](request, context)

    def _of(self, peer: str) -> tuple[_Fence, _Unfence]:
        if peer not in self._methods:
            channel = self._peer(peer)
            fence: _Fence = channel.operation(
                "FenceReference", pb.FenceReferenceRequest, pb.FenceReferenceResponse, timeout=ANSWER_SECONDS
            )
            unfence: _Unfence = channel.operation(
                "UnfenceReference", pb.UnfenceReferenceRequest, pb.UnfenceReferenceResponse, timeout=ANSWER_SECONDS
            )
            self._methods[peer] = fence, unfence
        return self._methods[peer]


def _by_kind(targets: Sequence[Target]) -> dict[str, list[str]]:
    grouped = defaultdict(list)
    for kind, id in targets:
        grouped[kind].append(id)
    return grouped


def _by_peer(intents: Sequence[Row]) -> list[tuple[str, list[pb.ReferenceTarget]]]:
    """Whom to ask about what, as much at once as a call takes."""
    asked = defaultdict(list)
    for row in intents:
        for peer in restricting(row["kind"]):
            asked[peer].append(pb.ReferenceTarget(kind=row["kind"], id=row["entity_id"]))
    return [
        (peer, targets[start : start + _MOST])
        for peer, targets in asked.items()
        for start in range(0, len(targets), _MOST)
    ]


def _by_deletion(rows: Sequence[Row]) -> list[list[Row]]:
    grouped = defaultdict(list)
    for row in rows:
        grouped[row["created_at"]].append(row)
    return list(grouped.values())


def _under_way() -> Aborted:
    return Aborted(Reason.DELETION_UNDER_WAY, "it is being deleted by another call, or that took too long")
