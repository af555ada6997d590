"""AuthService: accounts, sessions and the keys that verify their tokens."""

from google.protobuf.empty_pb2 import Empty
from google.protobuf.timestamp_pb2 import Timestamp
from lumi.identity.v1.auth_pb2 import (
    CreateGuestSessionRequest,
    GetJwksRequest,
    GuestSession,
    Jwks,
    RefreshTokenRequest,
    RefreshTokenResponse,
    SignInRequest,
    SignInResponse,
    SignOutRequest,
    SignUpRequest,
)
from lumi.identity.v1.auth_pb2_grpc import AuthServiceServicer
from lumi.identity.v1.user_pb2 import User

from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_common.principal import Principal
from lumi_identity.api import convert
from lumi_identity.workflows.accounts import Accounts
from lumi_identity.workflows.keyring import Keyring
from lumi_identity.workflows.sessions import Sessions
from lumi_identity.workflows.sign_in import SignIn


class AuthService(AuthServiceServicer):
    def __init__(
        self, db: Database, *, accounts: Accounts, sign_in: SignIn, sessions: Sessions, keyring: Keyring
    ) -> None:
        self._db, self._accounts, self._sign_in = db, accounts, sign_in
        self._sessions, self._keyring = sessions, keyring

    async def SignUp(self, request: SignUpRequest, context: Context) -> User:
        user = await self._accounts.sign_up(
            context,
            email=request.email,
            password=request.password,
            first_name=request.first_name or None,
            last_name=request.last_name or None,
            phone=request.phone or None,
        )
        return convert.user_to_proto(user)

    async def SignIn(self, request: SignInRequest, context: Context) -> SignInResponse:
        tokens, user = await self._sign_in.sign_in(
            context, email=request.email, password=request.password, fingerprint=request.fingerprint or None
        )
        return SignInResponse(tokens=convert.tokens_to_proto(tokens), user=convert.user_to_proto(user))

    async def RefreshToken(self, request: RefreshTokenRequest, context: Context) -> RefreshTokenResponse:
        tokens = await self._sessions.refresh(context, request.refresh_token)
        return RefreshTokenResponse(tokens=convert.tokens_to_proto(tokens))

    async def SignOut(self, request: SignOutRequest, context: Context) -> Empty:
        async with self._db.command(request, context) as command:
            if command.fresh:
                await self._sessions.sign_out(command, context)
                command.answer = Empty()
        answer: Empty = command.answer
        return answer

    async def CreateGuestSession(self, request: CreateGuestSessionRequest, context: Context) -> GuestSession:
        id = cuid()
        token, expires = self._keyring.sign(Principal("guest", id, session_id=id))
        return GuestSession(session_id=id, access_token=token, expire_time=Timestamp(seconds=expires))

    async def GetJwks(self, request: GetJwksRequest, context: Context) -> Jwks:
        return convert.jwks_to_proto(await self._keyring.jwks())
