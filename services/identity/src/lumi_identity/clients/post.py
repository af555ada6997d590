"""The ways for a mail to go out: over SMTP, or into a folder on one's own machine."""

import asyncio
import os
import ssl
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parseaddr
from functools import partial
from pathlib import Path
from typing import Literal, Protocol

import aiosmtplib

from lumi_identity.domain.mails import Letter

Security = Literal["starttls", "tls", "none"]

_SECONDS = 10.0
_PERMANENT = range(500, 600)


class Undeliverable(Exception):
    """The server will never take a mail for this recipient."""


class Post(Protocol):
    """Takes mails; one that is sent twice has the same Message-ID both times."""

    async def send(self, letter: Letter) -> None:
        """Send it; raises Undeliverable for an address that is refused for good, anything else when it may be tried
        again."""


class Smtp:
    """A mail server. Its certificate is checked, against `ca` where that is given, and nothing is said before.

    `sender` is the address that mails are from, as `Shop <no-reply@shop.example>`. Without a `user` nobody logs in.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        sender: str,
        security: Security = "starttls",
        user: str = "",
        password: str = "",
        ca: Path | None = None,
    ) -> None:
        self._sender = _address(sender)
        self._send = partial(
            aiosmtplib.send,
            hostname=host,
            port=port,
            timeout=_SECONDS,
            use_tls=security == "tls",
            start_tls=security == "starttls",
            tls_context=None if security == "none" else ssl.create_default_context(cafile=ca),
            username=user or None,
            password=password if user else None,
        )

    async def send(self, letter: Letter) -> None:
        """Hand it over; a server that offers no TLS, or has another's certificate, gets nothing."""
        message = message_of(letter, self._sender)
        try:
            await self._send(message)
        except aiosmtplib.SMTPRecipientsRefused as error:
            if all(each.code in _PERMANENT for each in error.recipients):
                raise Undeliverable from None
            raise


class Folder:
    """A folder with a file for each mail, for development; whoever reads it can do what its links allow."""

    def __init__(self, folder: Path, *, sender: str) -> None:
        self._folder, self._sender = folder, _address(sender)

    async def send(self, letter: Letter) -> None:
        """Write it as `<id>.eml`, which appears complete or not at all."""
        await asyncio.to_thread(self._write, letter.id, message_of(letter, self._sender).as_bytes())

    def _write(self, id: str, content: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self._folder / f".{id}.part"
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
        part.rename(self._folder / f"{id}.eml")


def message_of(letter: Letter, sender: Address) -> EmailMessage:
    """The mail as it goes over the wire; ValueError for an address that is none, or more than one."""
    message = EmailMessage(policy=SMTP)
    message["Subject"] = letter.subject
    message["From"] = sender
    message["To"] = Address(addr_spec=letter.recipient)
    message["Date"] = datetime.now(UTC)
    message["Message-ID"] = f"<{letter.id}@{sender.domain}>"
    # So that nobody's absence is answered to us.
    message["Auto-Submitted"] = "auto-generated"
    # Readable in the file as it is where that can be: quoting would break up the links.
    message.set_content(letter.body, cte="7bit" if letter.body.isascii() else "quoted-printable")
    return message


def _address(text: str) -> Address:
    name, spec = parseaddr(text)
    return Address(name, addr_spec=spec)
