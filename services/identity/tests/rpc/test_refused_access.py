"""Refused access becomes security events, whichever service it was that refused."""

from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.empty_pb2 import Empty
from google.protobuf.timestamp_pb2 import Timestamp
from lumi.identity.v1.security_event_pb2 import RecordSecurityEventsRequest, RefusedAccess
from lumi.identity.v1.user_pb2 import DeleteUserRequest, GetMeRequest, GetUserRequest, PurgeUserRequest

from lumi_common.cuid import cuid
from lumi_common.errors import InvalidArgument, LumiError
from lumi_local.postgres import PostgresServer
from services.identity.tests.rpc.clients import Client, Identity
from services.identity.tests.rpc.conftest import running
from tests.kit.waiting import until

METHOD = "lumi.orders.v1.OrderService/CancelOrder"


def refused(**fields: Any) -> RefusedAccess:
    told: dict[str, Any] = {
        "caller": "user",
        "method": METHOD,
        "reason": "PERMISSION_MISSING",
        "count": 3,
        "first_time": Timestamp(seconds=1_800_000_000),
        "ip_address": "203.0.113.9",
        "user_agent": f"agent {cuid()}",
    }
    return RefusedAccess(**told | fields)


async def recorded(identity: Identity, agent: str) -> list[Any]:
    """The rows with this agent."""
    return await identity.db.pool.fetch("select * from security_events where user_agent = $1 order by id", agent)


async def tell(identity: Identity, *rows: RefusedAccess, service: str = "orders", request_id: str = "") -> Empty:
    request = RecordSecurityEventsRequest(refused=rows, request_id=request_id or str(uuid4()))
    answer: Empty = await identity.service(service).RecordSecurityEvents(request)
    return answer


async def test_a_service_tells_what_it_refused_to_whom_and_from_where(identity: Identity) -> None:
    ada = await identity.user()
    told = refused(user_id=ada.id)

    await tell(identity, told)

    [row] = await recorded(identity, told.user_agent)
    assert (row["user_id"], row["type"], row["ip_address"]) == (ada.id, "access_refused", "203.0.113.9")
    assert row["payload"] == {
        "service": "orders",
        "caller": "user",
        "method": METHOD,
        "reason": "PERMISSION_MISSING",
        "count": 3,
        "since": "2027-01-15T08:00:00+00:00",
    }


async def test_the_service_is_the_one_of_the_certificate_and_what_is_not_known_is_left_out(identity: Identity) -> None:
    told = refused(caller="", method="", reason="TOKEN_INVALID", count=1)

    await tell(identity, told, service="payments")

    [row] = await recorded(identity, told.user_agent)
    assert row["user_id"] is None
    assert row["payload"] == {
        "service": "payments",
        "reason": "TOKEN_INVALID",
        "count": 1,
        "since": "2027-01-15T08:00:00+00:00",
    }


async def test_whoever_was_purged_meanwhile_is_nobody_and_was_nowhere(identity: Identity) -> None:
    ada, admin, told = await identity.user(), await identity.admin(), refused()
    await admin.client.DeleteUser(DeleteUserRequest(id=ada.id))
    await admin.client.PurgeUser(PurgeUserRequest(id=ada.id))
    before = await identity.db.pool.fetchval("select count(*) from security_events where type = 'access_refused'")

    await tell(identity, refused(user_id=ada.id, user_agent=told.user_agent))

    assert await recorded(identity, told.user_agent) == []
    rows = await identity.db.pool.fetch(
        "select * from security_events where type = 'access_refused' order by created_at desc, id desc"
    )
    assert len(rows) == before + 1
    assert (rows[0]["user_id"], rows[0]["ip_address"], rows[0]["user_agent"]) == (None, None, None)


async def test_a_batch_told_twice_is_recorded_once(identity: Identity) -> None:
    told, request_id = [refused(), refused()], str(uuid4())

    for _ in range(2):
        await tell(identity, *told, request_id=request_id)

    for each in told:
        assert len(await recorded(identity, each.user_agent)) == 1


@pytest.mark.parametrize("rows", [0, 101])
async def test_a_batch_is_bounded(identity: Identity, rows: int) -> None:
    with pytest.raises(InvalidArgument):
        await tell(identity, *(refused() for _ in range(rows)))


async def test_identity_records_what_it_refuses_itself(identity: Identity) -> None:
    ada, bob = await identity.user(), await identity.user()
    for _ in range(5):
        with pytest.raises(LumiError, match="PERMISSION_MISSING"):
            await ada.client.GetUser(GetUserRequest(id=bob.id))
    with pytest.raises(LumiError, match="TOKEN_INVALID"):
        await identity.holder_of("nonsense").GetMe(GetMeRequest())

    of_ada = await _refusals_of(identity, ada.id, 5)
    assert {row["payload"]["method"] for row in of_ada} == {"lumi.identity.v1.UserService/GetUser"}
    assert {row["payload"]["service"] for row in of_ada} == {"identity"}
    assert {row["ip_address"] for row in of_ada} == {"127.0.0.1"}
    assert of_ada[0]["user_agent"].startswith("grpc")
    nobodys = await identity.db.pool.fetch(
        "select * from security_events where user_id is null and payload ->> 'method' like '%/GetMe'"
    )
    assert nobodys[-1]["payload"]["reason"] == "TOKEN_INVALID"
    assert nobodys[-1]["payload"]["caller"] == "anonymous"


async def test_what_was_refused_last_is_recorded_before_the_process_ends(
    identity: Identity, server: PostgresServer
) -> None:
    ada = await identity.user()
    async with running(server, "") as other:
        with pytest.raises(LumiError, match="PERMISSION_MISSING"):
            await Client(other.public, ada.client._metadata).GetUser(GetUserRequest(id=ada.id))

    assert len(await _refusals_of(identity, ada.id, 1)) == 1


async def _refusals_of(identity: Identity, user_id: str, count: int) -> list[Any]:
    """The rows about a user once they count so many, which takes a second or two."""
    query = "select * from security_events where user_id = $1 and type = 'access_refused'"
    rows: list[Any] = []

    async def counted() -> bool:
        rows[:] = await identity.db.pool.fetch(query, user_id)
        return sum(row["payload"]["count"] for row in rows) == count

    await until(counted, f"{user_id} was refused {count} times")
    return rows
