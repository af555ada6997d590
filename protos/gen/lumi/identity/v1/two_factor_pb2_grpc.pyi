from collections.abc import Awaitable
from typing import Any

import grpc.aio
import lumi._aio
import google.protobuf.empty_pb2
import lumi.identity.v1.two_factor_pb2

class TwoFactorServiceStub:
    def __init__(self, channel: grpc.aio.Channel) -> None: ...
    EnrollTotp: lumi._aio.Unary[lumi.identity.v1.two_factor_pb2.EnrollTotpRequest, lumi.identity.v1.two_factor_pb2.EnrollTotpResponse]
    ConfirmTotp: lumi._aio.Unary[lumi.identity.v1.two_factor_pb2.ConfirmTotpRequest, lumi.identity.v1.two_factor_pb2.RecoveryCodes]
    DisableTotp: lumi._aio.Unary[lumi.identity.v1.two_factor_pb2.DisableTotpRequest, google.protobuf.empty_pb2.Empty]
    RegenerateRecoveryCodes: lumi._aio.Unary[lumi.identity.v1.two_factor_pb2.RegenerateRecoveryCodesRequest, lumi.identity.v1.two_factor_pb2.RecoveryCodes]

class TwoFactorServiceServicer:
    def EnrollTotp(self, request: lumi.identity.v1.two_factor_pb2.EnrollTotpRequest, context: Any) -> Awaitable[lumi.identity.v1.two_factor_pb2.EnrollTotpResponse]: ...
    def ConfirmTotp(self, request: lumi.identity.v1.two_factor_pb2.ConfirmTotpRequest, context: Any) -> Awaitable[lumi.identity.v1.two_factor_pb2.RecoveryCodes]: ...
    def DisableTotp(self, request: lumi.identity.v1.two_factor_pb2.DisableTotpRequest, context: Any) -> Awaitable[google.protobuf.empty_pb2.Empty]: ...
    def RegenerateRecoveryCodes(self, request: lumi.identity.v1.two_factor_pb2.RegenerateRecoveryCodesRequest, context: Any) -> Awaitable[lumi.identity.v1.two_factor_pb2.RecoveryCodes]: ...

def add_TwoFactorServiceServicer_to_server(
    servicer: TwoFactorServiceServicer, server: grpc.aio.Server
) -> None: ...
