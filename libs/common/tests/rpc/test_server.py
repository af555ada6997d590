import asyncio

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from libs.common.tests.rpc.echo import METHOD, SayRequest, stubs
from libs.common.tests.rpc.refusals import refused
from lumi_common.rpc.server import PortTaken


@pytest.fixture
def health(channel):
    """The status of a health service, by name."""
    stub = health_pb2_grpc.HealthStub(channel)

    async def status(service: str) -> str:
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
        return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)

    return status


async def test_a_server_lives_before_it_is_ready(server, health):
    assert await health("live") == "SERVING"
    assert await health("ready") == "NOT_SERVING"

    await server.health.look()
    assert await health("ready") == "SERVING"
    assert await health("") == "SERVING"


async def test_readiness_follows_its_checks_and_liveness_does_not(server, health):
    away = False

    async def database() -> None:
        if away:
            raise ConnectionError

    server.health.add("database", database)
    watching = asyncio.create_task(server.health.watch())
    await asyncio.sleep(0.1)
    assert await health("ready") == "SERVING"

    away = True
    await server.health.look()
    assert await health("ready") == "NOT_SERVING"
    assert await health("live") == "SERVING"

    away = False
    await asyncio.sleep(2.5)
    assert await health("ready") == "SERVING"
    watching.cancel()


async def test_a_check_that_hangs_is_a_check_that_fails(server, health):
    server.health.add("database", lambda: asyncio.sleep(60))
    await server.health.look()

    assert await health("ready") == "NOT_SERVING"


async def test_draining_ends_what_is_in_flight_and_takes_nothing_new(start_server):

    server = await start_server(drain_seconds=5)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.public_port}") as channel:
        echo = stubs.EchoServiceStub(channel)
        in_flight = asyncio.create_task(_answer(echo.Say(SayRequest(text="nap"))))
        await asyncio.sleep(0.1)
        drained = asyncio.create_task(server.drain())
        await asyncio.sleep(0.05)
        async with refused("UNAVAILABLE"):
            await echo.Say(SayRequest())

        assert (await in_flight).text
        await asyncio.wait_for(drained, 2)


async def _answer(call):
    return await call


async def test_a_taken_port_is_a_clear_error(server, start_server):
    with pytest.raises(PortTaken, match="another process may hold the port"):
        await start_server(public_address=f"127.0.0.1:{server.public_port}")


async def test_more_calls_at_once_than_allowed_are_refused(start_server):

    server = await start_server(max_requests=2)
    async with (
        grpc.aio.insecure_channel(f"127.0.0.1:{server.public_port}") as one,
        grpc.aio.insecure_channel(
            f"127.0.0.1:{server.public_port}", options=[("grpc.use_local_subchannel_pool", 1)]
        ) as other,
    ):
        busy = [asyncio.create_task(_answer(stubs.EchoServiceStub(one).Say(SayRequest(text="nap")))) for _ in "ab"]
        await asyncio.sleep(0.1)
        async with refused("RESOURCE_EXHAUSTED", "OVERLOADED"):
            await stubs.EchoServiceStub(other).Say(SayRequest())
        assert all(answer.text for answer in await asyncio.gather(*busy))


async def test_a_request_that_is_too_large_is_refused(start_server):
    server = await start_server(max_message_bytes=1024)
    address = f"127.0.0.1:{server.public_port}"
    async with grpc.aio.insecure_channel(address) as channel, refused("RESOURCE_EXHAUSTED"):
        await channel.unary_unary(f"/{METHOD}/Say")(b"x" * 2048)


@pytest.mark.parametrize("on", [True, False])
async def test_reflection_answers_where_it_is_switched_on(start_server, on):
    server = await start_server(reflection=on)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.public_port}") as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        if on:
            listed = (await call.read()).list_services_response.service
            assert METHOD in {service.name for service in listed}
        else:
            async with refused("UNIMPLEMENTED"):
                await call.read()
