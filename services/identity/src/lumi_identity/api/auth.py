"""AuthService: accounts, sessions and the keys that verify their tokens."""

from google.protobuf.empty_pb2 import Empty
from google.protobuf.timestamp_pb2 import Timestamp
from lumi.identity.v1.auth_pb2 import (
    ChangePasswordRequest,
    CreateGuestSessionRequest,
    GetJwksRequest,
    GuestSession,
    Jwks,
    ListRevocationsRequest,
    ListRevocationsResponse,
    RefreshTokenRequest,
    RefreshTokenResponse,
    RequestEmailVerificationRequest,
    RequestPasswordResetRequest,
    ResetPasswordRequest,
    SignInRequest,
    SignInResponse,
    SignOutRequest,
    SignUpRequest,
    StepUpRequest,
    StepUpResponse,
    VerifyEmailRequest,
    VerifyTwoFactorRequest,
)
from lumi.identity.v1.auth_pb2_grpc import AuthServiceServicer
from lumi.identity.v1.user_pb2 import User

from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_common.principal import Principal
from lumi_common.rpc.convert import time_to_proto
from lumi_identity.api import convert
from lumi_identity.domain.phone import e164
from lumi_identity.storage.revocations import list_revocations
from lumi_identity.workflows.accounts import Accounts
from lumi_identity.workflows.keyring import Keyring
from lumi_identity.workflows.sessions import Sessions
from lumi_identity.workflows.sign_in import SignIn
from lumi_identity.workflows.two_factor import Proof


class AuthService(AuthServiceServicer):
    def __init__(
        self,
        db: Database,
        *,
        accounts: Accounts,
        sign_in: SignIn,
        sessions: Sessions,
        keyring: Keyring,
        phone_region: str,
    ) -> None:
        self._db, self._accounts, self._sign_in = db, accounts, sign_in
        self._sessions, self._keyring, self._phone_region = sessions, keyring, phone_region

    async def SignUp(self, request: SignUpRequest, context: Context) -> User:
        user = await self._accounts.sign_up(
            context,
            email=request.email,
            password=request.password,
            first_name=request.first_name or None,
            last_name=request.last_name or None,
            phone=e164(request.phone, self._phone_region),
        )
        return convert.user_to_proto(user)

    async def RequestEmailVerification(self, request: RequestEmailVerificationRequest, context: Context) -> Empty:
        async with self._db.command(request, context) as command:
            if command.fresh:
                await self._accounts.request_verification(command, context)
                command.answer = Empty()
        return command.answer

    async def VerifyEmail(self, request: VerifyEmailRequest, context: Context) -> Empty:
        await self._accounts.verify_email(context, request.token)
        return Empty()

    async def RequestPasswordReset(self, request: RequestPasswordResetRequest, context: Context) -> Empty:
        await self._accounts.request_reset(context, request.email)
        return Empty()

    async def ResetPassword(self, request: ResetPasswordRequest, context: Context) -> Empty:
        await self._accounts.reset_password(context, token=request.token, password=request.new_password)
        return Empty()

    async def ChangePassword(self, request: ChangePasswordRequest, context: Context) -> Empty:
        await self._accounts.change_password(context, current=request.current_password, password=request.new_password)
        return Empty()

    async def SignIn(self, request: SignInRequest, context: Context) -> SignInResponse:
        outcome = await self._sign_in.sign_in(
            context, email=request.email, password=request.password, fingerprint=request.fingerprint or None
        )
        return convert.sign_in_to_proto(outcome)

    async def VerifyTwoFactor(self, request: VerifyTwoFactorRequest, context: Context) -> SignInResponse:
        signed_in = await self._sign_in.verify(
            context,
            challenge=request.challenge,
            proof=Proof(request.code, request.recovery_code),
            fingerprint=request.fingerprint or None,
        )
        return convert.sign_in_to_proto(signed_in)

    async def StepUp(self, request: StepUpRequest, context: Context) -> StepUpResponse:
        token = await self._sign_in.step_up(
            context, password=request.password, proof=Proof(request.code, request.recovery_code)
        )
        return StepUpResponse(access_token=token.token, access_token_expire_time=time_to_proto(token.expires_at))

    async def RefreshToken(self, request: RefreshTokenRequest, context: Context) -> RefreshTokenResponse:
        tokens = await self._sessions.refresh(context, request.refresh_token)
        return RefreshTokenResponse(tokens=convert.tokens_to_proto(tokens))

    async def SignOut(self, request: SignOutRequest, context: Context) -> Empty:
        async with self._db.command(request, context) as command:
            if command.fresh:
                await self._sessions.sign_out(command, context)
                command.answer = Empty()
        return command.answer

    async def CreateGuestSession(self, request: CreateGuestSessionRequest, context: Context) -> GuestSession:
        id = cuid()
        token, expires = self._keyring.sign(Principal("guest", id, session_id=id))
        return GuestSession(session_id=id, access_token=token, expire_time=Timestamp(seconds=expires))

    async def GetJwks(self, request: GetJwksRequest, context: Context) -> Jwks:
        return convert.jwks_to_proto(await self._keyring.jwks())

    async def ListRevocations(self, request: ListRevocationsRequest, context: Context) -> ListRevocationsResponse:
        return convert.revocations_to_proto(await list_revocations(self._db, request.cursor))
