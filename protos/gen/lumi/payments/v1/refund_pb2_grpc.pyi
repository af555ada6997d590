from collections.abc import Awaitable
from typing import Any

import grpc.aio
import lumi._aio
import lumi.payments.v1.refund_pb2

class RefundServiceStub:
    def __init__(self, channel: grpc.aio.Channel) -> None: ...
    CreateRefund: lumi._aio.Unary[lumi.payments.v1.refund_pb2.CreateRefundRequest, lumi.payments.v1.refund_pb2.Refund]
    GetRefund: lumi._aio.Unary[lumi.payments.v1.refund_pb2.GetRefundRequest, lumi.payments.v1.refund_pb2.Refund]
    ListRefunds: lumi._aio.Unary[lumi.payments.v1.refund_pb2.ListRefundsRequest, lumi.payments.v1.refund_pb2.ListRefundsResponse]

class RefundServiceServicer:
    def CreateRefund(self, request: lumi.payments.v1.refund_pb2.CreateRefundRequest, context: Any) -> Awaitable[lumi.payments.v1.refund_pb2.Refund]: ...
    def GetRefund(self, request: lumi.payments.v1.refund_pb2.GetRefundRequest, context: Any) -> Awaitable[lumi.payments.v1.refund_pb2.Refund]: ...
    def ListRefunds(self, request: lumi.payments.v1.refund_pb2.ListRefundsRequest, context: Any) -> Awaitable[lumi.payments.v1.refund_pb2.ListRefundsResponse]: ...

def add_RefundServiceServicer_to_server(
    servicer: RefundServiceServicer, server: grpc.aio.Server
) -> None: ...
