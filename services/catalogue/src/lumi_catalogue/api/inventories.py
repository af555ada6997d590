"""InventoryService: how many there are, and who holds some back for an order."""

from lumi.catalogue.v1.inventory_pb2 import (
    AdjustInventoryRequest,
    CommitReservationRequest,
    GetInventoryRequest,
    Inventory,
    ReleaseReservationRequest,
    Reservation,
    ReserveStockRequest,
    ReserveStockResponse,
    SetInventoryRequest,
)
from lumi.catalogue.v1.inventory_pb2_grpc import InventoryServiceServicer

from lumi_catalogue.api import convert
from lumi_catalogue.domain.reservation import Line, check_committed
from lumi_catalogue.storage import endings, inventories, reservations
from lumi_catalogue.workflows.reservation import Asked, Reservations
from lumi_common.context import Context
from lumi_common.db.database import Database
from lumi_common.db.request import request_hash

ReserveCall = tuple[ReserveStockRequest, Context]


def asked(call: ReserveCall) -> Asked:
    """What a call wants reserved."""
    request, context = call
    return Asked(
        order_id=request.order_id,
        lines=[Line(line.product_variant_id, line.quantity) for line in request.lines],
        context=context,
        request_id=request.request_id,
        request_hash=request_hash(request, context),
    )


class InventoryService(InventoryServiceServicer):
    def __init__(self, db: Database, desk: Reservations[ReserveCall, ReserveStockResponse]) -> None:
        self._db, self._desk = db, desk

    async def GetInventory(self, request: GetInventoryRequest, context: Context) -> Inventory:
        return convert.inventory_to_proto(await inventories.get(self._db, request.product_variant_id))

    async def AdjustInventory(self, request: AdjustInventoryRequest, context: Context) -> Inventory:
        async with self._db.command(request, context) as command:
            if command.fresh:
                inventory, policy = await inventories.lock(command, request.product_variant_id)
                inventory.adjust(request.delta, policy, request.etag)
                saved = await inventories.save(
                    command, inventory, "inventory.adjusted", delta=request.delta, reason=request.reason
                )
                command.answer = convert.inventory_to_proto(saved)
        return command.answer

    async def SetInventory(self, request: SetInventoryRequest, context: Context) -> Inventory:
        threshold = request.low_stock_threshold if request.HasField("low_stock_threshold") else None
        async with self._db.command(request, context) as command:
            if command.fresh:
                inventory, policy = await inventories.lock(command, request.product_variant_id)
                delta = inventory.count(request.quantity_on_hand, policy, threshold, request.etag)
                saved = await inventories.save(command, inventory, "inventory.set", delta=delta, reason=request.reason)
                command.answer = convert.inventory_to_proto(saved)
        return command.answer

    async def ReserveStock(self, request: ReserveStockRequest, context: Context) -> ReserveStockResponse:
        return await self._desk.reserve((request, context))

    async def CommitReservation(self, request: CommitReservationRequest, context: Context) -> Reservation:
        async with self._db.command(request, context) as command:
            if command.fresh:
                await endings.commit(command, request.order_id)
                held = await reservations.of_order(command, request.order_id)
                check_committed(request.order_id, held)
                command.answer = convert.held_to_proto(request.order_id, held)
        return command.answer

    async def ReleaseReservation(self, request: ReleaseReservationRequest, context: Context) -> Reservation:
        async with self._db.command(request, context) as command:
            if command.fresh:
                await endings.release(command, request.order_id)
                held = await reservations.of_order(command, request.order_id)
                command.answer = convert.held_to_proto(request.order_id, held)
        return command.answer
