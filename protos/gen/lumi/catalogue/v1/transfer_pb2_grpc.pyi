from collections.abc import Awaitable
from typing import Any

import grpc.aio
import lumi._aio
import lumi.catalogue.v1.transfer_pb2

class TransferServiceStub:
    def __init__(self, channel: grpc.aio.Channel) -> None: ...
    ImportProducts: lumi._aio.Unary[lumi.catalogue.v1.transfer_pb2.ImportProductsRequest, lumi.catalogue.v1.transfer_pb2.ImportProductsResponse]

class TransferServiceServicer:
    def ImportProducts(self, request: lumi.catalogue.v1.transfer_pb2.ImportProductsRequest, context: Any) -> Awaitable[lumi.catalogue.v1.transfer_pb2.ImportProductsResponse]: ...

def add_TransferServiceServicer_to_server(
    servicer: TransferServiceServicer, server: grpc.aio.Server
) -> None: ...
