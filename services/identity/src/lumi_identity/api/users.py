"""UserService: accounts as their owners and staff see them."""

from lumi.identity.v1.user_pb2 import GetMeRequest, GetUserRequest, User
from lumi.identity.v1.user_pb2_grpc import UserServiceServicer

from lumi_common.context import Context
from lumi_common.db.database import Database
from lumi_identity.api import convert
from lumi_identity.storage.users import UserRepository


class UserService(UserServiceServicer):
    def __init__(self, db: Database) -> None:
        self._users = UserRepository(db)

    async def GetMe(self, request: GetMeRequest, context: Context) -> User:
        return convert.user_to_proto(await self._users.get(context.principal.id))

    async def GetUser(self, request: GetUserRequest, context: Context) -> User:
        return convert.user_to_proto(await self._users.get(request.id))
