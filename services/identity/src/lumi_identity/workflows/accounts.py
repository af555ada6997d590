"""Signing up, in, on and out. Between what is read and what is written a password is hashed, so nothing is held."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database, Executor, Row
from lumi_common.errors import FailedPrecondition, Unauthenticated
from lumi_common.principal import Principal
from lumi_identity.domain.errors import Reason
from lumi_identity.domain.password_policy import check_password
from lumi_identity.domain.passwords import Passwords
from lumi_identity.domain.session import RefreshTokens, Use, parse
from lumi_identity.domain.user import User, UserStatus, normalised_email
from lumi_identity.storage import sessions, users
from lumi_identity.storage.security import facts
from lumi_identity.storage.users import UserRepository
from lumi_identity.threads import Threads
from lumi_identity.workflows.keyring import Keyring


@dataclass(frozen=True)
class Tokens:
    """What a client carries through a session, with the times at which each ends."""

    session_id: str
    access_token: str
    access_expires_at: datetime
    refresh_token: str
    refresh_expires_at: datetime


class Accounts:
    """Accounts and their sessions; `session_life` is how long a session lives without being refreshed."""

    def __init__(
        self,
        database: Database,
        *,
        passwords: Passwords,
        refresh_tokens: RefreshTokens,
        keyring: Keyring,
        password_threads: Threads,
        token_threads: Threads,
        session_life: timedelta,
    ) -> None:
        self._database, self._keyring, self._life = database, keyring, session_life
        self._passwords, self._password_threads = passwords, password_threads
        self._refresh_tokens, self._token_threads = refresh_tokens, token_threads

    async def sign_up(
        self,
        context: Context,
        *,
        email: str,
        password: str,
        first_name: str | None,
        last_name: str | None,
        phone: str | None,
    ) -> User:
        """Make an account; raises InvalidArgument for a weak password, AlreadyExists for a taken e-mail."""
        email = normalised_email(email)
        hashed = await self._password_threads.run(self._passwords.hash, check_password(password, email=email))
        row = await self._database.on(context).fetchrow(
            users.SIGN_UP,
            id=cuid(),
            email=email,
            password_hash=hashed,
            first_name=first_name,
            last_name=last_name,
            phone=phone,
            **facts(context),
        )
        assert row is not None
        return UserRepository.row(row)

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
        return await self._begin(context, user, fingerprint), user

    async def refresh(self, context: Context, refresh_token: str) -> Tokens:
        """The successors of a refresh token; raises Unauthenticated for one that is not good, or no longer."""
        presented = parse(refresh_token)
        while presented is not None:
            row = await self._database.fetchrow(sessions.FIND, session_id=presented.session_id)
            if row is None:
                break
            session = sessions.session(row)
            use = await self._token_threads.run(self._refresh_tokens.judge, session, presented.secret)
            if use is Use.CURRENT:
                rotated = await self._rotate(session.id, session.generation)
                if rotated is not None:
                    return self._tokens(session.id, session.generation + 1, rotated)
                continue  # another call came first: look again at what this token is by now
            if use is Use.REPEATED:
                return self._tokens(session.id, session.generation, row)
            if use is Use.REUSED:
                await self._database.fetch(sessions.REVOKE_FAMILY, family_id=session.family_id, **facts(context))
                raise Unauthenticated(Reason.REFRESH_TOKEN_REUSED, "the refresh token was used before")
            break
        raise Unauthenticated(Reason.REFRESH_TOKEN_INVALID, "the refresh token is not good")

    async def sign_out(self, on: Executor, context: Context) -> None:
        """End the session of the caller's access token."""
        principal = context.principal
        await on.fetch(sessions.SIGN_OUT, session_id=principal.session_id, user_id=principal.id, **facts(context))

    async def _rehash(self, context: Context, user: User, password: str) -> None:
        hashed = await self._password_threads.run(self._passwords.hash, password)
        row = await self._database.on(context).fetchrow(
            users.REHASH, user_id=user.id, old_hash=user.password_hash, new_hash=hashed
        )
        if row is not None:
            user.password_hash, user.version, user.updated_at = hashed, row["version"], row["updated_at"]

    async def _begin(self, context: Context, user: User, fingerprint: str | None) -> Tokens:
        session_id = cuid()
        row = await self._database.fetchrow(
            sessions.OPEN,
            user_id=user.id,
            password_hash=user.password_hash,
            session_id=session_id,
            refresh_token_hash=await self._token_threads.run(self._refresh_tokens.hash, session_id, 1),
            fingerprint=fingerprint,
            lifetime=self._life,
            **facts(context),
        )
        if row is None:  # suspended, deleted, or given another password since it was verified
            raise _wrong()
        return self._tokens(session_id, 1, row)

    async def _rotate(self, session_id: str, generation: int) -> Row | None:
        hashed = await self._token_threads.run(self._refresh_tokens.hash, session_id, generation + 1)
        return await self._database.fetchrow(
            sessions.ROTATE,
            session_id=session_id,
            generation=generation,
            refresh_token_hash=hashed,
            lifetime=self._life,
        )

    def _tokens(self, session_id: str, generation: int, row: Row) -> Tokens:
        principal = Principal.user(row["user_id"], row["permissions"], session_id)
        access_token, expires = self._keyring.sign(principal)
        return Tokens(
            session_id=session_id,
            access_token=access_token,
            access_expires_at=datetime.fromtimestamp(expires, UTC),
            refresh_token=self._refresh_tokens.token(session_id, generation),
            refresh_expires_at=row["expires_at"],
        )


def _wrong() -> Unauthenticated:
    return Unauthenticated(Reason.CREDENTIALS_INVALID, "e-mail and password do not belong together")
