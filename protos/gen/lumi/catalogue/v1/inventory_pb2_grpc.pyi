from collections.abc import Awaitable
from typing import Any

import grpc.aio
import lumi._aio
import lumi.catalogue.v1.inventory_pb2

class InventoryServiceStub:
    def __init__(self, channel: grpc.aio.Channel) -> None: ...
    GetInventory: lumi._aio.Unary[lumi.catalogue.v1.inventory_pb2.GetInventoryRequest, lumi.catalogue.v1.inventory_pb2.Inventory]
    AdjustInventory: lumi._aio.Unary[lumi.catalogue.v1.inventory_pb2.AdjustInventoryRequest, lumi.catalogue.v1.inventory_pb2.Inventory]
    SetInventory: lumi._aio.Unary[lumi.catalogue.v1.inventory_pb2.SetInventoryRequest, lumi.catalogue.v1.inventory_pb2.Inventory]
    ReserveStock: lumi._aio.Unary[lumi.catalogue.v1.inventory_pb2.ReserveStockRequest, lumi.catalogue.v1.inventory_pb2.ReserveStockResponse]
    CommitReservation: lumi._aio.Unary[lumi.catalogue.v1.inventory_pb2.CommitReservationRequest, lumi.catalogue.v1.inventory_pb2.Reservation]
    ReleaseReservation: lumi._aio.Unary[lumi.catalogue.v1.inventory_pb2.ReleaseReservationRequest, lumi.catalogue.v1.inventory_pb2.Reservation]

class InventoryServiceServicer:
    def GetInventory(self, request: lumi.catalogue.v1.inventory_pb2.GetInventoryRequest, context: Any) -> Awaitable[lumi.catalogue.v1.inventory_pb2.Inventory]: ...
    def AdjustInventory(self, request: lumi.catalogue.v1.inventory_pb2.AdjustInventoryRequest, context: Any) -> Awaitable[lumi.catalogue.v1.inventory_pb2.Inventory]: ...
    def SetInventory(self, request: lumi.catalogue.v1.inventory_pb2.SetInventoryRequest, context: Any) -> Awaitable[lumi.catalogue.v1.inventory_pb2.Inventory]: ...
    def ReserveStock(self, request: lumi.catalogue.v1.inventory_pb2.ReserveStockRequest, context: Any) -> Awaitable[lumi.catalogue.v1.inventory_pb2.ReserveStockResponse]: ...
    def CommitReservation(self, request: lumi.catalogue.v1.inventory_pb2.CommitReservationRequest, context: Any) -> Awaitable[lumi.catalogue.v1.inventory_pb2.Reservation]: ...
    def ReleaseReservation(self, request: lumi.catalogue.v1.inventory_pb2.ReleaseReservationRequest, context: Any) -> Awaitable[lumi.catalogue.v1.inventory_pb2.Reservation]: ...

def add_InventoryServiceServicer_to_server(
    servicer: InventoryServiceServicer, server: grpc.aio.Server
) -> None: ...
