"""Refused access is counted, bounded, and told to identity however long that is away."""

from contextlib import suppress
from uuid import uuid4

import grpc
import pytest

from libs.common.tests.rpc.echo import METHOD, SayRequest, SayResponse, id_of
from lumi_common.context import Context
from lumi_common.errors import (
    Internal,
    InvalidArgument,
    LumiError,
    NotFound,
    PermissionDenied,
    Reason,
    Unauthenticated,
    Unavailable,
)
from lumi_common.principal import ANONYMOUS, Principal
from lumi_common.rpc import refused
from lumi_common.rpc.channel import PeerChannel
from lumi_common.rpc.refused import RefusedCalls
from lumi_common.rpc.validation import validate

ADA = Principal.user(id_of("ada"))
MISSING = PermissionDenied(Reason.PERMISSION_MISSING)


class Identity:
    """Keeps what it is told, under request ids, unless it is away."""

    def __init__(self):
        self.batches = {}
        self.fault: Exception | None = None

    async def record(self, request, context):
        validate(request)
        if self.fault is not None:
            raise self.fault
        self.batches[request.request_id] = request

    @property
    def rows(self):
        return [row for batch in self.batches.values() for row in batch.refused]


@pytest.fixture
def identity():
    return Identity()


@pytest.fixture
def calls():
    return RefusedCalls("orders")


def call(ip="192.0.2.1", *, method="CancelOrder", caller=ADA, agent="curl/8"):
    return Context(f"lumi.orders.v1.OrderService/{method}", caller, ip=ip, user_agent=agent)


async def test_equal_refusals_are_one_row_with_their_number(calls, identity):
    for _ in range(1000):
        calls.note(call(), MISSING)
    calls.note(call(), PermissionDenied(Reason.STEP_UP_REQUIRED))

    await calls.send(identity.record)

    first, second = identity.rows
    assert (first.count, first.reason) == (1000, "PERMISSION_MISSING")
    assert (first.user_id, first.caller) == (ADA.id, "user")
    assert (first.method, first.ip_address, first.user_agent) == (
        "lumi.orders.v1.OrderService/CancelOrder",
        "192.0.2.1",
        "curl/8",
    )
    assert (second.count, second.reason) == (1, "STEP_UP_REQUIRED")


async def test_only_access_that_this_service_refused_is_counted(calls, identity):
    of_a_peer = PermissionDenied(Reason.PERMISSION_MISSING)
    of_a_peer.domain = "payments.lumi"
    for error in (
        NotFound(Reason.NOT_FOUND),
        Unauthenticated(Reason.TOKEN_MISSING),
        Unauthenticated(Reason.TOKEN_EXPIRED),
        of_a_peer,
    ):
        calls.note(call(), error)
    for error in (
        Unauthenticated(Reason.TOKEN_INVALID),
        Unauthenticated(Reason.SERVICE_NOT_ALLOWED),
        PermissionDenied("BEYOND_OWN_PERMISSIONS"),
    ):
        calls.note(call(caller=ANONYMOUS), error)

    await calls.send(identity.record)

    assert [row.reason for row in identity.rows] == ["TOKEN_INVALID", "SERVICE_NOT_ALLOWED", "BEYOND_OWN_PERMISSIONS"]
    assert {(row.caller, row.user_id) for row in identity.rows} == {("anonymous", "")}


async def test_a_flood_from_one_address_makes_few_rows_and_loses_no_number(calls, identity):
    for number in range(5000):
        calls.note(call(method=f"M{number % 100}", agent=f"agent {number}"), MISSING)
    calls.note(call("192.0.2.2"), MISSING)

    await calls.send(identity.record)

    of_one = [row for row in identity.rows if row.ip_address == "192.0.2.1"]
    assert len(of_one) == refused.MOST_OF_AN_ADDRESS + 1
    assert sum(row.count for row in of_one) == 5000
    assert (of_one[-1].method, of_one[-1].user_agent, of_one[-1].caller) == ("", "", "")
    assert len(identity.rows) == len(of_one) + 1


async def test_of_a_flood_from_everywhere_the_oldest_goes_and_that_is_said(calls, identity, caplog):
    for number in range(refused.MOST_WAITING + 250):
        calls.note(call(f"192.0.{number // 250}.{number % 250}"), MISSING)

    await calls.send(identity.record)
    assert len(identity.rows) == refused.BATCH
    assert identity.rows[0].ip_address == "192.0.1.0"
    assert next(record.calls for record in caplog.records if "unrecorded" in record.message) == 250

    await calls.flush(identity.record)
    assert len(identity.rows) == refused.MOST_WAITING
    assert identity.rows[-1].ip_address == "192.0.4.249"


