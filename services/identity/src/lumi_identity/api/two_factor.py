"""TwoFactorService: the second factor of the caller's own account."""

from google.protobuf.empty_pb2 import Empty
from lumi.identity.v1.two_factor_pb2 import (
    ConfirmTotpRequest,
    DisableTotpRequest,
    EnrollTotpRequest,
    EnrollTotpResponse,
    RecoveryCodes,
    RegenerateRecoveryCodesRequest,
)
from lumi.identity.v1.two_factor_pb2_grpc import TwoFactorServiceServicer

from lumi_common.context import Context
from lumi_identity.workflows.two_factor import Proof, TwoFactor


class TwoFactorService(TwoFactorServiceServicer):
    def __init__(self, two_factor: TwoFactor) -> None:
        self._two_factor = two_factor

    async def EnrollTotp(self, request: EnrollTotpRequest, context: Context) -> EnrollTotpResponse:
        enrolment = await self._two_factor.enrol(context)
        return EnrollTotpResponse(secret=enrolment.secret, otpauth_uri=enrolment.uri)

    async def ConfirmTotp(self, request: ConfirmTotpRequest, context: Context) -> RecoveryCodes:
        return RecoveryCodes(recovery_codes=await self._two_factor.confirm(context, request.code))

    async def DisableTotp(self, request: DisableTotpRequest, context: Context) -> Empty:
        await self._two_factor.disable(context, Proof(request.code, request.recovery_code))
        return Empty()

    async def RegenerateRecoveryCodes(self, request: RegenerateRecoveryCodesRequest, context: Context) -> RecoveryCodes:
        return RecoveryCodes(recovery_codes=await self._two_factor.regenerate(context))
