"""Whoever holds something about a person: each of the other services, and identity itself, asked alike."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, Protocol

from lumi.common.v1 import personal_pb2 as pb

from lumi_common.context import Context
from lumi_common.db.database import Database
from lumi_common.db.personal import Key
from lumi_common.db.request import Command
from lumi_common.events.streams import CONTEXTS
from lumi_common.personal import Person, PersonalData
from lumi_common.rpc.channel import PeerChannel
from lumi_common.rpc.personal import row_to_proto

_SECONDS = 10.0


class Told(NamedTuple):
    """What a holder did, by schema and table: rows it emptied or deleted, and rows that are to go and cannot yet."""

    erased: Mapping[str, int]
    left: Mapping[str, int]
    next_seq: int


class Holder(Protocol):
    """One service. Each call raises LumiError; an erasing one may be repeated with its request id."""

    async def export(
        self, user_id: str, after: Key, limit: int, context: Context
    ) -> tuple[Sequence[pb.PersonalRow], Key | None]:
        """So many rows about somebody, and where to go on, None behind the last."""

    async def erase(self, person: Person, start_seq: int, request_id: str, context: Context) -> Told:
        """Empty what it keeps of their calls, a part at a time."""

    async def forget_events(self, until_seq: int, request_id: str, context: Context) -> tuple[bool, int]:
        """Let go of its stream up to a place; of 0 only its present end is told."""


class Peer:
    """Another service."""

    def __init__(self, channel: PeerChannel) -> None:
        self._export = channel.operation(
            "ExportPersonalData", pb.ExportPersonalDataRequest, pb.ExportPersonalDataResponse
        )
        self._erase = channel.operation(
            "ErasePersonalData", pb.ErasePersonalDataRequest, pb.ErasePersonalDataResponse, timeout=_SECONDS
        )
        self._forget = channel.operation(
            "ForgetEvents", pb.ForgetEventsRequest, pb.ForgetEventsResponse, timeout=_SECONDS
        )

    async def export(
        self, user_id: str, after: Key, limit: int, context: Context
    ) -> tuple[Sequence[pb.PersonalRow], Key | None]:
        asked = pb.ExportPersonalDataRequest(user_id=user_id, start_table=after.table, start_key=after.key, limit=limit)
        answer = await self._export(asked, context)
        return answer.rows, Key(answer.next_table, answer.next_key) if answer.next_table else None

    async def erase(self, person: Person, start_seq: int, request_id: str, context: Context) -> Told:
        asked = pb.ErasePersonalDataRequest(
            user_id=person.user_id, guest_ids=person.guest_ids, start_seq=start_seq, request_id=request_id
        )
        return _told(await self._erase(asked, context))

    async def forget_events(self, until_seq: int, request_id: str, context: Context) -> tuple[bool, int]:
        answer = await self._forget(pb.ForgetEventsRequest(until_seq=until_seq, request_id=request_id), context)
        return answer.forgotten, answer.until_seq


class _Question(Command):
    """What identity asks itself: no method's name says what type the answer is."""

    def _answer_type(self) -> type[pb.ErasePersonalDataResponse]:
        return pb.ErasePersonalDataResponse


class Own:
    """Identity itself."""

    def __init__(self, db: Database, personal: PersonalData) -> None:
        self._db, self._personal = db, personal

    async def export(
        self, user_id: str, after: Key, limit: int, context: Context
    ) -> tuple[Sequence[pb.PersonalRow], Key | None]:
        rows, further = await self._personal.shown(user_id, after, limit)
        return [row_to_proto(self._db.schema, row) for row in rows], further

    async def erase(self, person: Person, start_seq: int, request_id: str, context: Context) -> Told:
        asked = pb.ErasePersonalDataRequest(
            user_id=person.user_id, guest_ids=person.guest_ids, start_seq=start_seq, request_id=request_id
        )
        # A context of its own: what else the erasure writes is not under this request id.
        of_its_own = Context(
            context.method, context.principal, traceparent=context.traceparent, deadline=context.deadline
        )
        async with _Question(self._db, asked, of_its_own) as command:
            if command.fresh:
                done = await self._personal.erase(command, person, start_seq)
                command.answer = pb.ErasePersonalDataResponse(
                    erased=self._counts(done.erased), left=self._counts(done.left), next_seq=done.next_seq
                )
        return _told(command.answer)

    async def forget_events(self, until_seq: int, request_id: str, context: Context) -> tuple[bool, int]:
        return await self._personal.forget_events(until_seq)

    def _counts(self, counts: Mapping[str, int]) -> list[pb.RowCount]:
        return [pb.RowCount(table=f"{self._db.schema}.{table}", rows=rows) for table, rows in counts.items() if rows]


def holders(
    db: Database, personal: PersonalData, peer: Callable[[str], PeerChannel]
) -> dict[str, Callable[[], Holder]]:
    """Whom to ask, by name; the channel to a peer is made when it is asked for the first time."""

    def made(name: str) -> Holder:
        return Own(db, personal) if name == db.schema else Peer(peer(name))

    return {name: partial(made, name) for name in CONTEXTS}


def _told(answer: pb.ErasePersonalDataResponse) -> Told:
    erased, left = ({count.table: count.rows for count in counts} for counts in (answer.erased, answer.left))
    return Told(erased, left, answer.next_seq)
