"""What a new deployment needs before anybody can sign in: permissions, the roles to begin with, the admin.

Each step looks first and writes what is missing: run again it changes nothing.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from logging import getLogger

from lumi_common.clock import Clock
from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database, Transaction
from lumi_identity.domain.password_policy import PasswordPolicy
from lumi_identity.domain.passwords import Passwords
from lumi_identity.domain.permissions import PERMISSIONS
from lumi_identity.domain.role import ADMIN, SEEDED_ROLES, Permission
from lumi_identity.domain.security import SecurityEvent
from lumi_identity.domain.user import User, UserStatus, normalised_email
from lumi_identity.storage import users
from lumi_identity.storage.access import PermissionRepository, RoleRepository, all_permissions, lock_access
from lumi_identity.storage.sessions import end_sessions
from lumi_identity.storage.users import UserRepository

_log = getLogger(__name__)


class Bootstrap:
    """Makes what is missing, in the name of the service."""

    def __init__(self, database: Database, passwords: Passwords, policy: PasswordPolicy, clock: Clock) -> None:
        self._database, self._passwords, self._policy, self._clock = database, passwords, policy, clock
        self._context = Context.system("identity.bootstrap")

    async def run(self, email: str, password: str) -> None:
        """Permissions, the roles that are missing, and the admin, whose password becomes this one.

        A role that is there stays as staff have made it, but for what a release brings: a permission that is new here
        goes once into the seeded roles that name it. The admins' role holds every permission.
        """
        role_id = await self._permissions_and_roles()
        await self._everything_to(role_id)
        if email:
            await self._admin(role_id, normalised_email(email), password)

    async def _permissions_and_roles(self) -> str:
        """What is missing of both; the id of the admins' role."""
        async with self._step() as tx:
            new = await self._permissions(tx)
            roles, ids = RoleRepository(tx), dict[str, str]()
            for seed in SEEDED_ROLES:
                there = await roles.find_by_name(seed.name)
                if there is None:
                    ids[seed.name] = await roles.make(seed)
                    continue
                ids[seed.name] = there.id
                if brought := sorted(new.intersection(seed.permissions)):
                    await roles.lock_with_permissions(there.id)
                    await roles.add_permissions(there.id, brought, self._context)
        return ids[ADMIN]

    async def _permissions(self, tx: Transaction) -> set[str]:
        """Make those that are missing and describe the others; the keys of those made."""
        repository, known = PermissionRepository(tx), {each.key: each for each in await all_permissions(tx)}
        for key, description in PERMISSIONS.items():
            there = known.get(key)
            if there is None:
                now = self._clock()
                await repository.insert(Permission(cuid(), key, description, now, now), "permission.created")
            elif there.description != description:
                there.description = description
                await repository.save(there, "permission.updated")
        return set(PERMISSIONS) - known.keys()

    async def _everything_to(self, role_id: str) -> None:
        async with self._step() as tx:
            repository = RoleRepository(tx)
            role = await repository.lock_with_permissions(role_id)
            missing = {each.key for each in await all_permissions(tx)}.difference(role.permissions)
            if missing:
                await repository.add_permissions(role_id, sorted(missing), self._context)

    async def _admin(self, role_id: str, email: str, password: str) -> None:
        row = await self._database.fetchrow(users.FIND_BY_EMAIL_WITH_DELETED, email=email)
        if row is None:
            user = await self._new_admin(email, password)
        else:
            user = UserRepository.row(row)
            if user.status is UserStatus.DELETED:
                _log.warning("the admin of the settings has been deleted and stays so")
                return
            await self._set_password(user, password)
        async with self._step() as tx:
            roles = RoleRepository(tx)
            await roles.lock_with_permissions(role_id)
            if not await roles.is_held(role_id, user.id):
                await roles.assign(role_id, user.id, self._context)

    async def _new_admin(self, email: str, password: str) -> User:
        self._policy.check(password, email=email)
        hashed = await asyncio.to_thread(self._passwords.hash, password)
        now = self._clock()
        async with self._step() as tx:
            user = User(cuid(), email, hashed, None, None, None, now, now)
            return await UserRepository(tx).insert(user, "user.created")

    async def _set_password(self, user: User, password: str) -> None:
        if await asyncio.to_thread(self._passwords.verify, password, user.password_hash):
            return
        self._policy.check(password, email=user.email)
        hashed = await asyncio.to_thread(self._passwords.hash, password)
        async with self._step() as tx:
            held = await UserRepository(tx).hold(user.id)  # whatever it is by now
            held.password_hash = hashed
            await UserRepository(tx).save(held, "user.password_changed")
            await end_sessions(tx, user.id, SecurityEvent.PASSWORD_CHANGED, self._context)
        _log.info("the admin has another password")

    @asynccontextmanager
    async def _step(self) -> AsyncIterator[Transaction]:
        async with self._database.transaction(self._context) as tx:
            await lock_access(tx)
            yield tx
