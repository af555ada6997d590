"""Signing in, and proving anew who one is. Between what is read and what is written a password is hashed, so nothing
is held meanwhile.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from lumi_common.context import Context
from lumi_common.db.database import Database
from lumi_common.errors import FailedPrecondition, InvalidArgument, Unauthenticated
from lumi_identity.domain.errors import Reason
from lumi_identity.domain.one_time_token import Purpose, new_token
from lumi_identity.domain.passwords import Passwords
from lumi_identity.domain.security import SecurityEvent
from lumi_identity.domain.user import User, UserStatus, normalised_email
from lumi_identity.storage import one_time_tokens, two_factor, users
from lumi_identity.storage.security import note
from lumi_identity.storage.users import UserRepository
from lumi_identity.threads import Threads
from lumi_identity.workflows.attempts import Attempts
from lumi_identity.workflows.sessions import AccessToken, Sessions, Tokens
from lumi_identity.workflows.two_factor import Proof, TwoFactor, not_enabled, wrong_code


class SignedIn(NamedTuple):
    """A session that has begun."""

    tokens: Tokens
    user: User


class Challenge(NamedTuple):
    """What stands for a right password until the second factor is there."""

    token: str
    expires_at: datetime


class SignIn:
    """Begins the sessions of those who prove who they are; a challenge is good for `challenge_life`."""

    def __init__(
        self,
        database: Database,
        *,
        passwords: Passwords,
        threads: Threads,
        sessions: Sessions,
        attempts: Attempts,
        two_factor: TwoFactor,
        challenge_life: timedelta,
    ) -> None:
        self._database, self._sessions = database, sessions
        self._passwords, self._password_threads = passwords, threads
        self._attempts, self._two_factor, self._challenge_life = attempts, two_factor, challenge_life

    async def sign_in(
        self, context: Context, *, email: str, password: str, fingerprint: str | None
    ) -> SignedIn | Challenge:
        """Begin a session, or ask for the second factor of who has one; raises Unauthenticated unless e-mail and
        password belong together, ResourceExhausted after too many tries.

        Every try takes the same statements and the time of one hashing, whether there is such a user or not.
        """
        email = normalised_email(email)
        async with self._attempts.reserve(context, email) as attempt:
            row = await self._database.fetchrow(users.FIND_BY_EMAIL, email=email)
            stored = self._passwords.decoy if row is None else row["password_hash"]
            verified = await self._password_threads.run(self._passwords.verify, password, stored)
            if row is None or not verified:
                await attempt.failed(None if row is None else row["id"])
                raise _wrong()
            user = UserRepository.row(row)
            if user.status is not UserStatus.ACTIVE:
                await note(self._database, SecurityEvent.SIGN_IN_REFUSED, user.id, context, {"status": user.status})
                raise FailedPrecondition(Reason.USER_SUSPENDED, "the account is suspended")
            if not self._passwords.is_current(user.password_hash):
                await self._rehash(context, user, password)
            if user.two_factor_enabled:
                await attempt.release()
                return await self._challenge(user)
            tokens = await self._sessions.begin(context, user, fingerprint=fingerprint)
            if tokens is None:
                raise _wrong()
            await attempt.succeeded()
            return SignedIn(tokens, user)

    async def verify(self, context: Context, *, challenge: str, proof: Proof, fingerprint: str | None) -> SignedIn:
        """Begin the session that a challenge stands for; raises Unauthenticated for a challenge that is not good,
        InvalidArgument for a wrong code, ResourceExhausted after too many.
        """
        row = await two_factor.try_challenge(self._database, challenge)
        if row is None:
            raise _no_challenge()
        user = UserRepository.row(row)
        async with self._attempts.reserve(context, user.email) as attempt:
            # Before the code is taken: who finds no room here may try again with the same one.
            prepared = await self._sessions.prepare()
            async with self._database.transaction(context) as tx:
                right = await self._two_factor.accept(tx, context, user.id, proof)
                if right and not await one_time_tokens.use(tx, Purpose.TWO_FACTOR, challenge):
                    raise _no_challenge()
            if not right:
                await attempt.failed(user.id, SecurityEvent.TWO_FACTOR_FAILED)
                raise wrong_code(proof)
            tokens = await self._sessions.begin(context, user, fingerprint=fingerprint, prepared=prepared)
            if tokens is None:
                raise _no_challenge()
            await attempt.succeeded()
            return SignedIn(tokens, user)

    async def step_up(self, context: Context, *, password: str, proof: Proof) -> AccessToken:
        """An access token of the caller's session that counts as a fresh proof; `password` is empty where `proof` has
        something. Raises InvalidArgument for a wrong one, ResourceExhausted after too many.
        """
        user = await UserRepository(self._database).get(context.principal.id)
        if user.two_factor_enabled and password:
            raise FailedPrecondition(Reason.TWO_FACTOR_REQUIRED, "the account has a second factor: give a code of it")
        if not user.two_factor_enabled and not password:
            raise not_enabled()
        async with self._attempts.reserve(context, user.email) as attempt:
            if password:
                if not await self._password_threads.run(self._passwords.verify, password, user.password_hash):
                    await attempt.failed(user.id)
                    raise InvalidArgument(Reason.PASSWORD_WRONG, "the password is another", field="password")
            else:
                async with self._database.transaction(context) as tx:
                    right = await self._two_factor.accept(tx, context, user.id, proof)
                if not right:
                    await attempt.failed(user.id, SecurityEvent.TWO_FACTOR_FAILED)
                    raise wrong_code(proof)
            token = await self._sessions.step_up(context)
            await attempt.succeeded()
        await note(self._database, SecurityEvent.STEPPED_UP, user.id, context)
        return token

    async def _challenge(self, user: User) -> Challenge:
        token = new_token()
        ends = await two_factor.issue_challenge(self._database, user, token, self._challenge_life)
        if ends is None:
            raise _wrong()
        return Challenge(token, ends)

    async def _rehash(self, context: Context, user: User, password: str) -> None:
        hashed = await self._password_threads.run(self._passwords.hash, password)
        row = await self._database.on(context).fetchrow(
            users.REHASH, user_id=user.id, old_hash=user.password_hash, new_hash=hashed
        )
        if row is not None:
            user.password_hash, user.version, user.updated_at = hashed, row["version"], row["updated_at"]


def _wrong() -> Unauthenticated:
    return Unauthenticated(Reason.CREDENTIALS_INVALID, "e-mail and password do not belong together")


def _no_challenge() -> Unauthenticated:
    return Unauthenticated(Reason.TWO_FACTOR_CHALLENGE_INVALID, "the challenge is not good")
