from collections.abc import Awaitable
from typing import Any

import grpc.aio
import lumi._aio
import lumi.common.v1.operations_pb2

class OperationsServiceStub:
    def __init__(self, channel: grpc.aio.Channel) -> None: ...
    ListDeadLetters: lumi._aio.Unary[lumi.common.v1.operations_pb2.ListDeadLettersRequest, lumi.common.v1.operations_pb2.ListDeadLettersResponse]
    RedriveDeadLetter: lumi._aio.Unary[lumi.common.v1.operations_pb2.RedriveDeadLetterRequest, lumi.common.v1.operations_pb2.DeadLetter]
    SkipDeadLetter: lumi._aio.Unary[lumi.common.v1.operations_pb2.SkipDeadLetterRequest, lumi.common.v1.operations_pb2.DeadLetter]
    RepublishEvents: lumi._aio.Unary[lumi.common.v1.operations_pb2.RepublishEventsRequest, lumi.common.v1.operations_pb2.RepublishEventsResponse]

class OperationsServiceServicer:
    def ListDeadLetters(self, request: lumi.common.v1.operations_pb2.ListDeadLettersRequest, context: Any) -> Awaitable[lumi.common.v1.operations_pb2.ListDeadLettersResponse]: ...
    def RedriveDeadLetter(self, request: lumi.common.v1.operations_pb2.RedriveDeadLetterRequest, context: Any) -> Awaitable[lumi.common.v1.operations_pb2.DeadLetter]: ...
    def SkipDeadLetter(self, request: lumi.common.v1.operations_pb2.SkipDeadLetterRequest, context: Any) -> Awaitable[lumi.common.v1.operations_pb2.DeadLetter]: ...
    def RepublishEvents(self, request: lumi.common.v1.operations_pb2.RepublishEventsRequest, context: Any) -> Awaitable[lumi.common.v1.operations_pb2.RepublishEventsResponse]: ...

def add_OperationsServiceServicer_to_server(
    servicer: OperationsServiceServicer, server: grpc.aio.Server
) -> None: ...