async def test_while_identity_is_away_nothing_is_lost_and_a_repeat_is_the_same_call(calls, identity, caplog):
    calls.note(call(), MISSING)
    seen = []

    async def answer_is_lost(request, context):
        seen.append(request.request_id)
        await identity.record(request, context)
        raise Unavailable(Reason.UNAVAILABLE)

    await calls.send(answer_is_lost)
    identity.fault = OSError("away")
    calls.note(call(), MISSING)
    await calls.send(identity.record)
    await calls.flush(identity.record)
    identity.fault = None
    await calls.send(identity.record)
    await calls.send(identity.record)

    assert next(iter(identity.batches)) == seen[0]
    assert [row.count for row in identity.rows] == [1, 1]
    assert [record.message for record in caplog.records] == ["refused access cannot be recorded"] * 2


async def test_what_identity_will_never_take_does_not_hold_up_the_rest(calls, identity, caplog):
    calls.note(call(), MISSING)
    identity.fault = InvalidArgument(Reason.INVALID_REQUEST)
    await calls.send(identity.record)
    identity.fault = None
    calls.note(call("192.0.2.2"), MISSING)
    await calls.send(identity.record)

    assert [row.ip_address for row in identity.rows] == ["192.0.2.2"]
    assert {record.message for record in caplog.records} >= {"refused access is given up"}


@pytest.mark.parametrize("fault", [Internal(Reason.INTERNAL), KeyError("of identity itself")], ids=["peer", "own"])
async def test_what_identity_always_fails_at_is_given_up_and_that_is_said(calls, identity, caplog, fault):
    for _ in range(3):
        calls.note(call(), MISSING)
    identity.fault = fault
    for _ in range(refused.MOST_TRIES - 1):
        await calls.send(identity.record)
    calls.note(call("192.0.2.2"), MISSING)
    assert "refused access is given up" not in caplog.messages
    await calls.send(identity.record)
    identity.fault = None
    await calls.send(identity.record)

    assert [row.ip_address for row in identity.rows] == ["192.0.2.2"]
    assert next(record.calls for record in caplog.records if "given up" in record.message) == 3


@pytest.mark.parametrize("fault", [OSError("away"), Unavailable(Reason.UNAVAILABLE)], ids=["nobody", "away"])
async def test_however_long_identity_is_away_nothing_is_given_up(calls, identity, fault):
    calls.note(call(), MISSING)
    identity.fault = fault
    for _ in range(2 * refused.MOST_TRIES):
        await calls.send(identity.record)
    identity.fault = None
    await calls.send(identity.record)

    assert [row.count for row in identity.rows] == [1]


async def test_whatever_clients_say_of_themselves_is_taken(calls, identity):
    calls.note(call("x" * 16_000, agent="a\0b" + "y" * 16_000), MISSING)

    await calls.send(identity.record)

    [row] = identity.rows
    assert row.ip_address == "x" * 64
    assert row.user_agent.startswith("aby")


async def test_both_ports_count_with_where_the_call_came_from(server, ask, identity, bearer):
    gateway = (("x-envoy-external-address", "203.0.113.9"),)
    for metadata in (bearer(), (("authorization", "Bearer nonsense"),)):
        with suppress(grpc.aio.AioRpcError):
            await ask("SayWithPermission", metadata=(*metadata, *gateway))
    with suppress(grpc.aio.AioRpcError):
        await ask("SayAsGuest")
    await ask("Say")
    stranger = PeerChannel("echo", f"127.0.0.1:{server.internal_port}", caller="payments", tls=None)
    on_behalf = Context("x", Principal.user(id_of("bob")), ip="198.51.100.7", user_agent="of the shop")
    change = stranger.unary(f"{METHOD}/ChangeInside", SayRequest, SayResponse)
    with pytest.raises(LumiError, match="SERVICE_NOT_ALLOWED"):
        await change(SayRequest(request_id=str(uuid4())), on_behalf)
    await stranger.close()

    await server.refused.flush(identity.record)

    by_token, forged, service = identity.rows
    assert (by_token.user_id, by_token.reason) == (id_of("user"), "PERMISSION_MISSING")
    assert (forged.user_id, forged.caller, forged.reason) == ("", "anonymous", "TOKEN_INVALID")
    for row in (by_token, forged):
        assert row.ip_address == "203.0.113.9"
        assert row.user_agent.startswith("grpc")
    assert (service.user_id, service.caller, service.reason) == ("", "service:payments", "SERVICE_NOT_ALLOWED")
    assert (service.ip_address, service.user_agent) == ("198.51.100.7", "of the shop")
