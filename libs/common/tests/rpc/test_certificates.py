"""Mutual TLS from the wrong side, and while certificates are replaced."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
from cryptography import x509

from libs.common.tests.rpc.echo import METHOD, SayRequest, SayResponse, stubs
from libs.common.tests.rpc.refusals import refused
from lumi_common.context import Context
from lumi_common.errors import Unavailable
from lumi_common.rpc import channel as channels
from lumi_common.rpc.certificates import Certificate, CertificateError
from lumi_common.rpc.channel import PeerChannel
from lumi_common.settings import TlsFiles
from lumi_local.certificates import Authority, names_of, trust

SERVICES = ("echo", "orders", "payments")


class Wallet:
    """The certificate files of our services in a folder, all of one authority."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.authority = folder, Authority()
        self.authority.certify(folder, SERVICES)
        trust(folder, self.authority.pem)

    def files(self, name: str) -> TlsFiles:
        return TlsFiles(self.folder / "ca.pem", self.folder / f"{name}.pem", self.folder / f"{name}.key")

    def odd(self, *names: x509.GeneralName, life: timedelta = timedelta(days=1)) -> TlsFiles:
        """Those of somebody whom the authority gave these names."""
        self.authority.issue(self.folder, "odd", names, life)
        return self.files("odd")


@pytest.fixture
def wallet(tmp_path: Path) -> Wallet:
    return Wallet(tmp_path / "ours")


@pytest.fixture
async def server(start_server: Any, wallet: Wallet) -> Any:
    files = wallet.files("echo")
    return await start_server(tls_ca=files.ca, tls_cert=files.cert, tls_key=files.key)


Call = Callable[[], Awaitable[SayResponse]]


@pytest.fixture
async def calling(server: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Call]]:
    """A call to the echo service with these files, as a service makes it, over one channel however often it is made."""
    monkeypatch.setattr(channels, "LOOK_SECONDS", 0.0)
    async with AsyncExitStack() as stack:

        def with_files(files: TlsFiles, peer: str = "echo", text: str = "", method: str = "Say") -> Call:
            channel = PeerChannel(peer, f"127.0.0.1:{server.internal_port}", caller="orders", tls=files)
            stack.push_async_callback(channel.close)
            say = channel.unary(f"{METHOD}/{method}", SayRequest, SayResponse)
            return lambda: say(SayRequest(text=text, request_id=str(uuid4())), Context.system("test"))

        yield with_files


async def answer(files: TlsFiles | None, address: str, *, show: bool = True) -> Any:
    """One call over a new connection, without a try again; `files` None is plaintext."""
    if files is None:
        channel = grpc.aio.insecure_channel(address)
    else:
        pair = (files.key.read_bytes(), files.cert.read_bytes()) if show else (None, None)
        options = [("grpc.use_local_subchannel_pool", 1)]
        credentials = grpc.ssl_channel_credentials(files.ca.read_bytes(), *pair)
        channel = grpc.aio.secure_channel(address, credentials, options=options)
    async with channel:
        return await stubs.EchoServiceStub(channel).Say(SayRequest(), timeout=3)


async def test_a_certificate_of_ours_is_let_in(server: Any, wallet: Wallet) -> None:
    assert (await answer(wallet.files("orders"), f"127.0.0.1:{server.internal_port}")).text


@pytest.mark.parametrize("who", ["plaintext", "nobody", "a stranger", "a stranger of our name", "somebody expired"])
async def test_the_handshake_refuses(server: Any, wallet: Wallet, tmp_path: Path, who: str) -> None:
    stranger = Wallet(tmp_path / "theirs")
    trust(stranger.folder, wallet.authority.pem)  # who believes us, and is not believed
    stranger.authority.issue(stranger.folder, "stranger", names_of("stranger"))
    files = {
        "plaintext": None,
        "nobody": wallet.files("orders"),
        "a stranger": stranger.files("stranger"),
        "a stranger of our name": stranger.files("orders"),
        "somebody expired": wallet.odd(*names_of("orders"), life=timedelta(minutes=-1)),
    }

    async with refused("UNAVAILABLE"):
        await answer(files[who], f"127.0.0.1:{server.internal_port}", show=who != "nobody")


@pytest.mark.parametrize(
    "names",
    [
        [x509.UniformResourceIdentifier("spiffe://orders")],
        [x509.UniformResourceIdentifier("lumi:orders")],
        [x509.UniformResourceIdentifier("https://lumi://orders")],
        [x509.UniformResourceIdentifier("lumi://")],
        [x509.DNSName("orders")],
        [x509.RFC822Name("orders@lumi")],
        [x509.UniformResourceIdentifier("lumi://payments"), x509.UniformResourceIdentifier("lumi://orders")],
        [x509.UniformResourceIdentifier("lumi://orders"), x509.UniformResourceIdentifier("lumi://orders")],
    ],
    ids=str,
)
async def test_a_certificate_that_does_not_name_one_service_is_nobody(
    server: Any, wallet: Wallet, names: list[x509.GeneralName]
) -> None:
    async with refused("UNAUTHENTICATED", "SERVICE_NOT_ALLOWED"):
        await answer(wallet.odd(*names), f"127.0.0.1:{server.internal_port}")


