"""Whoever holds something about a person: each of the other services, and identity itself, asked alike."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, Protocol

from lumi.common.v1 import personal_pb2 as pb

from lumi_common.context import Context
from lumi_common.db.database import Database
from lumi_common.db.personal import Key
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
        answer = await self._erase(asked, context)
        return Told(_counts(answer.erased), _counts(answer.left), answer.next_seq)

    async def forget_events(self, until_seq: int, request_id: str, context: Context) -> tuple[bool, int]:
        answer = await self._forget(pb.ForgetEventsRequest(until_seq=until_seq, request_id=request_id), context)
        return answer.forgotten, answer.until_seq


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
        async with self._db.transaction(context, "erasure.emptied") as tx:
            done = await self._personal.erase(tx, person, start_seq)
        schema = self._db.schema
        return Told(
            {f"{schema}.{table}": rows for table, rows in done.erased.items() if rows},
            {f"{schema}.{table}": rows for table, rows in done.left.items() if rows},
            done.next_seq,
        )

    async def forget_events(self, until_seq: int, request_id: str, context: Context) -> tuple[bool, int]:
        return await self._personal.forget_events(until_seq)


def holders(
    db: Database, personal: PersonalData, peer: Callable[[str], PeerChannel]
) -> dict[str, Callable[[], Holder]]:
    """Whom to ask, by name; the channel to a peer is made when it is asked for the first time."""

    def made(name: str) -> Holder:
        return Own(db, personal) if name == db.schema else Peer(peer(name))

    return {name: partial(made, name) for name in CONTEXTS}


def _counts(counts: Sequence[pb.RowCount]) -> dict[str, int]:
    return {count.table: count.rows for count in counts}
