import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

import grpc
import pytest

from libs.common.tests.rpc.echo import METHOD, EchoService, SayRequest, SayResponse, Word, stubs
from libs.common.tests.rpc.refusals import refused
from lumi_common.context import Context
from lumi_common.errors import DeadlineExceeded, FailedPrecondition, InvalidArgument, PermissionDenied, Unavailable
from lumi_common.principal import Principal
from lumi_common.rpc.channel import PeerChannel
from lumi_common.settings import TlsFiles
from lumi_local import certificates


@pytest.fixture(scope="session")
def tls(tmp_path_factory):
    """The certificate files of a service by its name."""
    folder: Path = tmp_path_factory.mktemp("tls")
    authority = certificates.Authority()
    authority.certify(folder, ("echo", "orders", "payments"))
    certificates.trust(folder, authority.pem)
    return lambda service: TlsFiles(folder / "ca.pem", folder / f"{service}.pem", folder / f"{service}.key")


@pytest.fixture
async def server(start_server, tls):
    files = tls("echo")
    return await start_server(tls_ca=files.ca, tls_cert=files.cert, tls_key=files.key)


@pytest.fixture
async def peer(server, tls):
    """A typed call to the echo service, as the service of this name makes it."""
    async with AsyncExitStack() as stack:

        def open_to(method: str, caller: str = "orders", **options):
            address = f"127.0.0.1:{server.internal_port}"
            channel = PeerChannel("echo", address, caller=caller, tls=tls(caller))
            stack.push_async_callback(channel.close)
            return channel.unary(f"{METHOD}/{method}", SayRequest, SayResponse, **options)

        yield open_to


def fresh(text: str = "") -> SayRequest:
    return SayRequest(text=text, request_id=str(uuid4()))


@pytest.fixture
def context():
    return Context(
        "lumi.orders.v1.OrderService/PlaceOrder",
        Principal.user("cuser"),
        ip="192.0.2.7",
        user_agent="Ünicode/1.0 (x)",
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        deadline=Context.system("test").deadline,
    )


async def test_the_peer_knows_the_service_by_its_certificate_and_the_user_by_its_word(peer, context):
    answer = await peer("Change")(fresh(), context)

    told = json.loads(answer.text)
    assert told["principal"] == "service:orders"
    assert told["actor"] == ["user", "cuser"]
    assert told["ip"] == "192.0.2.7"
    assert told["agent"] == "Ünicode/1.0 (x)"
    assert told["trace"] == "4bf92f3577b34da6a3ce929d0e0e4736"


async def test_background_work_calls_in_its_own_name(peer):
    told = json.loads((await peer("Change")(fresh(), Context.system("orders.sweeper"))).text)

    assert told["actor"] == ["service", "orders.sweeper"]


async def test_a_service_that_the_method_does_not_name_is_refused(peer, context):
    with pytest.raises(PermissionDenied, match="SERVICE_NOT_ALLOWED"):
        await peer("ChangeInside", "payments")(fresh(), context)


async def test_between_services_a_change_needs_a_request_id(peer, context):
    with pytest.raises(InvalidArgument, match="REQUEST_ID_REQUIRED"):
        await peer("Change")(SayRequest(), context)


async def test_a_public_method_may_be_asked_by_any_service(peer, context):
    await peer("Say", "payments")(SayRequest(), context)


async def test_a_users_method_is_not_there_between_services(peer, context):
    with pytest.raises(Exception, match="UNIMPLEMENTED"):
        await peer("SayAsUser")(SayRequest(), context)


async def test_nobody_gets_in_without_a_certificate_of_ours(server, tls, tmp_path):
    address = f"127.0.0.1:{server.internal_port}"
    certificates.ensure(tmp_path)  # of another authority
    ca = tls("orders").ca.read_bytes()
    strangers = [
        grpc.ssl_channel_credentials(ca),
        grpc.ssl_channel_credentials(
            ca, (tmp_path / "orders.key").read_bytes(), (tmp_path / "orders.pem").read_bytes()
        ),
    ]
    for credentials in strangers:
        async with grpc.aio.secure_channel(address, credentials) as channel, refused("UNAVAILABLE"):
            await stubs.EchoServiceStub(channel).Say(SayRequest(), timeout=2)


