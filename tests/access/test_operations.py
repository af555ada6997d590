"""Operating each of the five services: staff may, customers may not."""

from importlib import import_module
from typing import Any

import pytest
from google.protobuf.message import Message
from lumi.common.v1 import operations_pb2 as pb

from lumi_common.cuid import cuid
from lumi_common.errors import LumiError, NotFound, PermissionDenied
from tests.kit.shop import SERVICES, Shop

NOBODYS = "c" + "0" * 24
CALLS: dict[str, Message] = {
    "ListDeadLetters": pb.ListDeadLettersRequest(),
    "RedriveDeadLetter": pb.RedriveDeadLetterRequest(id=NOBODYS),
    "SkipDeadLetter": pb.SkipDeadLetterRequest(id=NOBODYS),
    "RepublishEvents": pb.RepublishEventsRequest(aggregate_id=NOBODYS),
    "CheckInvariants": pb.CheckInvariantsRequest(),
}


def operations(shop: Shop, context: str, token: str) -> Any:
    module = import_module(f"lumi.{context}.v1.operations_pb2_grpc")
    return shop.stub(module.OperationsServiceStub, token)


async def told(client: Any, method: str) -> str:
    """The reason of the refusal; empty where there is none."""
    try:
        await getattr(client, method)(CALLS[method])
    except LumiError as refusal:
        return refusal.reason
    return ""


@pytest.mark.parametrize("context", SERVICES)
async def test_staff_may_operate_a_service_and_customers_may_not(shop: Shop, context: str) -> None:
    operator = operations(shop, context, (await shop.user("operations.read", "operations.write")).token)
    customer = operations(shop, context, (await shop.user()).token)

    assert {method: await told(operator, method) for method in CALLS} == {
        "ListDeadLetters": "",
        "RedriveDeadLetter": "NOT_FOUND",
        "SkipDeadLetter": "NOT_FOUND",
        "RepublishEvents": "",
        "CheckInvariants": "",
    }
    assert {await told(customer, method) for method in CALLS} == {"PERMISSION_MISSING"}


@pytest.mark.parametrize("context", SERVICES)
async def test_each_service_has_its_own_letters(shop: Shop, context: str) -> None:
    id, consumer = cuid(), f"{context}-tests"
    async with shop.database(context) as database:
        await database.execute(
            "insert into dead_letters (id, consumer, event_id, subject, payload, error, attempts) "
            "values ($1, $2, 'x', 'lumi.tests', '\\xff', 'KeyError(''ada@example.com'')', 5)",
            id, consumer,
        )  # fmt: skip
    reader = operations(shop, context, (await shop.user("operations.read")).token)
    token = (await shop.user("operations.write")).token
    writer = operations(shop, context, token)

    async def found() -> list[tuple[str, str]]:
        page = await reader.ListDeadLetters(pb.ListDeadLettersRequest(consumer=consumer))
        return [(each.id, each.error) for each in page.dead_letters]

    assert await found() == [(id, "KeyError")]
    with pytest.raises(PermissionDenied):
        await reader.SkipDeadLetter(pb.SkipDeadLetterRequest(id=id))
    for other in set(SERVICES) - {context}:
        elsewhere = operations(shop, other, token)
        with pytest.raises(NotFound):
            await elsewhere.SkipDeadLetter(pb.SkipDeadLetterRequest(id=id))
    assert (await writer.SkipDeadLetter(pb.SkipDeadLetterRequest(id=id))).id == id
    assert await found() == []


@pytest.mark.parametrize("context", SERVICES)
async def test_each_service_tells_what_broke_in_its_own_schema(shop: Shop, context: str) -> None:
    own = import_module(f"lumi_{context}.storage.invariants").INVARIANTS
    reader, id = operations(shop, context, (await shop.user("operations.read")).token), cuid()

    async def found() -> dict[str, pb.InvariantFinding]:
        return {each.id: each for each in (await reader.CheckInvariants(pb.CheckInvariantsRequest())).findings}

    async def shown() -> bool:
        return any(pb.RowId(name="request_id", id=id) in row.ids for row in (await found())["X5"].sample)

    assert {name: each.rule for name, each in (await found()).items()} == {each.id: each.says for each in own}
    async with shop.database(context) as database:
        await database.execute(
            "insert into request_ids (principal, method, request_id, request_hash, expires_at) "
            "values ('nobody', 'none', $1, sha256('x'), now() + interval '1 hour')",
            id,
        )
        try:
            assert await shown()
        finally:
            await database.execute("delete from request_ids where request_id = $1", id)
        assert not await shown()
