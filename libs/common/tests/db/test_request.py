"""One request id: one effect, one answer."""

import asyncio
import hashlib
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from libs.common.tests.db.widgets import Widget, WidgetRepository, metadata
from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_common.db.invariants import Finding, Invariants, of_every_schema
from lumi_common.db.request import forget_expired
from lumi_common.errors import Aborted, AlreadyExists, InvalidArgument
from lumi_common.principal import Principal

_METHOD = "lumi.widgets.WidgetService/MakeWidget"


def _contract() -> tuple[Any, Any]:
    """A method of no service of ours: MakeWidget(name, request_id) answers the widget's id."""
    file = descriptor_pb2.FileDescriptorProto(name="lumi/widgets.proto", package="lumi.widgets", syntax="proto3")
    text = descriptor_pb2.FieldDescriptorProto.TYPE_STRING
    for name, fields in (("MakeWidgetRequest", ("name", "request_id")), ("Widget", ("id",))):
        message = file.message_type.add(name=name)
        for number, field in enumerate(fields, 1):
            message.field.add(name=field, number=number, type=text, label=1)
    file.service.add(name="WidgetService").method.add(
        name="MakeWidget", input_type=".lumi.widgets.MakeWidgetRequest", output_type=".lumi.widgets.Widget"
    )
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    names = ("lumi.widgets.MakeWidgetRequest", "lumi.widgets.Widget")
    request, answer = (message_factory.GetMessageClass(pool.FindMessageTypeByName(name)) for name in names)
    return request, answer


MakeWidgetRequest, Answer = _contract()


def called_by(user: str) -> Context:
    return Context(method=_METHOD, principal=Principal.user(user))


def a_widget(name: str) -> Widget:
    return Widget(cuid(), "ada", name, None, Decimal("1.00"))


async def in_a_command(database: Database, request: Any, context: Context) -> Any:
    async with database.command(request, context) as command:
        if command.fresh:
            made = await WidgetRepository(command).insert(a_widget(request.name), "widget.created")
            command.answer = Answer(id=made.id)
    return command.answer


async def in_one_statement(database: Database, request: Any, context: Context) -> Any:
    async with database.once(request, context) as once:
        widget = a_widget(request.name)
        values = WidgetRepository.values(widget)
        await once.change(WidgetRepository._insert_once, Answer(id=widget.id), action="widget.created", **values)
    return once.answer


both_ways = pytest.mark.parametrize("make", [in_a_command, in_one_statement])


async def count(database: Database, table: str) -> int:
    found: int = await database.pool.fetchval(f"select count(*) from {table}")
    return found


@both_ways
async def test_a_repeat_gets_the_first_answer(database: Database, make: Any) -> None:
    request = MakeWidgetRequest(name="one", request_id=str(uuid4()))

    first, second = await make(database, request, called_by("ada")), await make(database, request, called_by("ada"))

    assert first == second
    assert await count(database, "widgets") == await count(database, "outbox_events") == 1


@both_ways
async def test_what_was_written_tells_the_request_that_it_was_for(database: Database, make: Any) -> None:
    request = MakeWidgetRequest(name="one", request_id=str(uuid4()))

    await make(database, request, called_by("ada"))
    await make(database, MakeWidgetRequest(name="two"), called_by("ada"))

    told = await database.pool.fetch("select headers -> 'request' as request from outbox_events order by seq")
    asked = {"principal": "user:ada", "method": _METHOD, "id": request.request_id}
    assert [row["request"] for row in told] == [asked, None]


@both_ways
async def test_an_effect_that_a_request_had_twice_is_found_in_the_books(database: Database, make: Any) -> None:
    own = Invariants(database, [each for each in of_every_schema(metadata) if each.id == "X5"])
    request = MakeWidgetRequest(name="one", request_id=str(uuid4()))
    await make(database, request, called_by("ada"))
    assert await own.look() == [Finding("X5", 0)]

    await database.pool.execute("delete from request_ids")
    await make(database, MakeWidgetRequest(name="two", request_id=request.request_id), called_by("ada"))

    (found,) = await own.look()
    assert [(row["what"], row["request_id"], row["times"]) for row in found.sample] == [
        ("effects", request.request_id, 2)
    ]
    await database.pool.execute(
        "update outbox_events set created_at = created_at - interval '25 hours' "
        "where seq = (select min(seq) from outbox_events)"
    )
    assert await own.look() == [Finding("X5", 0)], "an id is good again after a day"


