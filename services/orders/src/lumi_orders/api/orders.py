"""OrderService."""

from lumi.orders.v1 import order_pb2 as pb
from lumi.orders.v1.order_pb2_grpc import OrderServiceServicer

from lumi_common.context import Context
from lumi_common.db.database import Database
from lumi_orders.api import convert
from lumi_orders.storage.orders import Orders
from lumi_orders.workflows.cancel import Cancellation
from lumi_orders.workflows.checkout import Checkout


class OrderService(OrderServiceServicer):
    def __init__(self, db: Database, checkout: Checkout, cancellation: Cancellation) -> None:
        self._db, self._checkout, self._cancellation = db, checkout, cancellation
        self._orders = Orders(db)

    async def PlaceOrder(self, request: pb.PlaceOrderRequest, context: Context) -> pb.PlaceOrderResponse:
        async with self._db.once(request, context) as once:
            await self._checkout.place(convert.wanted_from_proto(request, context), once)
        answer: pb.PlaceOrderResponse = once.answer
        return answer

    async def CancelOrder(self, request: pb.CancelOrderRequest, context: Context) -> pb.Order:
        async with self._db.once(request, context) as once:
            await self._cancellation.cancel(
                request.id, once, owner=context.owner, reason=request.reason, etag=request.etag
            )
        answer: pb.Order = once.answer
        return answer

    async def GetOrder(self, request: pb.GetOrderRequest, context: Context) -> pb.Order:
        return convert.order_to_proto(await self._orders.get(request.id, owner=context.owner))

    async def GetOrderByReference(self, request: pb.GetOrderByReferenceRequest, context: Context) -> pb.Order:
        order = await self._orders.get_by_reference(request.reference, owner=context.owner)
        return convert.order_to_proto(order)

    async def ListOrders(self, request: pb.ListOrdersRequest, context: Context) -> pb.ListOrdersResponse:
        page = await self._orders.list_page(
            owner=context.owner,
            user_id=request.user_id or None,
            status=convert.ORDER_STATUSES.get(request.status),
            size=request.page_size,
            token=request.page_token,
        )
        return pb.ListOrdersResponse(
            orders=map(convert.order_to_proto, page.items), next_page_token=page.next_page_token
        )

    async def BatchGetOrderStates(
        self, request: pb.BatchGetOrderStatesRequest, context: Context
    ) -> pb.BatchGetOrderStatesResponse:
        states = await self._orders.states(request.ids)
        return pb.BatchGetOrderStatesResponse(
            states=[pb.OrderState(order_id=id, standing=convert.STANDINGS[states[id]]) for id in request.ids]
        )
