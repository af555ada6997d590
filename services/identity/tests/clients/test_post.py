"""Handing mails to a real server: who it is, whether anybody listens in, and what it refuses."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiosmtplib
import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from lumi_identity.clients.post import Folder, Smtp, Undeliverable
from lumi_identity.domain.mails import Letter, Template, Texts, languages
from lumi_local import certificates

LETTER = Letter("cmail1", "ada@example.com", "A subject", "Hello,\n\nhttps://shop.example/a#token=" + "x" * 60 + "\n")
SENDER = "Corner Store <no-reply@shop.example>"


class Taker:
    """Keeps what it is handed, and refuses the recipients it is told to."""

    def __init__(self) -> None:
        self.taken: list[Envelope] = []
        self.secured: list[bool] = []
        self.refusal = ""

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, _: Any) -> str:
        if self.refusal:
            return self.refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.taken.append(envelope)
        self.secured.append(session.ssl is not None)
        return "250 OK"


@pytest.fixture
def taker() -> Taker:
    return Taker()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    certificates.ensure(folder)
    return folder


@pytest.fixture
def tls(files: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files / "identity.pem", files / "identity.key")
    return context


@asynccontextmanager
async def server(taker: Taker, *, ssl_context: ssl.SSLContext | None = None, **options: Any) -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()
    made = await loop.create_server(lambda: SMTP(taker, loop=loop, **options), "127.0.0.1", 0, ssl=ssl_context)
    try:
        yield made.sockets[0].getsockname()[1]
    finally:
        made.close()


def smtp(port: int, files: Path, **options: Any) -> Smtp:
    return Smtp("127.0.0.1", port, sender=SENDER, ca=files / "ca.pem", **options)


def only(taker: Taker) -> str:
    [envelope] = taker.taken
    assert envelope.rcpt_tos == ["ada@example.com"] and envelope.mail_from == "no-reply@shop.example"
    assert isinstance(envelope.content, bytes)
    return envelope.content.decode()


async def test_a_mail_goes_out_after_starttls(taker: Taker, files: Path, tls: ssl.SSLContext) -> None:
    async with server(taker, tls_context=tls, require_starttls=True) as port:
        await smtp(port, files).send(LETTER)

    text = only(taker)
    assert taker.secured == [True]
    assert "Subject: A subject\r\n" in text
    assert "From: Corner Store <no-reply@shop.example>\r\n" in text
    assert "Message-ID: <cmail1@shop.example>\r\n" in text
    assert "Auto-Submitted: auto-generated\r\n" in text
    assert "https://shop.example/a#token=" + "x" * 60 in text  # in one piece


async def test_a_mail_goes_out_over_tls_from_the_first_byte(taker: Taker, files: Path, tls: ssl.SSLContext) -> None:
    async with server(taker, ssl_context=tls) as port:
        await smtp(port, files, security="tls").send(LETTER)

    assert "A subject" in only(taker)


async def test_a_mail_in_the_clear_goes_out_where_that_is_allowed(taker: Taker, files: Path) -> None:
    async with server(taker) as port:
        await smtp(port, files, security="none").send(LETTER)

    assert "A subject" in only(taker) and taker.secured == [False]


async def test_a_server_without_tls_is_told_nothing(taker: Taker, files: Path) -> None:
    async with server(taker) as port:
        with pytest.raises(aiosmtplib.SMTPException):
            await smtp(port, files).send(LETTER)

    assert taker.taken == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_server_with_a_certificate_of_nobody_we_trust_is_told_nothing(
    taker: Taker, tls: ssl.SSLContext, security: Any
) -> None:
    options = {"tls_context" if security == "starttls" else "ssl_context": tls}
    async with server(taker, **options) as port:
        with pytest.raises((aiosmtplib.SMTPException, OSError)):
            await Smtp("127.0.0.1", port, sender=SENDER, security=security).send(LETTER)

    assert taker.taken == []


async def test_who_has_to_log_in_does(taker: Taker, files: Path, tls: ssl.SSLContext) -> None:
    def knows(_: Any, __: Any, ___: Any, mechanism: str, given: Any) -> AuthResult:
        right = isinstance(given, LoginPassword) and (given.login, given.password) == (b"shop", b"a secret")
        return AuthResult(success=right, handled=right)

    check: Callable[..., AuthResult] = knows
    async with server(taker, tls_context=tls, auth_required=True, authenticator=check) as port:
        with pytest.raises(aiosmtplib.SMTPException):
            await smtp(port, files, user="shop", password="wrong").send(LETTER)
        with pytest.raises(aiosmtplib.SMTPException):
            await smtp(port, files).send(LETTER)
        await smtp(port, files, user="shop", password="a secret").send(LETTER)

    only(taker)


@pytest.mark.parametrize(
    ("refusal", "error"),
    [("550 5.1.1 no such mailbox", Undeliverable), ("451 4.2.0 greylisted", aiosmtplib.SMTPRecipientsRefused)],
)
async def test_an_address_refused_for_good_is_told_from_one_refused_for_now(
    taker: Taker, files: Path, tls: ssl.SSLContext, refusal: str, error: type[Exception]
) -> None:
    taker.refusal = refusal
    async with server(taker, tls_context=tls) as port:
        with pytest.raises(error) as raised:
            await smtp(port, files).send(LETTER)

    if error is Undeliverable:
        assert "ada@example.com" not in str(raised.value)
    assert taker.taken == []


@pytest.mark.parametrize(
    "recipient", ["ada@example.com, bob@example.com", "ada@example.com\r\nBcc: bob@example.com", ""]
)
async def test_an_address_that_is_none_or_two_is_sent_nothing(taker: Taker, files: Path, recipient: str) -> None:
    letter = Letter("cmail2", recipient, "A subject", "Hello\n")
    async with server(taker) as port:
        with pytest.raises((ValueError, IndexError)):
            await smtp(port, files, security="none").send(letter)

    assert taker.taken == []


async def test_a_folder_has_a_file_for_each_mail_that_a_second_try_replaces(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "mails", sender=SENDER)

    await folder.send(LETTER)
    await folder.send(LETTER)

    assert [(file.name, file.stat().st_mode & 0o777) for file in (tmp_path / "mails").iterdir()] == [
        ("cmail1.eml", 0o600)
    ]


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("template", Template)
def test_every_language_has_every_text_and_asks_for_nothing_else(language: str, template: Template) -> None:
    facts = {"shop": "A Shop", "shop_url": "https://a.example", "link": "https://a.example/l", "until": "tomorrow"}

    letter = Texts(language).letter("cmail3", "ada@example.com", template, facts)

    assert "A Shop" in letter.subject and "$" not in letter.subject + letter.body


def test_a_language_that_lacks_a_text_is_refused() -> None:
    with pytest.raises(FileNotFoundError):
        Texts("xx")