@both_ways
async def test_many_at_once_have_one_effect_and_one_answer(database: Database, make: Any) -> None:
    request = MakeWidgetRequest(name="one", request_id=str(uuid4()))

    answers = await asyncio.gather(*(make(database, request, called_by("ada")) for _ in range(30)))

    assert len({answer.id for answer in answers}) == 1
    assert await count(database, "widgets") == await count(database, "outbox_events") == 1


@both_ways
async def test_the_same_id_with_another_body_is_refused(database: Database, make: Any) -> None:
    id = str(uuid4())
    await make(database, MakeWidgetRequest(name="one", request_id=id), called_by("ada"))

    with pytest.raises(InvalidArgument, match="REQUEST_ID_REUSED"):
        await make(database, MakeWidgetRequest(name="two", request_id=id), called_by("ada"))

    assert await count(database, "widgets") == 1


@both_ways
async def test_another_principal_never_sees_the_first_answer(database: Database, make: Any) -> None:
    id = str(uuid4())
    first = await make(database, MakeWidgetRequest(name="one", request_id=id), called_by("ada"))

    second = await make(database, MakeWidgetRequest(name="two", request_id=id), called_by("bob"))

    assert first != second


@both_ways
async def test_an_answer_earned_with_a_permission_is_not_for_the_owner_of_rows(database: Database, make: Any) -> None:
    id = str(uuid4())
    staff = Context(method=_METHOD, principal=Principal.user("ada"), by_permission=True)
    first = await make(database, MakeWidgetRequest(name="one", request_id=id), staff)
    demoted = Context(method=_METHOD, principal=Principal.user("ada"), owner_only=True)

    with pytest.raises(AlreadyExists):
        await make(database, MakeWidgetRequest(name="one", request_id=id), demoted)

    assert await make(database, MakeWidgetRequest(name="one", request_id=id), staff) == first
    assert await count(database, "widgets") == 1


@both_ways
async def test_a_record_of_the_release_before_answers_whoever_it_was_made_for(database: Database, make: Any) -> None:
    request = MakeWidgetRequest(name="one", request_id=str(uuid4()))
    service = Context(method=_METHOD, principal=Principal.service("orders"))
    kept, body = Answer(id="first"), request.SerializeToString(deterministic=True)
    await database.pool.fetch(
        "insert into request_ids (principal, method, request_id, request_hash, response, expires_at)"
        " values ($1, $2, $3, $4, $5, now() + interval '1 hour')",
        service.principal.key,
        _METHOD,
        request.request_id,
        hashlib.sha256(body).digest(),
        kept.SerializeToString(),
    )

    assert await make(database, request, service) == kept
    assert await count(database, "widgets") == 0


async def test_an_answer_that_changed_nothing_is_kept_once(database: Database) -> None:
    request = MakeWidgetRequest(name="one", request_id=str(uuid4()))

    async def look(id: str) -> Any:
        async with database.once(request, called_by("ada")) as once:
            await once.keep(Answer(id=id))
        return once.answer

    answers = await asyncio.gather(*(look(str(number)) for number in range(10)))

    assert len({answer.id for answer in answers}) == 1
    assert await count(database, "request_ids") == 1


@both_ways
async def test_without_an_id_every_call_is_its_own(database: Database, make: Any) -> None:
    await make(database, MakeWidgetRequest(name="one"), called_by("ada"))
    await make(database, MakeWidgetRequest(name="two"), called_by("ada"))

    assert await count(database, "widgets") == 2
    assert await count(database, "request_ids") == 0


async def test_a_refused_command_leaves_nothing(database: Database) -> None:
    request = MakeWidgetRequest(name="one", request_id=str(uuid4()))

    async def make() -> None:
        async with database.command(request, called_by("ada")) as command:
            await WidgetRepository(command).insert(a_widget("one"), "widget.created")
            raise Aborted("TOO_LATE")

    with pytest.raises(Aborted):
        await make()

    assert [await count(database, table) for table in ("widgets", "outbox_events", "request_ids")] == [0, 0, 0]


async def test_records_live_a_day(database: Database) -> None:
    kept, over = (MakeWidgetRequest(name=name, request_id=str(uuid4())) for name in ("kept", "over"))
    for request in (kept, over):
        await in_a_command(database, request, called_by("ada"))
    await database.pool.execute("update request_ids set expires_at = now() where request_id = $1", over.request_id)

    await forget_expired(database)

    assert await count(database, "request_ids") == 1
