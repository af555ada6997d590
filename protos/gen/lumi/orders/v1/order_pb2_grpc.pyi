from collections.abc import Awaitable
from typing import Any

import grpc.aio
import lumi._aio
import lumi.orders.v1.order_pb2

class OrderServiceStub:
    def __init__(self, channel: grpc.aio.Channel) -> None: ...
    PlaceOrder: lumi._aio.Unary[lumi.orders.v1.order_pb2.PlaceOrderRequest, lumi.orders.v1.order_pb2.PlaceOrderResponse]
    GetOrder: lumi._aio.Unary[lumi.orders.v1.order_pb2.GetOrderRequest, lumi.orders.v1.order_pb2.Order]
    GetOrderByReference: lumi._aio.Unary[lumi.orders.v1.order_pb2.GetOrderByReferenceRequest, lumi.orders.v1.order_pb2.Order]
    ListOrders: lumi._aio.Unary[lumi.orders.v1.order_pb2.ListOrdersRequest, lumi.orders.v1.order_pb2.ListOrdersResponse]
    CancelOrder: lumi._aio.Unary[lumi.orders.v1.order_pb2.CancelOrderRequest, lumi.orders.v1.order_pb2.Order]
    BatchGetOrderStates: lumi._aio.Unary[lumi.orders.v1.order_pb2.BatchGetOrderStatesRequest, lumi.orders.v1.order_pb2.BatchGetOrderStatesResponse]

class OrderServiceServicer:
    def PlaceOrder(self, request: lumi.orders.v1.order_pb2.PlaceOrderRequest, context: Any) -> Awaitable[lumi.orders.v1.order_pb2.PlaceOrderResponse]: ...
    def GetOrder(self, request: lumi.orders.v1.order_pb2.GetOrderRequest, context: Any) -> Awaitable[lumi.orders.v1.order_pb2.Order]: ...
    def GetOrderByReference(self, request: lumi.orders.v1.order_pb2.GetOrderByReferenceRequest, context: Any) -> Awaitable[lumi.orders.v1.order_pb2.Order]: ...
    def ListOrders(self, request: lumi.orders.v1.order_pb2.ListOrdersRequest, context: Any) -> Awaitable[lumi.orders.v1.order_pb2.ListOrdersResponse]: ...
    def CancelOrder(self, request: lumi.orders.v1.order_pb2.CancelOrderRequest, context: Any) -> Awaitable[lumi.orders.v1.order_pb2.Order]: ...
    def BatchGetOrderStates(self, request: lumi.orders.v1.order_pb2.BatchGetOrderStatesRequest, context: Any) -> Awaitable[lumi.orders.v1.order_pb2.BatchGetOrderStatesResponse]: ...

def add_OrderServiceServicer_to_server(
    servicer: OrderServiceServicer, server: grpc.aio.Server
) -> None: ...
