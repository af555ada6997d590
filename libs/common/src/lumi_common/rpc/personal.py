"""What every service answers to identity about one person: what it has of them, and that it is gone."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from google.protobuf.struct_pb2 import Struct
from lumi.common.v1 import personal_pb2 as pb

from lumi_common.context import Context
from lumi_common.db.database import Database
from lumi_common.db.personal import Key, Shown
from lumi_common.personal import Erased, Person, PersonalData


class PersonalMethods:
    """The part of OperationsService about people."""

    def __init__(self, db: Database, personal: PersonalData) -> None:
        self._db, self._personal = db, personal

    async def ExportPersonalData(
        self, request: pb.ExportPersonalDataRequest, context: Context
    ) -> pb.ExportPersonalDataResponse:
        after = Key(request.start_table, request.start_key)
        rows, further = await self._personal.shown(request.user_id, after, request.limit)
        answer = pb.ExportPersonalDataResponse(rows=[row_to_proto(self._db.schema, row) for row in rows])
        if further is not None:
            answer.next_table, answer.next_key = further
        return answer

    async def ErasePersonalData(
        self, request: pb.ErasePersonalDataRequest, context: Context
    ) -> pb.ErasePersonalDataResponse:
        person = Person(request.user_id, tuple(request.guest_ids))
        async with self._db.command(request, context) as command:
            if command.fresh:
                done = await self._personal.erase(command, person, request.start_seq)
                command.answer = _erased_to_proto(self._db.schema, done)
        answer: pb.ErasePersonalDataResponse = command.answer
        return answer

    async def ForgetEvents(self, request: pb.ForgetEventsRequest, context: Context) -> pb.ForgetEventsResponse:
        command = self._db.command(request, context)
        if not await command.recall():
            forgotten, until = await self._personal.forget_events(request.until_seq)
            async with command:
                if command.fresh:
                    command.answer = pb.ForgetEventsResponse(forgotten=forgotten, until_seq=until)
        answer: pb.ForgetEventsResponse = command.answer
        return answer


def row_to_proto(context: str, shown: Shown) -> pb.PersonalRow:
    """A row as it leaves us; a Struct's numbers are doubles, so what has a fraction is text."""
    row = Struct()
    row.update(_exact(shown.row))
    return pb.PersonalRow(table=f"{context}.{shown.table}", row=row)


def _exact(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return {name: _exact(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_exact(each) for each in value]
    return value


def _erased_to_proto(context: str, done: Erased) -> pb.ErasePersonalDataResponse:
    return pb.ErasePersonalDataResponse(
        erased=_counts(context, done.erased), left=_counts(context, done.left), next_seq=done.next_seq
    )


def _counts(context: str, counts: Mapping[str, int]) -> list[pb.RowCount]:
    return [pb.RowCount(table=f"{context}.{table}", rows=rows) for table, rows in counts.items() if rows]
