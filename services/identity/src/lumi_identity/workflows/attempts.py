"""Tries to prove who one is, which are held against an account and a source until one of them is right."""

from asyncio import Semaphore
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from math import ceil
from weakref import WeakValueDictionary

from lumi_common.context import Context
from lumi_common.db.database import Database
from lumi_common.db.statement import Statement
from lumi_common.errors import FailedPrecondition, ResourceExhausted
from lumi_identity.domain.errors import Reason
from lumi_identity.domain.lockout import Keys, Lockout
from lumi_identity.domain.security import SecurityEvent
from lumi_identity.storage import sign_in_attempts as attempts
from lumi_identity.storage.security import facts

_KNOWN_FOR = timedelta(days=90)


class Attempt:
    """One try, which counts as a failure unless it turns out otherwise; said at most one of these ways."""

    def __init__(
        self,
        database: Database,
        context: Context,
        row: dict[str, str],
        *,
        known: bool,
        account_tries: int,
        source_waits_until: datetime | None,
        account_waits_until: datetime | None,
    ) -> None:
        self._database, self._context, self._row = database, context, row
        self._known, self._account_tries = known, account_tries
        self._source_waits_until, self._account_waits_until = source_waits_until, account_waits_until

    async def failed(self, user_id: str | None, event: SecurityEvent = SecurityEvent.SIGN_IN_FAILED) -> None:
        """It was wrong; `user_id` is None where there is no such account."""
        await self._database.fetch(
            attempts.FAILED[event],
            user_id=user_id,
            lockout_until=self._account_waits_until,
            **facts(self._context),
        )
        for whose, until in (("source", self._source_waits_until), ("unknown_sources", self._account_waits_until)):
            if until is not None:
                details = {"kept_out": whose, "until": until.isoformat()}
                await self._database.fetch(
                    attempts.LOCKED_OUT, user_id=user_id, details=details, **facts(self._context)
                )

    async def succeeded(self) -> None:
        """It was right: what the source did wrong before is forgotten, and the account knows it now."""
        await self._settle(attempts.SUCCEEDED, known_for=_KNOWN_FOR)

    async def release(self) -> None:
        """It was neither: it is as if it had not been."""
        await self._settle(attempts.RELEASED)

    async def _settle(self, statement: Statement, **values: timedelta) -> None:
        await self._database.fetch(
            statement, **self._row, known=self._known, account_tries=self._account_tries, **values
        )


class Attempts:
    """Admits tries within the limits of `lockout`."""

    def __init__(self, database: Database, *, keys: Keys, lockout: Lockout) -> None:
        self._database, self._keys, self._lockout = database, keys, lockout
        # Those that are here at once take turns before the limit refuses one: the right ones among them make room.
        self._turns: WeakValueDictionary[str, Semaphore] = WeakValueDictionary()

    def account_key(self, email: str) -> str:
        """What the tries at the account of this address are kept under."""
        return self._keys.account(email)

    @asynccontextmanager
    async def reserve(self, context: Context, email: str) -> AsyncIterator[Attempt]:
        """One try at the account of this address, if there is one or not; raises ResourceExhausted with the `seconds`
        to wait when there were too many.

        When the block finds no room to find out whether it is right, or that nothing is asked for, it is none.
        """
        account = self._keys.account(email)
        source = self._keys.source(account, context.ip)
        turns = self._turns.get(source)
        if turns is None:
            turns = self._turns[source] = Semaphore(max(self._lockout.tries - 1, 1))
        async with turns:
            attempt = await self._reserve(context, email, {"account_key": account, "source_key": source})
            try:
                yield attempt
            except (FailedPrecondition, ResourceExhausted):
                await attempt.release()
                raise

    async def _reserve(self, context: Context, email: str, key: dict[str, str]) -> Attempt:
        limits = self._lockout
        row = await self._database.fetchrow(
            attempts.RESERVE,
            **key,
            email=email,
            tries=limits.tries,
            account_tries=limits.account_tries,
            window=limits.window,
            wait=limits.wait,
            longest=limits.longest,
        )
        assert row is not None  # it selects from nothing, joined with what there is
        if not row["admitted"]:
            # Of a wait that began this very moment nothing was known before: it is the first one.
            seconds = ceil(row["seconds"] or limits.wait.total_seconds())
            raise ResourceExhausted(
                Reason.TOO_MANY_ATTEMPTS, "too many wrong tries; wait before the next", seconds=max(seconds, 1)
            )
        return Attempt(
            self._database,
            context,
            key,
            known=row["known"],
            account_tries=limits.account_tries,
            source_waits_until=row["source_waits_until"],
            account_waits_until=row["account_waits_until"],
        )
