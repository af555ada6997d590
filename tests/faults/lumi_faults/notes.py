"""What buyers and staff were told, to be held against the books."""

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256

from lumi.orders.v1.order_pb2 import ORDER_STATUS_PAID, PlaceOrderResponse
from lumi_client import amount


@dataclass
class Bought:
    """An order as its buyer knows it: what the answers said, all amounts in its currency."""

    order_id: str
    cart_id: str
    request_id: str
    payment_id: str
    total: Decimal
    lines: dict[str, int]
    coupon: str
    paid: bool
    refunded: Decimal = Decimal(0)
    cancelled: bool = False
    too_late: bool = False
    """Staff was refused what only an order that is CANCELLED refuses."""
    status: str = ""
    """FULFILLED or SHIPPED, where staff was told so."""

    @classmethod
    def told(cls, answer: PlaceOrderResponse, request_id: str) -> "Bought":
        order = answer.order
        return cls(
            order_id=order.id,
            cart_id=order.cart_id,
            request_id=request_id,
            payment_id=answer.payment_id,
            total=amount(order.total_amount),
            lines={item.product_variant_id: item.quantity for item in order.items},
            coupon=order.coupon_code,
            paid=order.status == ORDER_STATUS_PAID,
        )


@dataclass
class Notes:
    """`people` are ids of users and of guests' sessions; `carts` are what each request to place was about; `told` the
    answers that each had, as order and digest; `received` is by variant; `coupons` are usage limits by code; `happened`
    counts what there is to tell.
    """

    people: set[str] = field(default_factory=set)
    carts: dict[str, str] = field(default_factory=dict)
    told: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    bought: dict[str, Bought] = field(default_factory=dict)
    received: Counter[str] = field(default_factory=Counter)
    coupons: dict[str, int] = field(default_factory=dict)
    happened: Counter[str] = field(default_factory=Counter)

    def placed(self, answer: PlaceOrderResponse, request_id: str) -> Bought:
        """Note an answer to a request to place; the order, as it was told first."""
        bought = Bought.told(answer, request_id)
        digest = sha256(answer.SerializeToString(deterministic=True)).hexdigest()
        self.told.setdefault(request_id, set()).add((bought.order_id, digest))
        known = self.bought.setdefault(bought.order_id, bought)
        if known is bought:
            self.happened["placed"] += 1
        return known
