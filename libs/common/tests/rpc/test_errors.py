import asyncio
import gc
import json
import logging
from contextlib import suppress

import grpc
import pytest
from google.rpc import error_details_pb2
from lumi.common.v1 import errors_pb2

from libs.common.tests.rpc.echo import EchoService, SayRequest, stubs
from libs.common.tests.rpc.refusals import refused
from lumi_common.errors import FailedPrecondition, FieldViolation, LumiError, Reason, ResourceExhausted
from lumi_common.rpc.status import refuse, to_status


def test_the_common_reasons_are_those_of_the_contract():
    contract = {name.removeprefix("ERROR_REASON_") for name in errors_pb2.ErrorReason.DESCRIPTOR.values_by_name}

    assert {str(reason) for reason in Reason} == contract - {"UNSPECIFIED"}


async def test_a_refusal_reaches_the_caller_with_its_reason_its_facts_and_the_field_at_fault(ask):
    async with refused("FAILED_PRECONDITION", "ECHO_FORBIDDEN") as seen:
        await ask("Say", "refuse")

    assert seen.error.domain == "echo.lumi"
    assert seen.error.facts == {"day": "Monday", "tries": "3"}
    assert seen.error.violations == (FieldViolation("text", "not today"),)
    assert seen.details == "not today"


async def test_a_fault_of_ours_is_logged_once_with_its_trace_and_answered_without_its_text(ask, caplog):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    with caplog.at_level(logging.INFO):
        async with refused("INTERNAL", "INTERNAL") as seen:
            await ask("Say", "boom", metadata=(("traceparent", f"00-{trace}-00f067aa0ba902b7-00"),))

    assert "hunter2" not in seen.details
    assert seen.error.facts == {}
    (record,) = [each for each in caplog.records if each.exc_info]
    assert "hunter2" in str(record.exc_info[1])


async def test_a_refusal_leaves_nothing_for_the_garbage_collector(echo):
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for _ in range(5):
            with suppress(grpc.aio.AioRpcError):
                await echo.Say(SayRequest(text="refuse"))
        gc.collect()
        left = [each for each in gc.garbage if isinstance(each, LumiError | grpc.aio.AbortError)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    assert left == []


async def test_every_field_at_fault_is_named(echo):
    async with refused("INVALID_ARGUMENT", "INVALID_REQUEST") as seen:
        await echo.Say(
            SayRequest(request_id="no-uuid", text="x" * 21, times=101, words=[{"text": "fine"}, {"text": ""}])
        )

    assert {violation.field for violation in seen.error.violations} == {"request_id", "text", "times", "words[1].text"}
    assert all(violation.description for violation in seen.error.violations)


async def test_a_refused_request_never_reaches_the_servicer(start_server, bearer):

    servicer = EchoService()
    server = await start_server(servicer)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.public_port}") as channel:
        echo = stubs.EchoServiceStub(channel)
        async with refused("UNAUTHENTICATED"):
            await echo.SayAsUser(SayRequest())
        async with refused("INVALID_ARGUMENT"):
            await echo.SayAsUser(SayRequest(text="x" * 21), metadata=bearer())

    assert servicer.calls == 0


async def test_the_trace_of_the_caller_is_kept_and_one_is_made_where_there_is_none(ask):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    told = await ask("Say", metadata=(("traceparent", f"00-{trace}-00f067aa0ba902b7-01"),))
    assert told["trace"] == trace

    made = (await ask("Say"))["trace"]
    assert len(made) == 32
    assert made != trace


@pytest.mark.parametrize(
    ("metadata", "ip"),
    [
        ((("x-forwarded-for", "203.0.113.9, 192.0.2.1"),), "192.0.2.1"),
        ((("x-forwarded-for", "10.0.0.1"), ("x-envoy-external-address", "192.0.2.8")), "192.0.2.8"),
        ((), "127.0.0.1"),
    ],
)
async def test_the_client_is_where_the_gateway_saw_it(ask, metadata, ip):
    assert (await ask("Say", metadata=metadata))["ip"] == ip


async def test_internal_headers_mean_nothing_on_the_public_port(ask):
    forged = (("x-lumi-actor", "user:cadmin"), ("x-lumi-service", "orders"), ("x-lumi-ip", "192.0.2.1"))
    told = await ask("Say", metadata=forged)

    assert told["actor"] == ["anonymous", ""]
    assert told["ip"] == "127.0.0.1"


async def test_refusing_whoever_hung_up_is_quiet():
    class Gone:
        """grpc's side of a call whose client has hung up in this moment."""

        async def abort(self, *_: object) -> None:
            raise grpc.aio.InternalError("Failed grpc_call_start_batch")

    with pytest.raises(asyncio.CancelledError):  # which grpc takes for what it is
        await refuse(Gone(), FailedPrecondition("ECHO_FORBIDDEN"), "echo.lumi")


@pytest.mark.parametrize(("facts", "seconds"), [({"seconds": 30}, [30]), ({}, [])])
def test_how_long_to_wait_is_told_as_the_standard_has_it(facts: dict[str, int], seconds: list[int]):
    status = to_status(ResourceExhausted(Reason.OVERLOADED, **facts), "echo.lumi")

    retry = error_details_pb2.RetryInfo()
    assert [retry.retry_delay.seconds for detail in status.details if detail.Unpack(retry)] == seconds


def test_nothing_of_a_refusal_is_lost_on_the_way_to_json():
    assert json.dumps(Reason.NOT_FOUND) == '"NOT_FOUND"'


DEEP = b""
while len(DEEP) < 20_000:  # a field of field 15 of field 15 …, which no message has and a parser goes into all the same
    DEEP = b"\x7b" + DEEP + b"\x7c"


@pytest.mark.parametrize(
    "message",
    [DEEP, b"\x0a\xff", b"\x0a\x02\xff\xfe", b"\xff" * 30, b"\x07", b"\x22\x03\x0a\x01x" * 60_000],
    ids=["nested too deeply", "cut off", "no UTF-8", "no tag", "no such wire type", "more bytes than the method takes"],
)
@pytest.mark.parametrize("method", ["Say", "Count"])
async def test_what_is_no_message_is_refused_as_any_bad_request_and_after_who_calls(
    start_server, bearer, caplog, method: str, message: bytes
):
    server = await start_server()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.public_port}") as channel:
        if method == "Count":
            with pytest.raises(grpc.aio.AioRpcError) as refusal:
                await channel.unary_stream("/lumi.echo.v1.EchoService/Count")(message).read()
            assert refusal.value.code() is grpc.StatusCode.UNAUTHENTICATED
            call = channel.unary_stream("/lumi.echo.v1.EchoService/Count")(message, metadata=bearer()).read()
        else:
            call = channel.unary_unary("/lumi.echo.v1.EchoService/Say")(message)
        async with refused("INVALID_ARGUMENT", "INVALID_REQUEST"):
            await call
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
