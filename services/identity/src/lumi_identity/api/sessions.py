"""SessionService: where somebody is signed in, and how they end it."""

from functools import partial

from google.protobuf.empty_pb2 import Empty
from lumi.identity.v1.session_pb2 import (
    ListSessionsRequest,
    ListSessionsResponse,
    RevokeAllSessionsRequest,
    RevokeAllSessionsResponse,
    RevokeSessionRequest,
)
from lumi.identity.v1.session_pb2_grpc import SessionServiceServicer

from lumi_common.context import Context
from lumi_common.db.database import Database, Executor, Row
from lumi_identity.api import convert
from lumi_identity.storage.sessions import LIVE, revoke, revoke_all
from lumi_identity.storage.users import UserRepository


class SessionService(SessionServiceServicer):
    def __init__(self, db: Database) -> None:
        self._db = db

    async def ListSessions(self, request: ListSessionsRequest, context: Context) -> ListSessionsResponse:
        user_id = await _whose(self._db, request.user_id, context)
        page = await LIVE.page(self._db, _as_it_is, size=request.page_size, token=request.page_token, user_id=user_id)
        shown = partial(convert.session_to_proto, asking=context.principal.session_id)
        return ListSessionsResponse(sessions=map(shown, page.items), next_page_token=page.next_page_token)

    async def RevokeSession(self, request: RevokeSessionRequest, context: Context) -> Empty:
        async with self._db.command(request, context) as command:
            if command.fresh:
                await revoke(command, request.id, context)
                command.answer = Empty()
        return command.answer

    async def RevokeAllSessions(self, request: RevokeAllSessionsRequest, context: Context) -> RevokeAllSessionsResponse:
        stays = "" if request.including_this else context.principal.session_id
        async with self._db.command(request, context) as command:
            if command.fresh:
                user_id = await _whose(command, request.user_id, context)
                command.answer = RevokeAllSessionsResponse(count=await revoke_all(command, user_id, context, but=stays))
        return command.answer


async def _whose(on: Executor, user_id: str, context: Context) -> str:
    """The user who is meant, the caller unless another is named; raises NotFound."""
    own = context.principal.id
    if not user_id or user_id == own:
        return own
    return (await UserRepository(on).get(user_id, owner=context.owner)).id


def _as_it_is(row: Row) -> Row:
    return row
