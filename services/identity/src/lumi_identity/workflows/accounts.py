"""Accounts, made and looked after by those whose they are.

A password is hashed before anything is written, so nothing is held meanwhile.
"""

from lumi_common.clock import Clock
from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database, Executor
from lumi_common.errors import InvalidArgument, Unauthenticated
from lumi_identity.domain.errors import Reason
from lumi_identity.domain.mails import Template
from lumi_identity.domain.one_time_token import Purpose
from lumi_identity.domain.password_policy import PasswordPolicy
from lumi_identity.domain.passwords import Passwords
from lumi_identity.domain.security import SecurityEvent
from lumi_identity.domain.user import User, normalised_email
from lumi_identity.storage import mails, one_time_tokens, users
from lumi_identity.storage.security import facts, note
from lumi_identity.storage.sessions import end_sessions
from lumi_identity.storage.sign_in_attempts import unlock
from lumi_identity.storage.users import UserRepository
from lumi_identity.threads import Threads
from lumi_identity.workflows.attempts import Attempts


class Accounts:
    """Makes accounts, and changes what their users prove themselves by."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        passwords: Passwords,
        policy: PasswordPolicy,
        threads: Threads,
        attempts: Attempts,
    ) -> None:
        self._database, self._clock, self._attempts = database, clock, attempts
        self._passwords, self._policy, self._password_threads = passwords, policy, threads

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
        hashed = await self._hashed(self._policy.check(password, email=email))
        row = await self._database.on(context).fetchrow(
            users.SIGN_UP,
            id=cuid(),
            email=email,
            password_hash=hashed,
            first_name=first_name,
            last_name=last_name,
            phone=phone,
            **facts(context),
            **mails.mail_facts(),
        )
        assert row is not None
        return UserRepository.row(row)

    async def request_verification(self, on: Executor, context: Context) -> None:
        """Let the caller be mailed another link to verify their e-mail; raises NotFound for a deleted account."""
        user = await UserRepository(on).get(context.principal.id)
        if not user.email_verified:
            await mails.queue(on, user.email, Template.VERIFY_EMAIL, {"user_id": user.id})

    async def verify_email(self, context: Context, token: str) -> None:
        """Take a mail's token as proof of its account's e-mail; raises Unauthenticated for one that is not good."""
        holder = await one_time_tokens.find_holder(self._database, Purpose.VERIFY_EMAIL, token)
        if holder is None:
            raise _no_token()
        async with self._database.transaction(context) as tx:
            # The user first, as by whoever mails them another token.
            user = await self._held(tx, holder)
            if not await one_time_tokens.use(tx, Purpose.VERIFY_EMAIL, token):
                raise _no_token()
            if user.verify_email(self._clock()):
                await UserRepository(tx).save(user, "user.email_verified")
                await note(tx, SecurityEvent.EMAIL_VERIFIED, user.id, context)

    async def request_reset(self, context: Context, email: str) -> None:
        """Let whoever has this e-mail be mailed a link to choose a new password.

        One statement writes the same for an e-mail that nobody has; what comes of it is decided when mails are sent.
        """
        await self._database.fetch(
            mails.REQUEST_RESET, email=normalised_email(email), **facts(context), **mails.mail_facts()
        )

    async def reset_password(self, context: Context, *, token: str, password: str) -> None:
        """Set a new password by a mail's token; raises Unauthenticated for one that is not good.

        Raises InvalidArgument for a weak password, after which the token still is good.
        """
        holder = await one_time_tokens.find_holder(self._database, Purpose.RESET_PASSWORD, token)
        user = None if holder is None else await UserRepository(self._database).find(holder)
        if user is None:
            raise _no_token()
        self._check(password, user)
        hashed = await self._hashed(password)
        async with self._database.transaction(context) as tx:
            user = await self._held(tx, user.id)
            if not await one_time_tokens.use(tx, Purpose.RESET_PASSWORD, token):
                raise _no_token()
            user.password_hash = hashed
            user.verify_email(self._clock())  # the mail reached them
            await UserRepository(tx).save(user, "user.password_reset")
            await end_sessions(tx, user.id, SecurityEvent.PASSWORD_RESET, context)
            await unlock(tx, user.id, self._attempts.account_key(user.email), context)
            await mails.queue(tx, user.email, Template.PASSWORD_CHANGED, {"user_id": user.id})

    async def change_password(self, context: Context, *, current: str, password: str) -> None:
        """Give the caller another password, and end their other sessions.

        Raises InvalidArgument for a wrong current password or a weak new one, ResourceExhausted after too many wrong.
        """
        user = await UserRepository(self._database).get(context.principal.id)
        self._check(password, user)
        async with self._attempts.reserve(context, user.email) as attempt:
            while True:
                if not await self._password_threads.run(self._passwords.verify, current, user.password_hash):
                    await attempt.failed(user.id)
                    raise InvalidArgument(
                        Reason.PASSWORD_WRONG, "the current password is another", field="current_password"
                    )
                if await self._change(context, user, await self._hashed(password)):
                    break
                # It was stored anew by a sign-in meanwhile, or is another.
                user = await UserRepository(self._database).get(user.id)
            await attempt.succeeded()

    async def _change(self, context: Context, user: User, hashed: str) -> bool:
        async with self._database.transaction(context) as tx:
            row = await tx.fetchrow(users.SET_PASSWORD, user_id=user.id, old_hash=user.password_hash, new_hash=hashed)
            if row is None:
                return False
            session = context.principal.session_id
            await end_sessions(tx, user.id, SecurityEvent.PASSWORD_CHANGED, context, but=session)
            await one_time_tokens.end(tx, user.id, Purpose.RESET_PASSWORD)
            await mails.queue(tx, user.email, Template.PASSWORD_CHANGED, {"user_id": user.id})
        return True

    async def _held(self, on: Executor, user_id: str) -> User:
        user = await UserRepository(on).find_held(user_id)
        if user is None:
            raise _no_token()
        return user

    async def _hashed(self, password: str) -> str:
        return await self._password_threads.run(self._passwords.hash, password)

    def _check(self, password: str, user: User) -> None:
        self._policy.check(password, email=user.email, two_factor=user.two_factor_enabled, field="new_password")


def _no_token() -> Unauthenticated:
    return Unauthenticated(Reason.ONE_TIME_TOKEN_INVALID, "the token is not good, or no longer: ask for another mail")
