"""UserService: accounts as their owners and staff see them."""

import asyncio
from datetime import timedelta

from google.protobuf.empty_pb2 import Empty
from lumi.identity.v1.user_pb2 import (
    BatchGetUsersRequest,
    BatchGetUsersResponse,
    CreateUserRequest,
    DeleteUserRequest,
    GetMeRequest,
    GetUserRequest,
    ListUsersRequest,
    ListUsersResponse,
    PurgeUserRequest,
    ReactivateUserRequest,
    RemoveTwoFactorRequest,
    SuspendUserRequest,
    UndeleteUserRequest,
    UnlockUserRequest,
    UpdateMeRequest,
    UpdateUserRequest,
    User,
)
from lumi.identity.v1.user_pb2_grpc import UserServiceServicer

from lumi_common.clock import Clock
from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_common.db.request import Command
from lumi_identity.api import convert
from lumi_identity.domain import user as domain
from lumi_identity.domain.phone import e164
from lumi_identity.domain.user import composed, normalised_email
from lumi_identity.storage.access import RoleRepository, get_holdings
from lumi_identity.storage.erasures import expect_not_erased
from lumi_identity.storage.users import LISTING, UserRepository
from lumi_identity.workflows.attempts import Attempts

_OWNERS = ("first_name", "last_name", "phone")
_STAFFS = ("email", *_OWNERS)


