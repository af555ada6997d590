from collections.abc import Awaitable
from typing import Any

import grpc.aio
import lumi._aio
import lumi.catalogue.v1.product_pb2

class ProductServiceStub:
    def __init__(self, channel: grpc.aio.Channel) -> None: ...
    CreateProduct: lumi._aio.Unary[lumi.catalogue.v1.product_pb2.CreateProductRequest, lumi.catalogue.v1.product_pb2.Product]
    GetProduct: lumi._aio.Unary[lumi.catalogue.v1.product_pb2.GetProductRequest, lumi.catalogue.v1.product_pb2.Product]
    GetProductBySlug: lumi._aio.Unary[lumi.catalogue.v1.product_pb2.GetProductBySlugRequest, lumi.catalogue.v1.product_pb2.Product]
    ListProducts: lumi._aio.Unary[lumi.catalogue.v1.product_pb2.ListProductsRequest, lumi.catalogue.v1.product_pb2.ListProductsResponse]
    PublishProduct: lumi._aio.Unary[lumi.catalogue.v1.product_pb2.PublishProductRequest, lumi.catalogue.v1.product_pb2.Product]

class ProductServiceServicer:
    def CreateProduct(self, request: lumi.catalogue.v1.product_pb2.CreateProductRequest, context: Any) -> Awaitable[lumi.catalogue.v1.product_pb2.Product]: ...
    def GetProduct(self, request: lumi.catalogue.v1.product_pb2.GetProductRequest, context: Any) -> Awaitable[lumi.catalogue.v1.product_pb2.Product]: ...
    def GetProductBySlug(self, request: lumi.catalogue.v1.product_pb2.GetProductBySlugRequest, context: Any) -> Awaitable[lumi.catalogue.v1.product_pb2.Product]: ...
    def ListProducts(self, request: lumi.catalogue.v1.product_pb2.ListProductsRequest, context: Any) -> Awaitable[lumi.catalogue.v1.product_pb2.ListProductsResponse]: ...
    def PublishProduct(self, request: lumi.catalogue.v1.product_pb2.PublishProductRequest, context: Any) -> Awaitable[lumi.catalogue.v1.product_pb2.Product]: ...

def add_ProductServiceServicer_to_server(
    servicer: ProductServiceServicer, server: grpc.aio.Server
) -> None: ...
