"""OrderService."""

from collections.abc import Callable
from typing import Any

from google.protobuf.empty_pb2 import Empty
from lumi.orders.v1 import order_pb2 as pb
from lumi.orders.v1.order_pb2_grpc import OrderServiceServicer

from lumi_common.clock import Clock
from lumi_common.context import Context
from lumi_common.db.database import Database
from lumi_common.db.referrer import Target
from lumi_common.db.statement import Statement
from lumi_common.deletions import Deletions
from lumi_common.errors import Aborted, Reason
from lumi_orders.api import convert
from lumi_orders.domain.order import UNPACKED, UNSHIPPED, Order, OrderStatus
from lumi_orders.storage.deleting import Deleting
from lumi_orders.storage.orders import ADVANCE, UPDATE, Orders, moving, noting
from lumi_orders.storage.requests import UNCHANGED
from lumi_orders.workflows.cancel import Cancellation
from lumi_orders.workflows.checkout import Checkout
from lumi_orders.workflows.keeping import TRIES, actor_of
from lumi_orders.workflows.retry import Retry

# The statement that writes a changed order, with its parameters; None when there is nothing to change.
Writing = tuple[Statement, dict[str, Any]] | None
Advance = pb.FulfillOrderRequest | pb.ShipOrderRequest | pb.DeliverOrderRequest


class OrderService(OrderServiceServicer):
    """Staff see an order's notes, and reach everybody's orders; an owner their own, without notes."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        checkout: Checkout,
        cancellation: Cancellation,
        retry: Retry,
        deletions: Deletions,
    ) -> None:
        self._db, self._clock, self._deletions = db, clock, deletions
        self._checkout, self._cancellation, self._retry = checkout, cancellation, retry
        self._orders = Orders(db)

    async def PlaceOrder(self, request: pb.PlaceOrderRequest, context: Context) -> pb.PlaceOrderResponse:
        async with self._db.once(request, context) as once:
            await self._checkout.place(convert.wanted_from_proto(request, context), once)
        answer: pb.PlaceOrderResponse = once.answer
        return answer

    async def GetOrder(self, request: pb.GetOrderRequest, context: Context) -> pb.Order:
        return convert.order_to_proto(await self._orders.get(request.id, owner=context.owner), context.owner is None)

    async def GetOrderByReference(self, request: pb.GetOrderByReferenceRequest, context: Context) -> pb.Order:
        order = await self._orders.get_by_reference(request.reference, owner=context.owner)
        return convert.order_to_proto(order, context.owner is None)

    async def ListOrders(self, request: pb.ListOrdersRequest, context: Context) -> pb.ListOrdersResponse:
        page = await self._orders.list_page(
            owner=context.owner,
            of_guest=context.principal.kind == "guest",
            user_id=request.user_id or None,
            status=convert.ORDER_STATUSES.get(request.status),
            size=request.page_size,
            token=request.page_token,
        )
        return pb.ListOrdersResponse(
            orders=[convert.order_to_proto(order, context.owner is None) for order in page.items],
            next_page_token=page.next_page_token,
        )

    async def UpdateOrder(self, request: pb.UpdateOrderRequest, context: Context) -> pb.Order:
        changes = convert.noted_from_proto(request)

        def update(order: Order) -> Writing:
            return (UPDATE, noting(order)) if order.update(changes, self._clock(), request.etag) else None

        return await self._change(request, request.order.id, context, update)

    async def FulfillOrder(self, request: pb.FulfillOrderRequest, context: Context) -> pb.Order:
        return await self._advance(request, OrderStatus.FULFILLED, context)

    async def ShipOrder(self, request: pb.ShipOrderRequest, context: Context) -> pb.Order:
        return await self._advance(request, OrderStatus.SHIPPED, context)

    async def DeliverOrder(self, request: pb.DeliverOrderRequest, context: Context) -> pb.Order:
        return await self._advance(request, OrderStatus.DELIVERED, context)

    async def CancelOrder(self, request: pb.CancelOrderRequest, context: Context) -> pb.Order:
        async with self._db.once(request, context) as once:
            await self._cancellation.cancel(
                request.id,
                once,
                owner=context.owner,
                within=UNSHIPPED if context.owner is None else UNPACKED,
                reason=request.reason,
                etag=request.etag,
            )
        answer: pb.Order = once.answer
        return answer

    async def RetryPayment(self, request: pb.RetryPaymentRequest, context: Context) -> pb.PlaceOrderResponse:
        async with self._db.once(request, context) as once:
            await self._retry.retry(
                request.id,
                convert.provider_from_proto(request.payment_provider),
                convert.origin_of(request, context),
                once,
                owner=context.owner,
                etag=request.etag,
            )
        answer: pb.PlaceOrderResponse = once.answer
        return answer

    async def DeleteOrder(self, request: pb.DeleteOrderRequest, context: Context) -> Empty:
        async with self._db.once(request, context) as once:
            if not await once.recall():
                once.answer = await self._delete(request, context)
        answer: Empty = once.answer
        return answer

    async def BatchGetOrderStates(
        self, request: pb.BatchGetOrderStatesRequest, context: Context
    ) -> pb.BatchGetOrderStatesResponse:
        states = await self._orders.states(request.ids)
        return pb.BatchGetOrderStatesResponse(
            states=[pb.OrderState(order_id=id, standing=convert.STANDINGS[states[id]]) for id in request.ids]
        )

    async def _delete(self, request: pb.DeleteOrderRequest, context: Context) -> Empty:
        """Look, so that nobody is asked in vain; have payments let go of the order; look again under the lock."""
        (await self._orders.get(request.id, owner=None)).expect_deletable(request.etag)
        async with (
            self._deletions.deleting([Target("orders.orders", request.id)], context) as deletion,
            self._db.command(request, context) as command,
        ):
            if command.fresh:
                deleting = Deleting(command)
                order = await deleting.lock_order(request.id)
                order.expect_deletable(request.etag, in_flight=await deleting.is_in_flight(order))
                await deleting.delete_order(order)
                await deletion.end(command)
                command.answer = Empty()
        answer: Empty = command.answer
        return answer

    async def _advance(self, request: Advance, to: OrderStatus, context: Context) -> pb.Order:
        def advance(order: Order) -> Writing:
            moves = order.advance(to, self._clock(), request.etag)
            return (ADVANCE[to], moving(order, actor_of(context))) if moves else None

        return await self._change(request, request.id, context, advance)

    async def _change(
        self, request: Advance | pb.UpdateOrderRequest, id: str, context: Context, decide: Callable[[Order], Writing]
    ) -> pb.Order:
        """Read, decide, write by one statement; again where somebody else came in between."""
        async with self._db.once(request, context) as once:
            for _ in range(TRIES):
                order = await self._orders.get(id, owner=context.owner)
                statement, values = decide(order) or (UNCHANGED, {})
                row = await once.change(statement, convert.order_to_proto(order, context.owner is None), **values)
                if row is not None or statement is UNCHANGED:
                    break
            else:
                raise Aborted(Reason.ETAG_MISMATCH, "others keep changing the order: try again", order_id=id)
        answer: pb.Order = once.answer
        return answer