class UserService(UserServiceServicer):
    """`no_password` is a hash that no password has: an account that staff make waits for its owner to choose one."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        *,
        attempts: Attempts,
        no_password: str,
        phone_region: str,
        undelete_window: timedelta,
        hearing: timedelta,
    ) -> None:
        self._db, self._clock, self._attempts, self._no_password = db, clock, attempts, no_password
        self._region, self._window, self._hearing = phone_region, undelete_window, hearing

    async def GetMe(self, request: GetMeRequest, context: Context) -> User:
        return convert.user_to_proto(await UserRepository(self._db).get(context.principal.id))

    async def GetUser(self, request: GetUserRequest, context: Context) -> User:
        user = await UserRepository(self._db).get(request.id, include_deleted=request.include_deleted)
        return convert.user_to_proto(user)

    async def ListUsers(self, request: ListUsersRequest, context: Context) -> ListUsersResponse:
        page = await LISTING.page(
            self._db,
            UserRepository.row,
            size=request.page_size,
            token=request.page_token,
            live=None if request.include_deleted else True,
            status=convert.USER_STATUSES.get(request.status),
            email_prefix=composed(request.email_prefix) or None,
            start=convert.moment(request, "start_time"),
            end=convert.moment(request, "end_time"),
        )
        return ListUsersResponse(users=map(convert.user_to_proto, page.items), next_page_token=page.next_page_token)

    async def BatchGetUsers(self, request: BatchGetUsersRequest, context: Context) -> BatchGetUsersResponse:
        users = await UserRepository(self._db).find_many(request.ids)
        return BatchGetUsersResponse(users=map(convert.user_to_proto, users))

    async def CreateUser(self, request: CreateUserRequest, context: Context) -> User:
        given, now = request.user, self._clock()
        made = domain.User(
            id=cuid(),
            email=normalised_email(given.email),
            password_hash=self._no_password,
            first_name=given.first_name or None,
            last_name=given.last_name or None,
            phone=e164(given.phone, self._region, field="user.phone"),
            created_at=now,
            updated_at=now,
        )
        async with self._db.command(request, context) as command:
            if command.fresh:
                command.answer = convert.user_to_proto(await UserRepository(command).create(made, context))
        return command.answer

    async def UpdateMe(self, request: UpdateMeRequest, context: Context) -> User:
        return await self._update(request, context.principal.id, _OWNERS, context)

    async def UpdateUser(self, request: UpdateUserRequest, context: Context) -> User:
        return await self._update(request, request.user.id, _STAFFS, context)

    async def SuspendUser(self, request: SuspendUserRequest, context: Context) -> User:
        async with self._db.command(request, context) as command:
            if command.fresh:
                user = await _hold_leaving(command, request.id)
                if user.suspend(request.etag):
                    user = await UserRepository(command).save_suspended(user, context)
                command.answer = convert.user_to_proto(user)
        return command.answer

    async def ReactivateUser(self, request: ReactivateUserRequest, context: Context) -> User:
        async with self._db.command(request, context) as command:
            if command.fresh:
                users = UserRepository(command)
                user = await users.hold(request.id)
                if user.reactivate(request.etag):
                    user = await users.save_reactivated(user, context)
                command.answer = convert.user_to_proto(user)
        return command.answer

    async def UnlockUser(self, request: UnlockUserRequest, context: Context) -> User:
        async with self._db.command(request, context) as command:
            if command.fresh:
                users = UserRepository(command)
                user = await users.hold(request.id)
                user.expect(request.etag)
                unlocked = await users.unlock(user, self._attempts.account_key(user.email), context)
                command.answer = convert.user_to_proto(unlocked)
        return command.answer

    async def RemoveTwoFactor(self, request: RemoveTwoFactorRequest, context: Context) -> User:
        async with self._db.command(request, context) as command:
            if command.fresh:
                users = UserRepository(command)
                user = await users.hold(request.id)
                user.expect(request.etag)
                await _expect_covered(command, user.id, context)
                command.answer = convert.user_to_proto(await users.remove_two_factor(user, context))
        return command.answer

    async def DeleteUser(self, request: DeleteUserRequest, context: Context) -> User:
        async with self._db.command(request, context) as command:
            if command.fresh:
                if context.owner_only and request.id != context.principal.id:
                    raise UserRepository.not_found(request.id)
                user = await _hold_leaving(command, request.id)
                user.delete(self._clock(), request.etag)
                command.answer = convert.user_to_proto(await UserRepository(command).save_deleted(user, context))
        return command.answer

    async def UndeleteUser(self, request: UndeleteUserRequest, context: Context) -> User:
        async with self._db.command(request, context) as command:
            if command.fresh:
                users = UserRepository(command)
                user = await users.lock(request.id, include_deleted=True)
                await expect_not_erased(command, user.id)
                if user.undelete(self._clock(), window=self._window, etag=request.etag):
                    user = await users.save_undeleted(user, context)
                command.answer = convert.user_to_proto(user)
        return command.answer

    async def PurgeUser(self, request: PurgeUserRequest, context: Context) -> Empty:
        await self._until_heard(request.id)
        async with self._db.command(request, context) as command:
            if command.fresh:
                users = UserRepository(command)
                user = await users.lock(request.id, include_deleted=True)
                await expect_not_erased(command, user.id)
                user.expect_purgeable(request.etag)
                await users.remove(user)
                command.answer = Empty()
        return command.answer

    async def _until_heard(self, id: str) -> None:
        """Wait until every process has heard that the account was deleted: once it is gone nothing tells them."""
        user = await UserRepository(self._db).find(id, include_deleted=True)
        if user is not None and user.deleted_at is not None:
            await asyncio.sleep((user.deleted_at + self._hearing - self._clock()).total_seconds())

    async def _update(
        self, request: UpdateMeRequest | UpdateUserRequest, id: str, settable: tuple[str, ...], context: Context
    ) -> User:
        changes = convert.changes_of_user(request, settable, region=self._region)
        async with self._db.command(request, context) as command:
            if command.fresh:
                users = UserRepository(command)
                user = await users.hold(id)
                old_email, changed = user.email, user.change(changes, request.etag)
                if "email" in changed:
                    await _expect_covered(command, user.id, context)
                if changed:
                    user = await users.save_changed(user, changed, context)
                if "email" in changed:
                    await users.move(user, old_email, context)
                command.answer = convert.user_to_proto(user)
        return command.answer


async def _expect_covered(command: Command, id: str, context: Context) -> None:
    """Raise PermissionDenied where a user may do what the caller may not: who takes their account could."""
    caller = await get_holdings(command, context.principal.id)
    caller.check_covers((await get_holdings(command, id)).permissions)


async def _hold_leaving(command: Command, id: str) -> domain.User:
    """The user, held, who is not the last admin; raises NotFound, FailedPrecondition."""
    roles = RoleRepository(command)
    # Held before the user, as by whoever gives and takes roles: of two admins who go at once one stays.
    admins = await roles.lock_admins()
    user = await UserRepository(command).hold(id)
    if admins is not None and await roles.is_held(admins.id, user.id):
        admins.check_leaving(await roles.other_holders(admins.id, user.id))
    return user
