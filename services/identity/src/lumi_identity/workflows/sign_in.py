"""Signing in. Between what is read and what is written a password is hashed, so nothing is held."""

from lumi_common.context import Context
from lumi_common.db.database import Database
from lumi_common.errors import FailedPrecondition, Unauthenticated
from lumi_identity.domain.errors import Reason
from lumi_identity.domain.passwords import Passwords
from lumi_identity.domain.user import User, UserStatus, normalised_email
from lumi_identity.storage import users
from lumi_identity.storage.security import facts
from lumi_identity.storage.users import UserRepository
from lumi_identity.threads import Threads
from lumi_identity.workflows.sessions import Sessions, Tokens


class SignIn:
    """Begins the sessions of those who know their password."""

    def __init__(self, database: Database, *, passwords: Passwords, threads: Threads, sessions: Sessions) -> None:
        self._database, self._sessions = database, sessions
        self._passwords, self._password_threads = passwords, threads

    async def sign_in(
        self, context: Context, *, email: str, password: str, fingerprint: str | None
    ) -> tuple[Tokens, User]:
        """Begin a session; raises Unauthenticated unless e-mail and password belong together.

        Every try takes the time of one hashing, whether there is such a user or not.
        """
        row = await self._database.fetchrow(users.FIND_BY_EMAIL, email=normalised_email(email))
        stored = self._passwords.decoy if row is None else row["password_hash"]
        verified = await self._password_threads.run(self._passwords.verify, password, stored)
        if row is None or not verified:
            user_id = None if row is None else row["id"]
            await self._database.fetch(users.SIGN_IN_FAILED, user_id=user_id, **facts(context))
            raise _wrong()
        user = UserRepository.row(row)
        if user.status is not UserStatus.ACTIVE:
            raise FailedPrecondition(Reason.USER_SUSPENDED, "the account is suspended")
        if not self._passwords.is_current(user.password_hash):
            await self._rehash(context, user, password)
        tokens = await self._sessions.begin(context, user, fingerprint=fingerprint)
        if tokens is None:
            raise _wrong()
        return tokens, user

    async def _rehash(self, context: Context, user: User, password: str) -> None:
        hashed = await self._password_threads.run(self._passwords.hash, password)
        row = await self._database.on(context).fetchrow(
            users.REHASH, user_id=user.id, old_hash=user.password_hash, new_hash=hashed
        )
        if row is not None:
            user.password_hash, user.version, user.updated_at = hashed, row["version"], row["updated_at"]


def _wrong() -> Unauthenticated:
    return Unauthenticated(Reason.CREDENTIALS_INVALID, "e-mail and password do not belong together")
