"""People who ask again, with the same request id, until they know the outcome."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import uuid4

from lumi_client import (
    Aborted,
    DeadlineExceeded,
    LumiError,
    ResourceExhausted,
    Session,
    Unauthenticated,
    Unavailable,
)
from lumi_client import Lumi as Shop

T = TypeVar("T")

PASSWORD = "correct horse battery staple"
# Far beyond what the longest of the faults and the slowest of the machines take.
SECONDS_TO_KNOW = 180.0
_PAUSE = 0.1
_TRIES_SECONDS = 10.0
_UNCLEAR = (Unavailable, DeadlineExceeded, ResourceExhausted)
UNDONE = "PLACING_UNDONE"


class NeverTold(Exception):
    """Somebody asked again and again and was never told the outcome."""


class Person:
    """Somebody on a line of their own to the gateway at `url`; `happened` counts how often they had to ask again."""

    def __init__(self, url: str, happened: Counter[str], *, email: str = "", password: str = PASSWORD) -> None:
        self.shop = Shop(url, timeout=_TRIES_SECONDS)
        self.session: Session | None = None
        self._happened, self._email, self._password = happened, email, password

    async def ask(self, call: Callable[[Session], Awaitable[T]], *passing: str) -> T:
        """The answer, or the refusal that asking again would not change; raises LumiError or NeverTold.

        What may be sent again is for `call` to see to, by a request id that stays the same. Refusals with a reason
        among `passing` are unclear too.
        """
        end = time.monotonic() + SECONDS_TO_KNOW
        while True:
            trouble: LumiError
            try:
                return await call(self.session or await self.come())
            except _UNCLEAR as error:
                trouble = error
            except Unauthenticated as error:
                trouble = error
                if self._email:  # a guest who came anew would be somebody else
                    self.session = None
            except LumiError as error:
                if error.reason not in passing and (not isinstance(error, Aborted) or error.reason == UNDONE):
                    raise
                trouble = error
            self._happened["asked again"] += 1
            if time.monotonic() > end:
                raise NeverTold(f"{trouble}")
            await asyncio.sleep(_PAUSE)

    async def come(self) -> Session:
        """Come in, or back in: as a guest, or with the account."""
        self.session = await (self.shop.sign_in(self._email, self._password) if self._email else self.shop.guest())
        return self.session

    async def sign_up(self) -> None:
        """Get an account, and use it from now on."""
        email = f"{uuid4().hex}@example.com"
        await self.shop.auth.sign_up(email=email, password=self._password)
        self._email = email

    async def close(self) -> None:
        """Hang up."""
        await self.shop.close()
