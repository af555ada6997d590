"""The mails that somebody was sent, as a folder keeps them."""

import email
import re
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

from tests.kit.waiting import until

_TOKEN = re.compile(r"https?://\S+/(?P<page>[\w-]+)#token=(?P<token>\S+)")


class Mailbox:
    """A folder that mails are written to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def of(self, address: str) -> list[EmailMessage]:
        """What an address was sent, the first written first."""
        mails = [
            email.message_from_bytes(file.read_bytes(), policy=default) for file in sorted(self.folder.glob("*.eml"))
        ]
        return [mail for mail in mails if mail["To"] == address]

    async def tokens(self, address: str, page: str, *, least: int = 1) -> list[str]:
        """The tokens of the links to this page that an address was sent, once there are so many."""
        found: list[str] = []

        async def are_there() -> bool:
            found[:] = [match["token"] for mail in self.of(address) if (match := link(mail)) and match["page"] == page]
            return len(found) >= least

        await until(are_there, f"{least} mails with a link to {page}")
        return found

    async def token(self, address: str, page: str) -> str:
        """The token of the first such link."""
        return (await self.tokens(address, page))[0]


def link(mail: EmailMessage) -> re.Match[str] | None:
    """The link in a mail, by its `page` and `token`."""
    return _TOKEN.search(mail.get_content())
