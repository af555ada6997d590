"""What staff can see of the orders through the API."""

from collections.abc import Container
from dataclasses import dataclass

from lumi.identity.v1.audit_pb2 import AuditLog
from lumi.orders.v1.order_pb2 import Order, OrderStatus
from lumi_client import Session

from lumi_demo.convert import cents

_PAGE = 100
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
    async for order in staff.orders.list_orders(page_size=_PAGE):
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
    """Whether an order is the better example: it has a coupon, costs something, and has few lines."""

    def worth(each: Order) -> tuple[bool, bool, int]:
        return bool(each.coupon_code), cents(each.total_amount) > 0, -len(each.items)

    return worth(order) > worth(other)


async def timeline(staff: Session, order: Order) -> list[AuditLog]:
    """Everything filed about an order, its cart, its payments and its coupon, over all services, oldest first."""
    entities = [("Cart", order.cart_id), ("Order", order.id)]
    async for payment in staff.payments.list_payments(order_id=order.id):
        entities.append(("Payment", payment.id))
    if order.coupon_code:
        coupon = await staff.coupons.get_coupon_by_code(code=order.coupon_code)
        entities.append(("Coupon", coupon.id))
    logs: list[AuditLog] = []
    for entity, entity_id in entities:
        logs += [log async for log in staff.audit.get_entity_timeline(entity=entity, entity_id=entity_id)]
    # No method tells a redemption's id, so it is looked up among what the buyer did.
    redeemed = staff.audit.list_audit_logs(entity="CouponUsage", user_id=order.user_id)
    logs += [log async for log in redeemed if log.after.fields["order_id"].string_value == order.id]
    return sorted(logs, key=lambda log: log.create_time.ToNanoseconds())
