"""HTTPS for clients: what is spoken and what is not, and a certificate that changes while the gateway serves."""

import os
import shutil
import socket
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from lumi_envoy.settings import LOOPBACK, TLS_FILES
from lumi_local import certificates
from lumi_local.process import wait_until
from tests.gateway.gateway import Gateway, running_gateway

LIST = "/lumi.catalogue.v1.ProductService/ListProducts"
ALERT = b"\x15"
WEAK = ("AES128-SHA", "AES256-SHA256", "AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA")


class Shelf:
    """A folder as Kubernetes mounts a secret: `tls.crt` and `tls.key` are links through `..data`, which is switched."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._made = folder, 0
        for name in TLS_FILES:
            (folder / name).symlink_to(Path("..data") / name)
        self.renew()

    def renew(self, *, with_key_of_another: bool = False) -> None:
        """Put another certificate there, of an authority of its own."""
        self._made += 1
        made = self.folder / f"..{self._made}"
        made.mkdir()
        certificates.ensure(made)
        shutil.copy(made / "orders.pem", made / TLS_FILES[0])
        shutil.copy(made / f"{'payments' if with_key_of_another else 'orders'}.key", made / TLS_FILES[1])
        draft = self.folder / "..draft"
        draft.symlink_to(made.name)
        os.replace(draft, self.folder / "..data")

    @property
    def authority(self) -> str:
        return (self.folder / "..data" / "ca.pem").read_text()

    @property
    def certificate(self) -> bytes:
        """The present one, in DER."""
        present = x509.load_pem_x509_certificate((self.folder / "..data" / TLS_FILES[0]).read_bytes())
        return present.public_bytes(serialization.Encoding.DER)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="lumi-gateway-") as made:
        yield Path(made)


@pytest.fixture(scope="module")
def shelf(folder: Path) -> Shelf:
    (folder / "tls").mkdir()
    return Shelf(folder / "tls")


@pytest.fixture(scope="module")
def https(folder: Path, shelf: Shelf) -> Iterator[Gateway]:
    """A gateway with a certificate and nobody in front."""
    with running_gateway(folder, gateway_tls=shelf.folder, trusted_hops=0, headers_seconds=3) as gateway:
        yield gateway


def trusting(shelf: Shelf) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=shelf.authority)


def shake_hands(gateway: Gateway, context: ssl.SSLContext) -> tuple[str | None, str | None, bytes | None]:
    """Version, application protocol and certificate that a new connection gets."""
    with (
        socket.create_connection((LOOPBACK, gateway.settings.gateway_port), timeout=5) as connection,
        context.wrap_socket(connection, server_hostname="localhost") as wrapped,
    ):
        return wrapped.version(), wrapped.selected_alpn_protocol(), wrapped.getpeercert(binary_form=True)


def client(gateway: Gateway, shelf: Shelf) -> httpx.Client:
    url = f"https://localhost:{gateway.settings.gateway_port}"
    return httpx.Client(base_url=url, verify=trusting(shelf), trust_env=False, timeout=10)


def test_json_and_grpc_are_served_over_tls(https: Gateway, shelf: Shelf):
    with client(https, shelf) as browser:
        answer = browser.get("/v1/products")
    assert answer.status_code == 200
    assert answer.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
    assert https.backends.last.metadata["x-forwarded-proto"] == "https"

    credentials = grpc.ssl_channel_credentials(shelf.authority.encode())
    with grpc.secure_channel(f"localhost:{https.settings.gateway_port}", credentials) as channel:
        channel.unary_unary(LIST)(b"", timeout=10)
    assert https.backends.last.path == LIST


def test_nothing_is_answered_in_the_clear(https: Gateway):
    for request in (b"GET /v1/products HTTP/1.1\r\nhost: lumi\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
        with socket.create_connection((LOOPBACK, https.settings.gateway_port), timeout=5) as connection:
            connection.sendall(request)
            assert connection.recv(100)[:1] in (b"", ALERT)


@pytest.mark.parametrize(
    ("version", "name"), [(ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")]
)
def test_tls_1_2_and_1_3_are_spoken_with_http_2_first(https: Gateway, shelf: Shelf, version: ssl.TLSVersion, name: str):
    context = trusting(shelf)
    context.minimum_version = context.maximum_version = version

    context.set_alpn_protocols(["http/1.1", "h2"])
    assert shake_hands(https, context)[:2] == (name, "h2")
    context.set_alpn_protocols(["http/1.1"])
    assert shake_hands(https, context)[1] == "http/1.1"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_older_versions_are_not_spoken(https: Gateway, shelf: Shelf, version: ssl.TLSVersion):
    context = trusting(shelf)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version

    with pytest.raises(ssl.SSLError, match=r"PROTOCOL_VERSION|protocol version"):
        shake_hands(https, context)


@pytest.mark.parametrize("cipher", WEAK)
def test_ciphers_without_forward_secrecy_or_with_cbc_are_not_taken(https: Gateway, shelf: Shelf, cipher: str):
    context = trusting(shelf)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{cipher}:@SECLEVEL=0")

    with pytest.raises(ssl.SSLError, match=r"HANDSHAKE_FAILURE|handshake failure"):
        shake_hands(https, context)
    context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    assert shake_hands(https, context)[0] == "TLSv1.2"


def test_who_calls_is_still_the_connection(https: Gateway, shelf: Shelf):
    with client(https, shelf) as browser:
        browser.get("/v1/products", headers={"x-forwarded-for": "203.0.113.66", "x-forwarded-proto": "http"})

    metadata = https.backends.last.metadata
    assert metadata["x-envoy-external-address"] == "127.0.0.1"
    assert metadata["x-forwarded-proto"] == "https"


def test_a_certificate_changes_while_the_gateway_serves(https: Gateway, shelf: Shelf):
    def shown() -> bytes | None:
        return shake_hands(https, anybody)[2]

    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    first = shelf.certificate
    assert shown() == first

    with client(https, shelf) as browser:
        assert browser.get("/v1/products").status_code == 200
        shelf.renew()
        wait_until(lambda: shown() == shelf.certificate, "the new certificate was not taken", seconds=10)
        assert shelf.certificate != first
        assert browser.get("/v1/products").status_code == 200  # on the connection that was open

    with client(https, shelf) as browser:
        assert browser.get("/v1/products").status_code == 200


def test_a_certificate_that_does_not_fit_its_key_is_not_taken(https: Gateway, shelf: Shelf):
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    before = shake_hands(https, anybody)[2]

    shelf.renew(with_key_of_another=True)
    wait_until(lambda: "KEY_VALUES_MISMATCH" in https.access_log(), "nobody noticed", seconds=10)
    assert shake_hands(https, anybody)[2] == before

    shelf.renew()
    wait_until(lambda: shake_hands(https, anybody)[2] == shelf.certificate, "it was not taken", seconds=10)


def test_who_does_not_finish_the_handshake_is_hung_up_on(https: Gateway, shelf: Shelf):
    with socket.create_connection((LOOPBACK, https.settings.gateway_port), timeout=30) as silent:
        with client(https, shelf) as browser:
            assert browser.get("/v1/products").status_code == 200
        assert silent.recv(1) == b""


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """Certificates of the services, and the authority that signed them."""
    folder = tmp_path / "made"
    folder.mkdir()
    certificates.ensure(folder)
    return folder


def trusted(file: Path, authority: Path) -> Path:
    """Have this authority trusted from now on: its file is moved there."""
    draft = file.with_suffix(".draft")
    shutil.copy(authority, draft)
    return draft.replace(file)


def test_services_are_called_over_tls_too(tmp_path: Path, made: Path):
    with running_gateway(tmp_path, made, upstreams_ca=made / "ca.pem") as gateway:
        for path in ("/v1/products", "/v1/orders", "/v1/payments"):
            assert gateway.http.get(path, headers=gateway.headers()).status_code == 200


def test_a_service_with_the_certificate_of_another_is_not_called(tmp_path: Path, made: Path):
    for suffix in ("pem", "key"):
        shutil.copy(made / f"orders.{suffix}", made / f"payments.{suffix}")

    with running_gateway(tmp_path, made, upstreams_ca=made / "ca.pem") as gateway:
        assert gateway.http.get("/v1/orders", headers=gateway.headers()).status_code == 200
        assert gateway.http.get("/v1/payments", headers=gateway.headers()).status_code == 503
        assert [call.context for call in gateway.backends.calls] == ["orders"]


def test_nor_one_that_speaks_in_the_clear(tmp_path: Path, made: Path):
    with running_gateway(tmp_path, upstreams_ca=made / "ca.pem") as gateway:
        assert gateway.http.get("/v1/products").status_code == 503
        assert gateway.backends.calls == []


def test_the_authority_of_the_services_changes_while_the_gateway_serves(tmp_path: Path, made: Path):
    stranger, file = tmp_path / "stranger", tmp_path / "ca" / "ca.pem"
    for folder in (stranger, file.parent):
        folder.mkdir()
    certificates.ensure(stranger)
    trusted(file, stranger / "ca.pem")

    with running_gateway(tmp_path, made, upstreams_ca=file) as gateway:
        assert gateway.http.get("/v1/products").status_code == 503
        trusted(file, made / "ca.pem")
        wait_until(lambda: gateway.http.get("/v1/products").status_code == 200, "it was not taken", seconds=15)
