from collections.abc import Awaitable
from typing import Any

import grpc.aio
import lumi._aio
import lumi.identity.v1.privacy_pb2

class PrivacyServiceStub:
    def __init__(self, channel: grpc.aio.Channel) -> None: ...
    ExportUserData: lumi._aio.Unary[lumi.identity.v1.privacy_pb2.ExportUserDataRequest, lumi.identity.v1.privacy_pb2.ExportUserDataResponse]
    EraseUser: lumi._aio.Unary[lumi.identity.v1.privacy_pb2.EraseUserRequest, lumi.identity.v1.privacy_pb2.ErasureReceipt]
    GetErasureReceipt: lumi._aio.Unary[lumi.identity.v1.privacy_pb2.GetErasureReceiptRequest, lumi.identity.v1.privacy_pb2.ErasureReceipt]

class PrivacyServiceServicer:
    def ExportUserData(self, request: lumi.identity.v1.privacy_pb2.ExportUserDataRequest, context: Any) -> Awaitable[lumi.identity.v1.privacy_pb2.ExportUserDataResponse]: ...
    def EraseUser(self, request: lumi.identity.v1.privacy_pb2.EraseUserRequest, context: Any) -> Awaitable[lumi.identity.v1.privacy_pb2.ErasureReceipt]: ...
    def GetErasureReceipt(self, request: lumi.identity.v1.privacy_pb2.GetErasureReceiptRequest, context: Any) -> Awaitable[lumi.identity.v1.privacy_pb2.ErasureReceipt]: ...

def add_PrivacyServiceServicer_to_server(
    servicer: PrivacyServiceServicer, server: grpc.aio.Server
) -> None: ...
