"""Accounts, made by those whose they are."""

from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_identity.domain.password_policy import check_password
from lumi_identity.domain.passwords import Passwords
from lumi_identity.domain.user import User, normalised_email
from lumi_identity.storage import users
from lumi_identity.storage.security import facts
from lumi_identity.storage.users import UserRepository
from lumi_identity.threads import Threads


class Accounts:
    """Makes accounts; a password is hashed before anything is written, so nothing is held meanwhile."""

    def __init__(self, database: Database, *, passwords: Passwords, threads: Threads) -> None:
        self._database, self._passwords, self._password_threads = database, passwords, threads

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
