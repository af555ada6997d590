"""An order's books over all services: what became of it, of its money, its stock and its coupon."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from lumi.orders.v1 import order_pb2 as pb
from lumi.orders.v1.order_pb2_grpc import OrderServiceStub
from lumi.payments.v1 import payment_pb2, refund_pb2
from lumi.payments.v1.payment_pb2_grpc import PaymentServiceStub
from lumi.payments.v1.refund_pb2_grpc import RefundServiceStub

from lumi_orders.domain.order import MILESTONES, NEXT, OrderStatus
from services.orders.tests.rpc.floor import Floor, eventually
from tests.kit.buying import Shopper, request_id, usd
from tests.kit.client import Client


class Books(NamedTuple):
    """The order's status, its payments (status, captured, refunded, in cents), the stock of its variant (on hand,
    promised), how often its coupon is used, and how many workflows are at it."""

    status: str
    payments: list[tuple[str, int, int]]
    stock: tuple[int, int]
    uses: int
    in_flight: int


UNDONE = Books("CANCELLED", [("REFUNDED", 450, 450)], (5, 0), 0, 0)
GIVEN_UP = Books("CANCELLED", [("FAILED", 0, 0)], (5, 0), 0, 0)
WAITING = Books("PENDING", [("INITIATED", 0, 0)], (5, 2), 1, 0)


def sold(status: str) -> Books:
    """The books of an order that stands, paid."""
    return Books(status, [("SETTLED", 450, 0)], (3, 0), 1, 0)


@dataclass
class Sale:
    """An order for 4.50: two units of a variant of which there were 5, with a coupon that takes 0.50 off."""

    floor: Floor
    buyer: Shopper
    placed: pb.PlaceOrderResponse
    variant: str
    coupon: str

    @property
    def id(self) -> str:
        return str(self.placed.order.id)

    @property
    def orders(self) -> Client:
        """The order service as its buyer calls it."""
        client: Client = self.buyer.stub(OrderServiceStub)
        return client

    async def get(self) -> pb.Order:
        order: pb.Order = await self.orders.GetOrder(pb.GetOrderRequest(id=self.id))
        return order

    async def cancel(self, by: Client | None = None, **facts: Any) -> pb.Order:
        """Cancel it, as its buyer unless said otherwise."""
        order: pb.Order = await (by or self.orders).CancelOrder(pb.CancelOrderRequest(id=self.id, **facts))
        return order

    async def record(self) -> None:
        """Say that its money has come."""
        staff = await self.floor.shop.user("payments.record")
        await self.floor.shop.stub(PaymentServiceStub, staff.token).RecordManualPayment(
            payment_pb2.RecordManualPaymentRequest(
                id=self.placed.payment_id, amount=self.placed.order.total_amount, request_id=request_id()
            )
        )

    async def refund(self, cents: int) -> None:
        """Give some of its money back."""
        staff = await self.floor.shop.user("payments.refund")
        await self.floor.shop.stub(RefundServiceStub, staff.token).CreateRefund(
            refund_pb2.CreateRefundRequest(
                payment_id=self.placed.payment_id, amount=usd(cents), request_id=request_id()
            )
        )

    async def hears_of_its_money(self) -> bool:
        """Whether orders has applied the newest version of its payment."""
        [(heard,)] = await self.floor.rows(
            "select exists (select from payments.payments p join inbox_versions v on v.aggregate_id = p.id"
            " and v.version = p.version and v.consumer = 'orders-payments' where p.order_id = $1)",
            self.id,
        )
        return bool(heard)

    async def books(self) -> Books:
        """What is in the books now."""
        shop = self.floor.shop
        async with shop.database("orders") as database:
            status, in_flight = await database.fetchrow(
                "select status, (select count(*) from checkouts where order_id = $1) from orders where id = $1", self.id
            )
            payments = await database.fetch(
                "select status, captured_amount * 100, refunded_amount * 100 from payments.payments "
                "where order_id = $1 order by id",
                self.id,
            )
            stock = await database.fetchrow(
                "select quantity_on_hand, quantity_reserved from catalogue.inventories where product_variant_id = $1",
                self.variant,
            )
            counted, listed = await database.fetchrow(
                "select c.usage_count, count(u.id) from marketing.coupons c left join marketing.coupon_usages u "
                "on u.coupon_id = c.id where c.code = $1::text::extensions.citext group by c.id",
                self.coupon,
            )
        assert counted == listed
        return Books(status, [(s, int(c), int(r)) for s, c, r in payments], tuple(stock), counted, in_flight)

    async def expect(self, wanted: Books) -> None:
        """Wait until the books are as wanted, and hold the order against what is always true of it (O5, O6)."""
        await eventually(self.books, wanted)
        await self.expect_sound()

    async def expect_sound(self) -> None:
        async with self.floor.shop.database("orders") as database:
            order = await database.fetchrow("select * from orders where id = $1", self.id)
            told = await database.fetch(
                "select version from outbox_events where aggregate_id = $1 order by seq", self.id
            )
        history = await self.floor.history(self.id)
        assert [row["version"] for row in told] == list(range(1, order["version"] + 1))
        versions = [version for _, _, version in history]
        assert versions == sorted(set(versions))
        way = [to for _, to, _ in history]
        assert [before for before, _, _ in history] == [None, *way[:-1]]
        assert all(OrderStatus(to) in NEXT[OrderStatus(before)] for before, to, _ in history[1:])
        assert (way[0], way[-1]) == ("PENDING", order["status"])
        reached = {column for status, column in MILESTONES.items() if order[column] is not None}
        assert reached == {MILESTONES[OrderStatus(to)] for to in way if OrderStatus(to) in MILESTONES}
        times = [order["placed_at"], *(order[MILESTONES[s]] for s in map(OrderStatus, way) if s in MILESTONES)]
        assert times == sorted(times)


async def sell(floor: Floor, **facts: Any) -> Sale:
    """A new order of a new buyer, for a new variant with a new coupon."""
    soup, coupon, ada = await floor.shelf.put(5), await floor.coupon(50), await floor.shopper()
    return Sale(floor, ada, await ada.place(await ada.fill((soup, 2), coupon=coupon), **facts), soup, coupon)


async def sell_for_good(floor: Floor, **facts: Any) -> Sale:
    """The same, paid, once its stock is gone and orders has heard that its money is here.

    That news would wake the giving back of an order that is cancelled before it comes.
    """
    sale = await sell(floor, **facts)
    await sale.expect(sold("PAID"))
    await eventually(sale.hears_of_its_money, True)
    return sale


async def staff(floor: Floor, *permissions: str) -> Client:
    """The order service as somebody with these permissions calls it."""
    user = await floor.shop.user(*permissions)
    return floor.shop.stub(OrderServiceStub, user.token)