async def test_a_peers_refusal_arrives_as_the_error_it_raised(peer, context):
    with pytest.raises(FailedPrecondition) as refusal:
        await peer("Change")(fresh("refuse"), context)

    assert refusal.value.reason == "ECHO_FORBIDDEN"
    assert refusal.value.facts == {"day": "Monday", "tries": "3"}
    assert refusal.value.field == "text"
    assert refusal.value.domain == "echo.lumi"


async def test_a_call_takes_no_longer_than_its_own_limit_or_what_its_caller_has_left(peer):
    context = Context.system("test", timeout=0.3)
    told = json.loads((await peer("Say")(SayRequest(), context)).text)
    assert told["seconds"] < 0.29

    with pytest.raises(DeadlineExceeded) as late:
        await peer("Say")(SayRequest(text="sleep"), context)
    assert late.value.facts == {"method": f"{METHOD}/Say"}

    with pytest.raises(DeadlineExceeded):
        await peer("Say", timeout=0.1)(SayRequest(text="sleep"), Context.system("test"))
    with pytest.raises(DeadlineExceeded, match="no time left"):
        await peer("Say")(SayRequest(), Context.system("test", timeout=0))


async def test_a_method_taken_for_another_is_refused_when_the_service_is_wired():
    channel = PeerChannel("echo", "127.0.0.1:1", caller="orders", tls=None)

    with pytest.raises(TypeError, match="takes SayRequest, gives SayResponse"):
        channel.unary(f"{METHOD}/Say", SayResponse, SayResponse)
    with pytest.raises(KeyError):
        channel.unary(f"{METHOD}/Nonsense", SayRequest, SayResponse)
    await channel.close()


class Flaky(EchoService):
    """Is away until it was called so often."""

    def __init__(self, calls_away: int) -> None:
        super().__init__()
        self.calls_away = calls_away

    async def Say(self, request, context):
        answer = await super().Say(request, context)
        if self.calls <= self.calls_away:
            raise Unavailable("UNAVAILABLE", "not now")
        return answer

    ChangeInside = ChangeOnce = Say


async def test_what_is_safe_to_repeat_is_tried_again_when_a_peer_is_away(start_server):
    server = await start_server(servicer := Flaky(2))
    channel = PeerChannel("echo", f"127.0.0.1:{server.internal_port}", caller="orders", tls=None)

    for calls, method, request in ((3, "Say", SayRequest()), (6, "ChangeInside", fresh())):
        servicer.calls_away = servicer.calls + 2
        await channel.unary(f"{METHOD}/{method}", SayRequest, SayResponse)(request, Context.system("test"))
        assert servicer.calls == calls
    await channel.close()


async def test_a_change_without_a_request_id_is_tried_once(start_server):
    server = await start_server(servicer := Flaky(1))
    channel = PeerChannel("echo", f"127.0.0.1:{server.internal_port}", caller="orders", tls=None)

    with pytest.raises(Unavailable, match="not now"):
        await channel.unary(f"{METHOD}/ChangeOnce", Word, SayResponse)(Word(text="x"), Context.system("test"))
    assert servicer.calls == 1
    await channel.close()


async def test_a_peer_that_comes_back_within_the_deadline_is_waited_for(start_server):
    first = await start_server()
    address = f"127.0.0.1:{first.internal_port}"
    channel = PeerChannel("echo", address, caller="orders", tls=None)
    call = channel.unary(f"{METHOD}/Say", SayRequest, SayResponse)
    await call(SayRequest(), Context.system("test"))
    await first.drain()

    waiting = asyncio.create_task(call(SayRequest(), Context.system("test")))
    await asyncio.sleep(0.3)
    await start_server(internal_address=address)

    assert (await waiting).text
    await channel.close()


async def test_a_peer_that_stays_away_is_unavailable_without_a_word_about_its_address(start_server):
    channel = PeerChannel("echo", "127.0.0.1:1", caller="orders", tls=None)
    call = channel.unary(f"{METHOD}/Say", SayRequest, SayResponse, timeout=0.5)

    with pytest.raises(Unavailable) as away:
        await call(SayRequest(), Context.system("test"))

    assert "127.0.0.1" not in str(away.value)
    await channel.close()
