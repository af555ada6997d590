"""UserService: accounts as their owners and staff see them."""

from datetime import timedelta

from google.protobuf.empty_pb2 import Empty
from lumi.identity.v1.user_pb2 import (
    DeleteUserRequest,
    GetMeRequest,
    GetUserRequest,
    PurgeUserRequest,
    UndeleteUserRequest,
    User,
)
from lumi.identity.v1.user_pb2_grpc import UserServiceServicer

from lumi_common.clock import Clock
from lumi_common.context import Context
from lumi_common.db.database import Database
from lumi_identity.api import convert
from lumi_identity.storage.access import RoleRepository
from lumi_identity.storage.users import UserRepository


class UserService(UserServiceServicer):
    def __init__(self, db: Database, clock: Clock, *, undelete_window: timedelta) -> None:
        self._db, self._clock, self._window = db, clock, undelete_window

    async def GetMe(self, request: GetMeRequest, context: Context) -> User:
        return convert.user_to_proto(await UserRepository(self._db).get(context.principal.id))

    async def GetUser(self, request: GetUserRequest, context: Context) -> User:
        user = await UserRepository(self._db).get(request.id, include_deleted=request.include_deleted)
        return convert.user_to_proto(user)

    async def DeleteUser(self, request: DeleteUserRequest, context: Context) -> User:
        async with self._db.command(request, context) as command:
            if command.fresh:
                if context.owner_only and request.id != context.principal.id:
                    raise UserRepository.not_found(request.id)
                roles, users = RoleRepository(command), UserRepository(command)
                # Held before the user, as by whoever gives and takes roles: of two admins who go at once one stays.
                admins = await roles.lock_admins()
                user = await users.hold(request.id)
                if admins is not None and await roles.is_held(admins.id, user.id):
                    admins.check_leaving(await roles.other_holders(admins.id, user.id))
                user.delete(self._clock(), request.etag)
                command.answer = convert.user_to_proto(await users.save_deleted(user, context))
        answer: User = command.answer
        return answer

    async def UndeleteUser(self, request: UndeleteUserRequest, context: Context) -> User:
        async with self._db.command(request, context) as command:
            if command.fresh:
                users = UserRepository(command)
                user = await users.lock(request.id, include_deleted=True)
                if user.undelete(self._clock(), window=self._window, etag=request.etag):
                    user = await users.save_undeleted(user, context)
                command.answer = convert.user_to_proto(user)
        answer: User = command.answer
        return answer

    async def PurgeUser(self, request: PurgeUserRequest, context: Context) -> Empty:
        async with self._db.command(request, context) as command:
            if command.fresh:
                users = UserRepository(command)
                user = await users.lock(request.id, include_deleted=True)
                user.expect_purgeable(request.etag)
                await users.remove(user)
                command.answer = Empty()
        answer: Empty = command.answer
        return answer
