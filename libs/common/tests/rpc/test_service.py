import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from time import monotonic

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from libs.common.tests.rpc.collector import collecting
from libs.common.tests.rpc.echo import SayRequest, stubs
from lumi_local import testing
from lumi_local.process import free_port

MODULE = "libs.common.tests.rpc.echo_service"


@pytest.fixture(scope="session")
def environment():
    """What a service needs to start, with a Postgres of its own and a broker that never comes."""
    with testing.postgres() as server:
        yield {
            "LUMI_ENV": "local",
            "LUMI_POSTGRES_DSN": server.dsn("lumi_orders"),
            "LUMI_NATS_URL": "nats://127.0.0.1:1",
            "LUMI_PUBLIC_ADDRESS": f"127.0.0.1:{free_port()}",
            "LUMI_INTERNAL_ADDRESS": f"127.0.0.1:{free_port()}",
            "LUMI_PLAINTEXT_INTERNAL": "1",
        }


@asynccontextmanager
async def process(environment, *arguments):
    pipe = asyncio.subprocess.PIPE
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", MODULE, *arguments, stdout=pipe, stderr=pipe, env={**os.environ, **environment}
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


@asynccontextmanager
async def serving(environment):
    """The process, a channel to it, and the seconds until it said it was ready."""
    begun = monotonic()
    async with (
        process(environment) as service,
        grpc.aio.insecure_channel(environment["LUMI_PUBLIC_ADDRESS"]) as channel,
    ):
        health = health_pb2_grpc.HealthStub(channel)
        async with asyncio.timeout(20):
            while True:
                try:
                    answer = await health.Check(health_pb2.HealthCheckRequest(service="ready"))
                    if answer.status == health_pb2.HealthCheckResponse.SERVING:
                        break
                except grpc.aio.AioRpcError:
                    await asyncio.sleep(0.02)
        yield service, channel, monotonic() - begun


async def finished(service) -> tuple[int, str, str]:
    out, err = await asyncio.wait_for(service.communicate(), 20)
    return service.returncode, out.decode(), err.decode()


def resident_megabytes(pid: int) -> float:
    with open(f"/proc/{pid}/statm") as pages:
        return int(pages.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


async def test_a_service_is_soon_ready_and_small(environment):
    async with serving(environment) as (service, _, seconds):
        # The budgets are 1.5 s and 100 MB; the echo service compiles its protos first, and others use this machine.
        assert seconds < 6
        assert resident_megabytes(service.pid) < 110


async def test_sigterm_lets_what_is_in_flight_finish_and_ends_cleanly(environment):
    async with serving(environment) as (service, channel, _):
        call = stubs.EchoServiceStub(channel).Say(SayRequest(text="nap"))
        await call.wait_for_connection()
        await asyncio.sleep(0.1)
        service.send_signal(signal.SIGTERM)

        assert json.loads((await call).text)["principal"] == "anonymous:"
        code, _, errors = await finished(service)
        assert code == 0
        assert "work cancelled" in errors
        assert "work did not hear" in errors
        assert all(line.startswith(("{", "run ", "work ", "tick")) for line in errors.splitlines())


async def test_background_work_that_stumbles_is_started_again(environment):
    async with serving(environment) as (service, _, _):
        await asyncio.sleep(1.2)
        service.send_signal(signal.SIGTERM)

        _, _, errors = await finished(service)
        assert "run 2" in errors
        (line,) = [each for each in errors.splitlines() if "background work failed" in each]
        assert json.loads(line)["work"] == "stumbling"
        assert json.loads(line)["service"] == "orders"


async def test_periodic_work_goes_on_whatever_became_of_it_each_run_under_its_own_trace(environment):
    async with serving(environment) as (service, _, _):
        await asyncio.sleep(1.2)
        service.send_signal(signal.SIGTERM)

        _, _, errors = await finished(service)
        assert errors.count("tick\n") >= 5
        lines = [json.loads(each) for each in errors.splitlines() if '"work": "ticking"' in each]
        assert {line["method"] for line in lines} == {"orders.ticking"}
        assert len({line["trace"] for line in lines}) == len(lines) >= 5


async def test_a_command_of_the_services_own_runs_and_ends(environment):
    async with process(environment, "greet") as command:
        code, out, _ = await finished(command)

    assert (code, out) == (0, "hello from lumi_orders\n")


async def test_a_command_takes_the_arguments_that_its_name_says(environment):
    async with process(environment, "greet-as", "Ada") as command:
        code, out, _ = await finished(command)

    assert (code, out) == (0, "hello from Ada\n")


@pytest.mark.parametrize(
    ("arguments", "changed", "complaint"),
    [
        (["dance"], {}, "usage: python -m lumi_orders [serve | migrate | greet | greet-as NAME]"),
        (["greet-as"], {}, "usage: python -m lumi_orders"),
        (["greet", "Ada"], {}, "usage: python -m lumi_orders"),
        ([], {"LUMI_ENV": "production"}, "refused unless LUMI_ENV=local"),
        ([], {"LUMI_NATS_URL": ""}, "LUMI_NATS_URL is needed to serve"),
        (["migrate"], {}, "LUMI_OWNER_DSN is needed to migrate"),
    ],
)
async def test_what_cannot_start_says_why_in_a_line(environment, arguments, changed, complaint):
    async with process({**environment, **changed}, *arguments) as command:
        code, _, errors = await finished(command)

    assert code != 0
    assert complaint in errors
    assert "Traceback" not in errors


async def test_a_taken_port_is_said_in_a_line(environment):
    async with serving(environment), process(environment) as second:
        code, _, errors = await finished(second)

    assert code == 1
    assert "cannot be bound: another process may hold the port" in errors
    assert "Traceback" not in errors


async def test_without_an_endpoint_nothing_of_opentelemetry_is_loaded(environment):
    async with serving(environment) as (_, channel, _):
        answer = await stubs.EchoServiceStub(channel).Say(SayRequest(text="loaded"))

    assert json.loads(answer.text) == []


async def test_with_an_endpoint_calls_and_figures_are_exported_by_the_end_at_the_latest(environment):
    with collecting() as collector:
        settings = {"LUMI_OTLP_ENDPOINT": collector.endpoint, "LUMI_TRACE_RATIO": "1"}
        async with serving({**environment, **settings}) as (service, channel, _):
            answer = await stubs.EchoServiceStub(channel).Say(SayRequest(text="loaded"))
            service.send_signal(signal.SIGTERM)
            code, _, _ = await finished(service)

    assert code == 0
    assert "opentelemetry.sdk" in json.loads(answer.text)
    ((service_name, span),) = collector.spans
    assert (service_name, span.name) == ("lumi-orders", "lumi.echo.v1.EchoService/Say")
    assert {"rpc.server.call.duration", "db.client.connection.count", "lumi.rpc.in_flight"} <= collector.metrics.keys()


@pytest.mark.parametrize("ratio", ["0", "1"])
async def test_a_collector_that_is_away_costs_the_service_nothing_but_seconds_at_its_end(environment, ratio):
    settings = {"LUMI_OTLP_ENDPOINT": "127.0.0.1:1", "LUMI_TRACE_RATIO": ratio}
    async with serving({**environment, **settings}) as (service, channel, _):
        assert (await stubs.EchoServiceStub(channel).Say(SayRequest(), timeout=5)).text
        begun = monotonic()
        service.send_signal(signal.SIGTERM)
        code, _, errors = await finished(service)

    assert code == 0
    assert monotonic() - begun < 10
    assert all(line.startswith(("{", "run ", "work ", "tick")) for line in errors.splitlines())
