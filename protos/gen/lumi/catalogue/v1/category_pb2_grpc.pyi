from collections.abc import Awaitable
from typing import Any

import grpc.aio
import lumi._aio
import google.protobuf.empty_pb2
import lumi.catalogue.v1.category_pb2

class CategoryServiceStub:
    def __init__(self, channel: grpc.aio.Channel) -> None: ...
    CreateCategory: lumi._aio.Unary[lumi.catalogue.v1.category_pb2.CreateCategoryRequest, lumi.catalogue.v1.category_pb2.Category]
    GetCategory: lumi._aio.Unary[lumi.catalogue.v1.category_pb2.GetCategoryRequest, lumi.catalogue.v1.category_pb2.Category]
    ListCategories: lumi._aio.Unary[lumi.catalogue.v1.category_pb2.ListCategoriesRequest, lumi.catalogue.v1.category_pb2.ListCategoriesResponse]
    DeleteCategory: lumi._aio.Unary[lumi.catalogue.v1.category_pb2.DeleteCategoryRequest, google.protobuf.empty_pb2.Empty]

class CategoryServiceServicer:
    def CreateCategory(self, request: lumi.catalogue.v1.category_pb2.CreateCategoryRequest, context: Any) -> Awaitable[lumi.catalogue.v1.category_pb2.Category]: ...
    def GetCategory(self, request: lumi.catalogue.v1.category_pb2.GetCategoryRequest, context: Any) -> Awaitable[lumi.catalogue.v1.category_pb2.Category]: ...
    def ListCategories(self, request: lumi.catalogue.v1.category_pb2.ListCategoriesRequest, context: Any) -> Awaitable[lumi.catalogue.v1.category_pb2.ListCategoriesResponse]: ...
    def DeleteCategory(self, request: lumi.catalogue.v1.category_pb2.DeleteCategoryRequest, context: Any) -> Awaitable[google.protobuf.empty_pb2.Empty]: ...

def add_CategoryServiceServicer_to_server(
    servicer: CategoryServiceServicer, server: grpc.aio.Server
) -> None: ...
