from collections.abc import Awaitable
from typing import Any

import grpc.aio
import lumi._aio
import google.protobuf.empty_pb2
import lumi.catalogue.v1.variant_pb2

class VariantServiceStub:
    def __init__(self, channel: grpc.aio.Channel) -> None: ...
    CreateVariant: lumi._aio.Unary[lumi.catalogue.v1.variant_pb2.CreateVariantRequest, lumi.catalogue.v1.variant_pb2.ProductVariant]
    GetVariant: lumi._aio.Unary[lumi.catalogue.v1.variant_pb2.GetVariantRequest, lumi.catalogue.v1.variant_pb2.ProductVariant]
    ListVariants: lumi._aio.Unary[lumi.catalogue.v1.variant_pb2.ListVariantsRequest, lumi.catalogue.v1.variant_pb2.ListVariantsResponse]
    DeleteVariant: lumi._aio.Unary[lumi.catalogue.v1.variant_pb2.DeleteVariantRequest, google.protobuf.empty_pb2.Empty]
    ResolveVariants: lumi._aio.Unary[lumi.catalogue.v1.variant_pb2.ResolveVariantsRequest, lumi.catalogue.v1.variant_pb2.ResolveVariantsResponse]

class VariantServiceServicer:
    def CreateVariant(self, request: lumi.catalogue.v1.variant_pb2.CreateVariantRequest, context: Any) -> Awaitable[lumi.catalogue.v1.variant_pb2.ProductVariant]: ...
    def GetVariant(self, request: lumi.catalogue.v1.variant_pb2.GetVariantRequest, context: Any) -> Awaitable[lumi.catalogue.v1.variant_pb2.ProductVariant]: ...
    def ListVariants(self, request: lumi.catalogue.v1.variant_pb2.ListVariantsRequest, context: Any) -> Awaitable[lumi.catalogue.v1.variant_pb2.ListVariantsResponse]: ...
    def DeleteVariant(self, request: lumi.catalogue.v1.variant_pb2.DeleteVariantRequest, context: Any) -> Awaitable[google.protobuf.empty_pb2.Empty]: ...
    def ResolveVariants(self, request: lumi.catalogue.v1.variant_pb2.ResolveVariantsRequest, context: Any) -> Awaitable[lumi.catalogue.v1.variant_pb2.ResolveVariantsResponse]: ...

def add_VariantServiceServicer_to_server(
    servicer: VariantServiceServicer, server: grpc.aio.Server
) -> None: ...