@pytest.mark.parametrize("name", ["orderss", "orders/payments", "ORDERS", "orders "])
async def test_a_name_that_is_almost_a_service_s_is_another(
    calling: Callable[..., Call], wallet: Wallet, name: str
) -> None:
    files = wallet.odd(x509.UniformResourceIdentifier(f"lumi://{name}"))

    with pytest.raises(Exception, match="SERVICE_NOT_ALLOWED"):
        await calling(files, method="ChangeInside")()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
async def test_an_old_tls_is_refused(server: Any, wallet: Wallet, version: ssl.TLSVersion) -> None:
    files = wallet.files("orders")
    context = ssl.create_default_context(cafile=str(files.ca))
    context.check_hostname = False
    context.load_cert_chain(files.cert, files.key)
    context.set_alpn_protocols(["h2"])
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # or our own side would refuse
    context.minimum_version, context.maximum_version = version, version

    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("127.0.0.1", server.internal_port, ssl=context)
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # nothing else was wrong
    _, writer = await asyncio.open_connection("127.0.0.1", server.internal_port, ssl=context)
    writer.close()


async def test_a_service_cannot_answer_in_another_one_s_place(calling: Callable[..., Call], wallet: Wallet) -> None:
    with pytest.raises(Unavailable):
        await calling(wallet.files("orders"), peer="payments")()


async def test_a_peer_of_another_authority_is_not_called(
    calling: Callable[..., Call], wallet: Wallet, tmp_path: Path
) -> None:
    with pytest.raises(Unavailable):
        await calling(Wallet(tmp_path / "theirs").files("orders"))()


async def test_certificates_are_replaced_step_by_step_and_no_call_is_lost(
    server: Any, calling: Callable[..., Call], wallet: Wallet
) -> None:
    old, new = wallet.authority, Authority()
    thief = Wallet(wallet.folder.with_name("stolen"))
    old.certify(thief.folder, SERVICES)
    trust(thief.folder, old.pem, new.pem)
    address = f"127.0.0.1:{server.internal_port}"
    say, lasting = calling(wallet.files("orders")), calling(wallet.files("payments"), text="nap")
    done, stop = 0, asyncio.Event()

    async def traffic() -> None:
        nonlocal done
        while not stop.is_set():
            await say()
            done += 1

    async def after(calls: int) -> None:
        """Once so many more calls were answered."""
        goal = done + calls
        while done < goal and not busy.done():  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    busy = asyncio.create_task(traffic())
    under_way = asyncio.create_task(_awaited(lasting()))
    await after(20)
    for step in (
        lambda: trust(wallet.folder, new.pem, old.pem),
        lambda: new.certify(wallet.folder, SERVICES),
        lambda: trust(wallet.folder, new.pem),
    ):
        assert (await answer(thief.files("orders"), address)).text
        step()
        await after(20)
    stop.set()
    await busy

    assert (await under_way).text
    assert (await answer(wallet.files("orders"), address)).text
    async with refused("UNAVAILABLE"):
        await answer(thief.files("orders"), address)


async def _awaited(call: Awaitable[SayResponse]) -> SayResponse:
    return await call


async def test_files_that_do_not_fit_together_are_not_taken(
    server: Any, wallet: Wallet, caplog: pytest.LogCaptureFixture
) -> None:
    address = f"127.0.0.1:{server.internal_port}"
    files, half = wallet.files("orders"), wallet.files("echo")
    key = half.key.read_bytes()
    wallet.authority.certify(wallet.folder, ["echo"])
    new_key = half.key.read_bytes()
    half.key.write_bytes(key)

    assert (await answer(files, address)).text
    assert (await answer(files, address)).text
    assert caplog.text.count("the key is not the certificate's") == 1

    half.key.write_bytes(new_key)
    assert (await answer(files, address)).text
    kept = half.ca.rename(wallet.folder / "kept.pem")
    assert (await answer(replace(files, ca=kept), address)).text


@pytest.mark.parametrize("fault", ["missing", "empty", "of another"])
def test_files_that_are_no_good_at_the_start_are_named(wallet: Wallet, fault: str) -> None:
    files = wallet.files("orders")
    if fault == "missing":
        files.key.unlink()
    else:
        files.key.write_bytes(b"" if fault == "empty" else wallet.files("payments").key.read_bytes())

    with pytest.raises(CertificateError, match=r"orders\.key"):
        Certificate.of(files)


async def test_the_public_port_s_certificate_is_replaced_too(start_server: Any, wallet: Wallet) -> None:
    files = wallet.files("echo")
    server = await start_server(public_tls_cert=files.cert, public_tls_key=files.key)
    address = f"127.0.0.1:{server.public_port}"
    assert (await answer(files, address, show=False)).text

    new = Authority()
    new.certify(wallet.folder, ["echo"])
    async with refused("UNAVAILABLE"):
        await answer(files, address, show=False)
    trust(wallet.folder, new.pem)
    assert (await answer(files, address, show=False)).text
