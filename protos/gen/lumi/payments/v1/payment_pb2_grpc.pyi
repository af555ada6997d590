from collections.abc import Awaitable
from typing import Any

import grpc.aio
import lumi._aio
import lumi.payments.v1.payment_pb2

class PaymentServiceStub:
    def __init__(self, channel: grpc.aio.Channel) -> None: ...
    CreatePayment: lumi._aio.Unary[lumi.payments.v1.payment_pb2.CreatePaymentRequest, lumi.payments.v1.payment_pb2.Payment]
    GetPayment: lumi._aio.Unary[lumi.payments.v1.payment_pb2.GetPaymentRequest, lumi.payments.v1.payment_pb2.Payment]
    ListPayments: lumi._aio.Unary[lumi.payments.v1.payment_pb2.ListPaymentsRequest, lumi.payments.v1.payment_pb2.ListPaymentsResponse]
    CapturePayment: lumi._aio.Unary[lumi.payments.v1.payment_pb2.CapturePaymentRequest, lumi.payments.v1.payment_pb2.Payment]
    VoidPayment: lumi._aio.Unary[lumi.payments.v1.payment_pb2.VoidPaymentRequest, lumi.payments.v1.payment_pb2.Payment]
    RecordManualPayment: lumi._aio.Unary[lumi.payments.v1.payment_pb2.RecordManualPaymentRequest, lumi.payments.v1.payment_pb2.Payment]

class PaymentServiceServicer:
    def CreatePayment(self, request: lumi.payments.v1.payment_pb2.CreatePaymentRequest, context: Any) -> Awaitable[lumi.payments.v1.payment_pb2.Payment]: ...
    def GetPayment(self, request: lumi.payments.v1.payment_pb2.GetPaymentRequest, context: Any) -> Awaitable[lumi.payments.v1.payment_pb2.Payment]: ...
    def ListPayments(self, request: lumi.payments.v1.payment_pb2.ListPaymentsRequest, context: Any) -> Awaitable[lumi.payments.v1.payment_pb2.ListPaymentsResponse]: ...
    def CapturePayment(self, request: lumi.payments.v1.payment_pb2.CapturePaymentRequest, context: Any) -> Awaitable[lumi.payments.v1.payment_pb2.Payment]: ...
    def VoidPayment(self, request: lumi.payments.v1.payment_pb2.VoidPaymentRequest, context: Any) -> Awaitable[lumi.payments.v1.payment_pb2.Payment]: ...
    def RecordManualPayment(self, request: lumi.payments.v1.payment_pb2.RecordManualPaymentRequest, context: Any) -> Awaitable[lumi.payments.v1.payment_pb2.Payment]: ...

def add_PaymentServiceServicer_to_server(
    servicer: PaymentServiceServicer, server: grpc.aio.Server
) -> None: ...
