"""The second factor: enrolled, confirmed, asked for and taken away."""

from typing import NamedTuple

from lumi_common.clock import Clock
from lumi_common.context import Context
from lumi_common.db.database import Database, Executor
from lumi_common.errors import FailedPrecondition, InvalidArgument
from lumi_identity.domain import recovery_codes, totp
from lumi_identity.domain.cipher import Cipher
from lumi_identity.domain.errors import Reason
from lumi_identity.domain.mails import Template
from lumi_identity.domain.security import SecurityEvent
from lumi_identity.domain.user import User
from lumi_identity.storage import two_factor
from lumi_identity.storage.mails import queue
from lumi_identity.storage.security import note
from lumi_identity.storage.users import UserRepository
from lumi_identity.workflows.attempts import Attempts


class Proof(NamedTuple):
    """What was given as the second factor: one of the two, the other is empty."""

    code: str
    recovery_code: str


class Enrolment(NamedTuple):
    """What an authenticator is set up with, told once."""

    secret: str
    uri: str


class TwoFactor:
    """Second factors of users; `issuer` is the name that authenticators show."""

    def __init__(self, database: Database, *, cipher: Cipher, attempts: Attempts, clock: Clock, issuer: str) -> None:
        self._database, self._cipher, self._attempts = database, cipher, attempts
        self._clock, self._issuer = clock, issuer

    async def enrol(self, context: Context) -> Enrolment:
        """A new secret for the caller, to be confirmed; raises FailedPrecondition while there is a second factor."""
        user_id, secret = context.principal.id, totp.new_secret()
        user = await UserRepository(self._database).get(user_id)
        sealed = self._cipher.seal(secret, user_id)
        if await self._database.on(context).fetchrow(two_factor.ENROL, user_id=user_id, sealed=sealed) is None:
            raise _enabled()
        return Enrolment(totp.text(secret), totp.uri(secret, account=user.email, issuer=self._issuer))

    async def confirm(self, context: Context, code: str) -> list[str]:
        """Make what the caller enrolled their second factor; the recovery codes, which are told once."""
        user = await UserRepository(self._database).get(context.principal.id)
        async with self._attempts.reserve(context, user.email) as attempt:
            async with self._database.transaction(context) as tx:
                codes = await self._enable(tx, context, user, code)
            if codes is None:
                await attempt.failed(user.id, SecurityEvent.TWO_FACTOR_FAILED)
                raise wrong_code()
            await attempt.succeeded()
        return codes

    async def _enable(self, tx: Executor, context: Context, user: User, code: str) -> list[str] | None:
        """The recovery codes beside what was enrolled, which counts from now on; None for a wrong code."""
        held = await tx.fetchrow(two_factor.LOCK, user_id=user.id)
        if held is None:
            raise UserRepository.not_found(user.id)
        if held["two_factor_enabled"]:
            raise _enabled()
        sealed = held["two_factor_secret"]
        if sealed is None:
            raise FailedPrecondition(Reason.TWO_FACTOR_NOT_ENROLLED, "there is nothing to be confirmed")
        step = totp.step_of(code, self._cipher.open(sealed, user.id), self._clock())
        if step is None or await tx.fetchrow(two_factor.ENABLE, user_id=user.id, sealed=sealed, step=step) is None:
            return None
        await note(tx, SecurityEvent.TWO_FACTOR_ENABLED, user.id, context, {"step": step})
        await queue(tx, user.email, Template.TWO_FACTOR_ENABLED, {"user_id": user.id})
        return await _other_codes(tx, user.id)

    async def disable(self, context: Context, proof: Proof) -> None:
        """Take the caller's second factor away, by a code of it."""
        user_id = context.principal.id
        user = await UserRepository(self._database).get(user_id)
        if not user.two_factor_enabled:
            raise not_enabled()
        async with self._attempts.reserve(context, user.email) as attempt:
            async with self._database.transaction(context) as tx:
                right = await self.accept(tx, context, user_id, proof)
                if right:
                    await tx.fetch(two_factor.DISABLE, user_id=user_id)
                    await two_factor.remove_codes(tx, user_id)
                    await note(tx, SecurityEvent.TWO_FACTOR_DISABLED, user_id, context)
                    await queue(tx, user.email, Template.TWO_FACTOR_DISABLED, {"user_id": user_id})
            if not right:
                await attempt.failed(user_id, SecurityEvent.TWO_FACTOR_FAILED)
                raise wrong_code(proof)
            await attempt.succeeded()

    async def regenerate(self, context: Context) -> list[str]:
        """Other recovery codes for the caller, which are told once."""
        user_id = context.principal.id
        async with self._database.transaction(context) as tx:
            held = await tx.fetchrow(two_factor.LOCK, user_id=user_id)
            if held is None or not held["two_factor_enabled"]:
                raise not_enabled()
            codes = await _other_codes(tx, user_id)
            await note(tx, SecurityEvent.RECOVERY_CODES_REPLACED, user_id, context)
        return codes

    async def accept(self, on: Executor, context: Context, user_id: str, proof: Proof) -> bool:
        """Whether it proves the second factor of a user; what was accepted once is not again. In a transaction."""
        held = await on.fetchrow(two_factor.LOCK, user_id=user_id)
        if held is None or not held["two_factor_enabled"]:
            return False
        if proof.recovery_code:
            if not await two_factor.use_code(on, user_id, recovery_codes.digest(proof.recovery_code, user_id)):
                return False
            left = {"left": await two_factor.codes_left(on, user_id)}
            await note(on, SecurityEvent.RECOVERY_CODE_USED, user_id, context, left)
            return True
        sealed = held["two_factor_secret"]
        secret = self._cipher.open(sealed, user_id)
        step = totp.step_of(proof.code, secret, self._clock())
        if step is None or await on.fetchrow(two_factor.TAKE_STEP, user_id=user_id, sealed=sealed, step=step) is None:
            return False
        await note(on, SecurityEvent.TWO_FACTOR_PASSED, user_id, context, {"step": step})
        if not self._cipher.is_current(sealed):
            resealed = self._cipher.seal(secret, user_id)
            await on.fetchrow(two_factor.RESEAL, user_id=user_id, sealed=sealed, resealed=resealed)
        return True


async def _other_codes(tx: Executor, user_id: str) -> list[str]:
    """Recovery codes in place of all that a user, who is held, has."""
    codes = recovery_codes.new_codes()
    await two_factor.replace_codes(tx, user_id, [recovery_codes.digest(each, user_id) for each in codes])
    return codes


def wrong_code(proof: Proof | None = None) -> InvalidArgument:
    """The refusal of a code that is wrong or was used before."""
    field = "recovery_code" if proof is not None and proof.recovery_code else "code"
    return InvalidArgument(Reason.TWO_FACTOR_CODE_INVALID, "the code is not good", field=field)


def not_enabled() -> FailedPrecondition:
    """The refusal of a code where none is asked for."""
    return FailedPrecondition(Reason.TWO_FACTOR_NOT_ENABLED, "the account has no second factor")


def _enabled() -> FailedPrecondition:
    return FailedPrecondition(Reason.TWO_FACTOR_ENABLED, "the account has a second factor already")
