"""Erasing somebody everywhere, and showing them what there is.

The intent is a row, written with the deletion that hides the account; a sweeper brings it to its end from wherever it
was left. Every service is asked what it has (COUNT); then the account goes here, and the event of that takes along what
names it elsewhere; then every service is asked until nothing is left (ERASE). Each question may be asked again.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from logging import getLogger
from uuid import NAMESPACE_URL, uuid5

from lumi.common.v1.personal_pb2 import PersonalRow

from lumi_common.clock import Clock
from lumi_common.context import Context
from lumi_common.db.database import Database
from lumi_common.db.personal import Key
from lumi_common.db.request import Command
from lumi_common.errors import InvalidArgument, LumiError, NotFound
from lumi_common.errors import Reason as Common
from lumi_common.logs import described
from lumi_common.personal import Person
from lumi_identity.clients.holders import Holder
from lumi_identity.domain.erasure import Erasure, Step
from lumi_identity.storage.access import RoleRepository
from lumi_identity.storage.erasures import Erasures
from lumi_identity.storage.forgetting import Before, forget_late
from lumi_identity.storage.users import UserRepository

NAME = "identity.erasures"
SECONDS = 60.0
_AT_ONCE, _SELDOM = timedelta(seconds=1), timedelta(seconds=60)
# A table that counts what waits, not what there is.
_WAITING = "outbox_events"

log = getLogger(__name__)


class Erasing:
    """Erases people; `holders` are all services by name, `settle` is how long calls may outlive their account."""

    def __init__(
        self, db: Database, clock: Clock, holders: Mapping[str, Callable[[], Holder]], *, settle: timedelta
    ) -> None:
        self._db, self._clock, self._settle = db, clock, settle
        self._make, self._made = holders, dict[str, Holder]()

    async def begin(self, command: Command, user_id: str, etag: str) -> Erasure:
        """Hide an account and write that it is to be erased; the same erasure again for one that is being erased.

        Raises NotFound, Aborted for a stale etag, FailedPrecondition for the last admin.
        """
        erasures, users, context = Erasures(command), UserRepository(command), command.context
        roles = RoleRepository(command)
        # Held before the user, as by whoever gives and takes roles: of two admins who go at once one stays.
        admins = await roles.lock_admins()
        try:
            user = await users.hold(user_id)
        except NotFound:
            if context.owner_only:
                raise
            if (begun := await erasures.find(user_id)) is not None:
                return begun
            user = await users.lock(user_id, include_deleted=True)
        if (begun := await erasures.find(user_id)) is not None:
            return begun
        user.expect(etag)
        if user.deleted_at is None:
            if admins is not None and await roles.is_held(admins.id, user.id):
                admins.check_leaving(await roles.other_holders(admins.id, user.id))
            user.delete(self._clock())
            await users.save_deleted(user, context)
        return await erasures.begin(user.id, context.principal.id, self._settle)

    async def export(
        self, user_id: str, start: tuple[str, Key], limit: int, context: Context
    ) -> tuple[list[PersonalRow], tuple[str, Key] | None]:
        """So many rows of all services about somebody, and where to go on; None behind the last."""
        rows: list[PersonalRow] = []
        names, (name, after) = list(self._make), start
        if name not in names:
            raise InvalidArgument(Common.PAGE_TOKEN_INVALID, "take page_token from the answer before")
        for each in names[names.index(name) :]:
            found, further = await self._holder(each).export(user_id, after, limit - len(rows), context)
            rows += found
            if further is not None:
                return rows, (each, further)
            after = Key("", "")
            if len(rows) == limit and each != names[-1]:
                return rows, (names[names.index(each) + 1], after)
        return rows, None

    async def sweep(self) -> None:
        """Bring on what is due, as far as it goes."""
        while erasure := await Erasures(self._db).claim():
            context = Context.system(NAME, timeout=SECONDS)
            try:
                await self._go_on(erasure, context)
            except LumiError as error:
                log.warning("an erasure has to wait: %s", described(error), extra={"erasure": erasure.id})
            except Exception as error:  # whatever it is: the next one is somebody else's
                log.error("an erasure cannot go on", exc_info=error, extra={"erasure": erasure.id})

    async def _go_on(self, erasure: Erasure, context: Context) -> None:
        erasures = Erasures(self._db.on(context))
        if erasure.step is Step.COUNT:
            await self._ask_all(erasure, self._count, context)
            if erasure.all_counted(self._make):
                return await self._purge(erasure, context)
        else:
            await self._ask_all(erasure, self._clear, context)
            if erasure.all_confirmed(self._make):
                return await self._complete(erasure, context)
        # The longer it takes, the less often it is looked at.
        age = self._clock() - erasure.created_at
        return await erasures.rest(erasure.id, min(max(age / 10, _AT_ONCE), _SELDOM))

    async def _ask_all(
        self, erasure: Erasure, ask: Callable[[str, Erasure, Context], Awaitable[None]], context: Context
    ) -> None:
        """Ask each service and keep what it says; one that is away holds up no other."""
        for name in self._make:
            try:
                await ask(name, erasure, context)
            except LumiError as error:
                log.warning(
                    "%s is not asked about somebody yet: %s", name, described(error), extra={"erasure": erasure.id}
                )
            await Erasures(self._db).keep(erasure, name)

    async def _count(self, name: str, erasure: Erasure, context: Context) -> None:
        """Have a service say what it has; what it keeps of their calls it empties already."""
        if erasure.of(name).counted:
            return
        there = await self._walk(name, erasure, context)
        erasure.of(name).add({table: rows for table, rows in there.items() if not table.endswith(_WAITING)})
        erasure.of(name).counted = True

    async def _purge(self, erasure: Erasure, context: Context) -> None:
        """Let the account go, with the step that says so; what names it elsewhere follows the event."""
        async with self._db.transaction(context, "erasure.purged") as tx:
            users = UserRepository(tx)
            try:
                before = await users.remove(await users.lock(erasure.subject_id, include_deleted=True))
            except NotFound:  # somebody else has brought it on, or a hand has deleted it
                before = Before()
            gone = replace(erasure, guest_ids=list(before.guests), cart_ids=list(before.carts))
            await Erasures(tx).to(Step.ERASE, gone, _AT_ONCE)

    async def _complete(self, erasure: Erasure, context: Context) -> None:
        """End it; by now the audit has heard all that there was to hear, and what it filed late is forgotten too."""
        async with self._db.transaction(context, "erasure.completed") as tx:
            await forget_late(tx, erasure.subject_id, erasure.cart_ids)
            await Erasures(tx).to(Step.COMPLETE, erasure, _AT_ONCE)

    async def _clear(self, name: str, erasure: Erasure, context: Context) -> None:
        """Have a service empty what it has left, and then let go of what its stream holds of it."""
        progress = erasure.of(name)
        if progress.confirmed_at:
            return
        if not progress.until_seq:
            if await self._walk(name, erasure, context):
                return
            _, progress.until_seq = await self._forget(name, erasure, context)
        if not progress.until_seq or (await self._forget(name, erasure, context))[0]:
            progress.confirmed_at = self._clock().isoformat()

    async def _walk(self, name: str, erasure: Erasure, context: Context) -> dict[str, int]:
        """Ask through all of a service's events; what it has left, by table."""
        progress, person = erasure.of(name), Person(erasure.subject_id, tuple(erasure.guest_ids))
        while True:
            told = await self._holder(name).erase(person, progress.next_seq, self._request_id(name, erasure), context)
            progress.hear(*told)
            if not progress.next_seq:
                return progress.left
            await Erasures(self._db).keep(erasure, name)

    async def _forget(self, name: str, erasure: Erasure, context: Context) -> tuple[bool, int]:
        progress = erasure.of(name)
        answer = await self._holder(name).forget_events(progress.until_seq, self._request_id(name, erasure), context)
        progress.asked += 1
        return answer

    def _request_id(self, name: str, erasure: Erasure) -> str:
        """The same for a question whose answer was never kept: its rows are counted once."""
        return str(uuid5(NAMESPACE_URL, f"{erasure.id}/{name}/{erasure.step}/{erasure.of(name).asked}"))

    def _holder(self, name: str) -> Holder:
        if name not in self._made:
            self._made[name] = self._make[name]()
        return self._made[name]
