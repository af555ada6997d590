"""Sending the mails that wait.

A mail is claimed for a while, sent, and deleted; nothing is held while the server is spoken to. What a crash leaves
between sending and deleting is sent again, as the same mail.
"""

import asyncio
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from logging import getLogger
from typing import Any

from lumi_common.clock import Clock
from lumi_common.context import Context
from lumi_common.db.database import Database, Row
from lumi_identity.clients.post import Post, Undeliverable
from lumi_identity.domain.cipher import Cipher
from lumi_identity.domain.mails import LINKS, Letter, Link, Template, Texts
from lumi_identity.domain.one_time_token import Purpose, new_token
from lumi_identity.storage import mails, one_time_tokens
from lumi_identity.storage.users import UserRepository

# At once, each over a connection of its own to the server, and for a moment to the database, which calls need too.
_BATCH = 5
_SEND_SECONDS = 30.0
# Far longer than a batch takes: only of a process that stands still would another send the same mail.
_LEASE = timedelta(minutes=2)
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=15), timedelta(hours=1)
_LONGEST_WAIT = timedelta(days=1)

_log = getLogger(__name__)


@dataclass(frozen=True)
class Shop:
    """What every mail tells of the shop; links go to pages of the storefront below `url`."""

    name: str
    url: str


class Mailer:
    """Sends what is due; any number of processes may do so at once.

    `lives` is how long a link is good. `limit` is how many links of a kind an account is mailed at one address within
    that time: who is refused another has a good one in the mailbox. Tokens wait in the queue sealed by `cipher`.
    """

    def __init__(
        self,
        database: Database,
        post: Post,
        clock: Clock,
        *,
        cipher: Cipher,
        texts: Texts,
        shop: Shop,
        lives: dict[Purpose, timedelta],
        limit: int,
    ) -> None:
        self._database, self._post, self._clock, self._cipher = database, post, clock, cipher
        self._texts, self._shop, self._lives, self._limit = texts, shop, lives, limit
        self._context = Context.system("identity.mails")

    async def send_due(self) -> None:
        """Send until nothing is due."""
        while True:
            claimed = await mails.claim(self._database, most=_BATCH, lease=_LEASE)
            await asyncio.gather(*map(self._deliver, claimed))
            if len(claimed) < _BATCH:
                return

    async def _deliver(self, claimed: Row) -> None:
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                letter = await self._letter(claimed)
                if letter is not None:
                    await self._post.send(letter)
        except Undeliverable:
            await mails.give_up(self._database, claimed, self._context)
            _log.warning("a mail is refused for good", extra={"mail": claimed["id"]})
        except Exception as error:
            await self._later(claimed, error)
        else:
            await mails.remove(self._database, claimed)

    async def _later(self, claimed: Row, error: Exception) -> None:
        # The type alone: what a mail server says quotes addresses.
        told = {"mail": claimed["id"], "attempts": claimed["attempts"], "error": type(error).__name__}
        if claimed["age"] > _LONGEST_WAIT:
            await mails.give_up(self._database, claimed, self._context)
            _log.error("a mail could not be sent and is given up", extra=told)
        else:
            await mails.postpone(self._database, claimed, pause_after(claimed["attempts"]))
            _log.warning("a mail could not be sent and is tried again", extra=told)

    async def _letter(self, claimed: Row) -> Letter | None:
        """What to send; None for what is of no use any more, or one link too many."""
        template = Template(claimed["template"])
        facts: dict[str, Any] = {"shop": self._shop.name, "shop_url": self._shop.url, **claimed["payload"]}
        recipient = claimed["recipient"]
        link = LINKS.get(template)
        if link is not None:
            addressed = await self._with_token(claimed, template, link)
            if addressed is None:
                return None
            recipient, token, until = addressed
            facts["link"] = f"{self._shop.url}/{link.page}#token={token}"
            facts["until"] = f"{until.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        return self._texts.letter(claimed["id"], recipient, template, facts)

    async def _with_token(self, claimed: Row, template: Template, link: Link) -> tuple[str, str, datetime] | None:
        """The account's address, the token that is mailed to it, and the time until which it is good.

        It is made here and not with the mail: so asking for it takes as long whether there is such an account or not,
        and of all that ask at once as many are answered as are allowed.
        """
        payload = claimed["payload"]
        if payload["user_id"] is None:
            return None
        async with self._database.transaction(self._context) as tx:
            user = await UserRepository(tx).find_held(payload["user_id"])
            if user is None or (template is Template.VERIFY_EMAIL and user.email_verified):
                return None
            if "token" in payload:
                token = self._cipher.open(payload["token"], claimed["id"]).decode()
                if await one_time_tokens.find_holder(tx, link.purpose, token) is None:
                    return None
                return claimed["recipient"], token, datetime.fromisoformat(payload["until"])
            if await one_time_tokens.count(tx, user.id, link.purpose) >= self._limit:
                return None
            token, until = new_token(), self._clock() + self._lives[link.purpose]
            await one_time_tokens.end(tx, user.id, link.purpose)
            await one_time_tokens.issue(tx, user.id, link.purpose, token, self._lives[link.purpose])
            sealed = self._cipher.seal(token.encode(), claimed["id"])
            kept = {**payload, "token": sealed, "until": until.isoformat()}
            await mails.keep(tx, claimed, user.email, kept)
            return user.email, token, until


def pause_after(attempts: int) -> timedelta:
    """How long to wait after so many tries: longer each time, and never as long as others that failed with it."""
    longest = min(_FIRST_PAUSE * 2 ** min(attempts - 1, 10), _LONGEST_PAUSE)
    return longest * random.uniform(0.5, 1.0)
