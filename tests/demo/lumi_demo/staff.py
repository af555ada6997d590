"""What staff can see of the orders through the API."""

from collections.abc import AsyncIterator, Container
from dataclasses import dataclass

from lumi.identity.v1.audit_pb2 import AuditLog, GetEntityTimelineRequest, ListAuditLogsRequest
from lumi.identity.v1.audit_pb2_grpc import AuditServiceStub
from lumi.marketing.v1.coupon_pb2 import GetCouponByCodeRequest
from lumi.marketing.v1.coupon_pb2_grpc import CouponServiceStub
from lumi.orders.v1.order_pb2 import ListOrdersRequest, Order, OrderStatus
from lumi.orders.v1.order_pb2_grpc import OrderServiceStub
from lumi.payments.v1.payment_pb2 import ListPaymentsRequest
from lumi.payments.v1.payment_pb2_grpc import PaymentServiceStub

from lumi_demo.convert import cents
from lumi_demo.gateway import Session, stub

_PAGE = 100
_TIMELINE = 500
_UNBOUGHT = (OrderStatus.ORDER_STATUS_PENDING, OrderStatus.ORDER_STATUS_CANCELLED)


@dataclass(slots=True)
class Listed:
    """What the list of orders adds up to, amounts in cents; `example` is an order to look at."""

    orders: int = 0
    order_lines: int = 0
    total: int = 0
    example: Order | None = None

    def figures(self) -> dict[str, int]:
        return {
            "orders, by the API": self.orders,
            "order lines, by the API": self.order_lines,
            "total, by the API": self.total,
        }


async def listed(staff: Session, baskets: Container[str]) -> Listed:
    """Add up the orders of these baskets (ids as in the orders' metadata) that were bought."""
    sums = Listed()
    async for order in _orders(staff):
        if order.status in _UNBOUGHT or "basket_id" not in order.metadata:
            continue
        if order.metadata["basket_id"] not in baskets:
            continue
        sums.orders += 1
        sums.order_lines += len(order.items)
        sums.total += cents(order.total_amount)
        if sums.example is None or _tells_more(order, sums.example):
            sums.example = order
    return sums


def _tells_more(order: Order, other: Order) -> bool:
    """Whether an order is the better example: it has a coupon and few lines."""
    if bool(order.coupon_code) is not bool(other.coupon_code):
        return bool(order.coupon_code)
    return len(order.items) < len(other.items)


async def timeline(staff: Session, order: Order) -> list[AuditLog]:
    """Everything filed about an order, its cart, its payments and its coupon, over all services, oldest first."""
    entities = [("Cart", order.cart_id), ("Order", order.id)]
    payments = stub(PaymentServiceStub, staff.channel)
    page = await staff.call(payments.ListPayments, ListPaymentsRequest(order_id=order.id))
    entities.extend(("Payment", payment.id) for payment in page.payments)
    if order.coupon_code:
        coupons = stub(CouponServiceStub, staff.channel)
        coupon = await staff.call(coupons.GetCouponByCode, GetCouponByCodeRequest(code=order.coupon_code))
        entities.append(("Coupon", coupon.id))
    audit = stub(AuditServiceStub, staff.channel)
    logs: list[AuditLog] = []
    for entity, entity_id in entities:
        request = GetEntityTimelineRequest(entity=entity, entity_id=entity_id, page_size=_TIMELINE)
        logs.extend((await staff.call(audit.GetEntityTimeline, request)).audit_logs)
    # No method tells a redemption's id, so it is looked up among what the buyer did.
    redeemed = ListAuditLogsRequest(entity="CouponUsage", user_id=order.user_id, page_size=_TIMELINE)
    page = await staff.call(audit.ListAuditLogs, redeemed)
    logs.extend(log for log in page.audit_logs if log.after.fields["order_id"].string_value == order.id)
    return sorted(logs, key=lambda log: log.create_time.ToNanoseconds())


async def _orders(staff: Session) -> AsyncIterator[Order]:
    orders = stub(OrderServiceStub, staff.channel)
    request = ListOrdersRequest(page_size=_PAGE)
    while True:
        page = await staff.call(orders.ListOrders, request)
        for order in page.orders:
            yield order
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token
