"""Orders, coupons and carts that are deleted: what referred to them follows, what must not lose them keeps them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any, cast
from uuid import uuid4

import pytest
from google.protobuf.empty_pb2 import Empty
from lumi.marketing.v1 import coupon_pb2
from lumi.marketing.v1.coupon_pb2_grpc import CouponServiceStub
from lumi.orders.v1 import cart_pb2, order_pb2
from lumi.orders.v1.cart_pb2_grpc import CartServiceStub
from lumi.orders.v1.order_pb2_grpc import OrderServiceStub
from lumi.payments.v1 import payment_pb2
from lumi.payments.v1.payment_pb2_grpc import PaymentServiceStub

from lumi_common.cuid import cuid
from lumi_common.errors import FailedPrecondition, LumiError, Unavailable
from lumi_invariants.law import LAW
from lumi_orders.clients.marketing import Marketing
from lumi_orders.server import Peers
from services.orders.tests.rpc.failing import failing
from services.orders.tests.rpc.floor import Floor, branch
from tests.kit.buying import Shopper, request_id, usd
from tests.kit.shop import Shop
from tests.kit.waiting import until


@dataclass
class Staff:
    """Somebody who may delete, and who looks into the books of all schemas."""

    shop: Shop
    token: str
    books: Any

    def stub(self, stub_class: Any) -> Any:
        return self.shop.stub(stub_class, self.token)

    async def delete_order(self, id: str) -> Empty:
        request = order_pb2.DeleteOrderRequest(id=id, request_id=request_id())
        answer: Empty = await self.stub(OrderServiceStub).DeleteOrder(request)
        return answer

    async def cancel(self, id: str) -> None:
        await self.stub(OrderServiceStub).CancelOrder(order_pb2.CancelOrderRequest(id=id, request_id=request_id()))

    async def delete_coupon(self, code: str) -> None:
        coupons = self.stub(CouponServiceStub)
        coupon = await coupons.GetCouponByCode(coupon_pb2.GetCouponByCodeRequest(code=code))
        await coupons.DeleteCoupon(coupon_pb2.DeleteCouponRequest(id=coupon.id, request_id=request_id()))

    async def filed(self, entity: str, id: str) -> list[str]:
        """The actions that the audit log has of somebody or something."""
        rows = await self.books.fetch(
            "select action from identity.audit_logs where entity = $1 and entity_id = $2 order by created_at, id",
            entity,
            id,
        )
        return [row["action"] for row in rows]

    async def broken(self, id: str, column: str, value: str) -> list[Any]:
        """What of an invariant does not hold, as far as a row's column has this value."""
        queries = [f"select to_jsonb(broken)::text from ({part.query}) as broken" for part in LAW[id]]
        rows = [row for query in queries for row in await self.books.fetch(f"{query} where {column} = $1", value)]
        return [row[0] for row in rows]


@pytest.fixture
async def floor(shop: Shop) -> Floor:
    return await Floor.open(shop)


@pytest.fixture
async def staff(shop: Shop) -> AsyncIterator[Staff]:
    who = await shop.user("orders.delete", "orders.cancel", "orders.fulfill", "coupons.read", "coupons.write")
    async with shop.database("identity") as books:
        yield Staff(shop, who.token, books)


async def an_order_in_vain(shop: Shop, coupon: str = "") -> tuple[str, str]:
    """The ids of an order, with this coupon, that was cancelled since payments was away, and of its buyer."""
    async with branch(shop, failing("payments", "create", Unavailable("UNAVAILABLE", "away"))) as elsewhere:
        soup, ada = await elsewhere.shelf.put(5), await elsewhere.shopper()
        cart = await ada.fill((soup, 2), coupon=coupon)
        with pytest.raises(LumiError, match="PLACING_UNDONE"):
            await ada.place(cart)

        async def is_undone() -> bool:
            return await elsewhere.in_flight(cart.id) == 0

        await until(is_undone, "all is given back")
        [(order, status)] = await elsewhere.orders_of(cart.id)
        assert (status, await elsewhere.shelf.stock(soup)) == ("CANCELLED", (5, 0))
    return order, cart.user_id


async def test_what_refers_to_a_deleted_order_follows(shop: Shop, floor: Floor, staff: Staff) -> None:
    code = await floor.coupon(50)
    order, buyer = await an_order_in_vain(shop, code)
    usage, review = cuid(), cuid()
    # What a release of long ago left behind, and what somebody thought of what never came.
    await staff.books.execute(
        "with used as (update marketing.coupons set usage_count = usage_count + 1, updated_at = now() "
        "where code = $2::text::extensions.citext returning id) "
        "insert into marketing.coupon_usages (id, coupon_id, user_id, order_id, discount_amount) "
        "select $1, id, $3, $4, 0.50 from used",
        usage,
        code,
        buyer,
        order,
    )
    await staff.books.execute(
        "insert into catalogue.reviews (id, product_id, user_id, order_id, rating) "
        "select $1, product_id, $2, order_id, 1 from orders.order_items where order_id = $3",
        review,
        buyer,
        order,
    )

    assert await staff.delete_order(order) == Empty()

    async def is_followed() -> bool:
        used = await staff.books.fetchval("select count(*) from marketing.coupon_usages where id = $1", usage)
        named = await staff.books.fetchval("select order_id from catalogue.reviews where id = $1", review)
        return (used, named) == (0, None)

    await until(is_followed, "the coupon's use is gone, and the review names no order")

    async def is_filed() -> bool:
        return (
            (await staff.filed("Order", order))[-1:] == ["order.deleted"]
            and await staff.filed("CouponUsage", usage) == ["coupon_usage.deleted"]
            and await staff.filed("Review", review) == ["review.updated"]
        )

    await until(is_filed, "each of them is filed with its own record")
    for id in ("X1", "X2"):
        assert await staff.broken(id, "target_id", order) == []
    assert await staff.broken("K3", "order_id", order) == []


async def test_nothing_late_refers_to_a_deleted_order(shop: Shop, floor: Floor, staff: Staff) -> None:
    order, _ = await an_order_in_vain(shop)
    await staff.delete_order(order)

    async def is_known() -> bool:
        known = await staff.books.fetchval("select gone_at from marketing.reference_targets where id = $1", order)
        return known is not None

    await until(is_known, "marketing knows that the order is gone")
    payments = shop.internal(PaymentServiceStub, service="orders")
    coupons = shop.internal(CouponServiceStub, service="orders")
    late = [
        payments.CreatePayment(
            payment_pb2.CreatePaymentRequest(
                order_id=order,
                order_reference="ABCDEFGH23",
                provider=payment_pb2.PAYMENT_PROVIDER_MANUAL,
                amount=usd(450),
                request_id=str(uuid4()),
            )
        ),
        coupons.RedeemCoupon(
            coupon_pb2.RedeemCouponRequest(
                code=await floor.coupon(50), order_id=order, subtotal_amount=usd(500), request_id=str(uuid4())
            )
        ),
    ]
    for call in late:
        with pytest.raises(FailedPrecondition, match="REFERENCE_GONE") as refused:
            await call
        assert (refused.value.facts["target"], refused.value.facts["id"]) == ("orders.orders", order)

    assert await staff.broken("X2", "target_id", order) == []
    assert await staff.broken("X1", "target_id", order) == []


async def test_an_order_that_was_paid_is_kept_for_good(floor: Floor, staff: Staff) -> None:
    ada = await floor.shopper()
    placed = await ada.place(await ada.fill((await floor.shelf.put(5), 2)))
    order = placed.order.id

    with pytest.raises(FailedPrecondition, match="ORDER_NOT_DELETABLE"):
        await staff.delete_order(order)
    await staff.cancel(order)

    async def is_given_back() -> bool:
        refunded, in_flight = await staff.books.fetchrow(
            "select (select status from payments.payments where order_id = $1) = 'REFUNDED', "
            "(select count(*) from orders.checkouts where order_id = $1)",
            order,
        )
        return bool(refunded) and in_flight == 0

    await until(is_given_back, "its money is back")
    with pytest.raises(FailedPrecondition, match="REFERENCED"):
        await staff.delete_order(order)

    found = await ada.stub(OrderServiceStub).GetOrder(order_pb2.GetOrderRequest(id=order))
    assert found.status == order_pb2.ORDER_STATUS_CANCELLED
    assert await staff.broken("X2", "target_id", order) == []


async def test_a_coupon_that_is_deleted_is_refused_to_carts_and_kept_by_orders(floor: Floor, staff: Staff) -> None:
    code, soup = await floor.coupon(50), await floor.shelf.put(20)
    bob, ada = await floor.shopper(), await floor.shopper()
    placed = await bob.place(await bob.fill((soup, 2), coupon=code))
    cart = await ada.fill((soup, 2), coupon=code)
    carts = ada.stub(CartServiceStub)

    await staff.delete_coupon(code)

    quote = await carts.QuoteCart(cart_pb2.QuoteCartRequest(id=cart.id, shipping_address_id=ada.address))
    assert (quote.coupon_refusal, quote.is_orderable) == ("COUPON_NOT_FOUND", False)
    for refused_call in (
        lambda: ada.place(cart),
        lambda: carts.ApplyCoupon(cart_pb2.ApplyCouponRequest(id=cart.id, code=code, request_id=request_id())),
    ):
        with pytest.raises(FailedPrecondition, match="COUPON_REFUSED") as refused:
            await refused_call()
        assert refused.value.facts["reason"] == "COUPON_NOT_FOUND"
    cart = await carts.RemoveCoupon(cart_pb2.RemoveCouponRequest(id=cart.id, request_id=request_id()))
    assert (await ada.place(cart)).order.total_amount == usd(500)

    kept = await bob.stub(OrderServiceStub).GetOrder(order_pb2.GetOrderRequest(id=placed.order.id))
    assert (kept.coupon_code, kept.discount_amount, kept.total_amount) == (code, usd(50), usd(450))
    assert await staff.broken("K3", "order_id", placed.order.id) == []
    # Nothing keeps it from being cancelled, although there is no coupon to give back.
    await staff.cancel(placed.order.id)

    async def is_given_back() -> bool:
        return await floor.shelf.stock(soup) == (18, 0) and await in_flight(staff, placed.order.id) == 0

    await until(is_given_back, "money and goods are back")
    assert await staff.broken("K3", "order_id", placed.order.id) == []


class Meddling:
    """Marketing, where staff delete a coupon as soon as it is redeemed."""

    def __init__(self, marketing: Any, staff: Staff) -> None:
        self._marketing, self._staff = marketing, staff

    def __getattr__(self, name: str) -> Any:
        return getattr(self._marketing, name)

    async def redeem(self, code: str, *given: Any) -> Any:
        discount = await self._marketing.redeem(code, *given)
        await self._staff.delete_coupon(code)
        return discount


@pytest.mark.parametrize("is_paid", [True, False], ids=["paid", "undone"])
async def test_an_order_that_has_redeemed_a_coupon_before_it_goes_keeps_its_discount(
    shop: Shop, staff: Staff, is_paid: bool
) -> None:
    def change(peers: Peers) -> Peers:
        meddled = replace(peers, marketing=cast(Marketing, Meddling(peers.marketing, staff)))
        return meddled if is_paid else failing("payments", "create", Unavailable("UNAVAILABLE", "away"))(meddled)

    async with branch(shop, change) as elsewhere:
        soup, code, ada = await elsewhere.shelf.put(5), await elsewhere.coupon(50), await elsewhere.shopper()
        cart = await ada.fill((soup, 2), coupon=code)

        if is_paid:
            placed = await ada.place(cart)
            assert (placed.order.status, placed.order.total_amount) == (order_pb2.ORDER_STATUS_PAID, usd(450))
        else:
            with pytest.raises(LumiError, match="PLACING_UNDONE"):
                await ada.place(cart)

        async def is_over() -> bool:
            return await elsewhere.in_flight(cart.id) == 0

        await until(is_over, "the placing is over")
        [(order, status)] = await elsewhere.orders_of(cart.id)

    assert status == ("PAID" if is_paid else "CANCELLED")
    assert await staff.books.fetchval("select count(*) from marketing.coupon_usages where order_id = $1", order) == 0
    assert await staff.broken("K3", "order_id", order) == []


async def test_a_coupon_with_a_deleted_ones_code_is_another(floor: Floor, staff: Staff) -> None:
    code, soup, bob = await floor.coupon(50), await floor.shelf.put(20), await floor.shopper()
    placed = await bob.place(await bob.fill((soup, 2), coupon=code))
    await staff.delete_coupon(code)

    heir = coupon_pb2.Coupon(code=code, type=coupon_pb2.COUPON_TYPE_FREE_SHIPPING)
    made = await staff.stub(CouponServiceStub).CreateCoupon(
        coupon_pb2.CreateCouponRequest(coupon=heir, request_id=request_id())
    )

    assert made.usage_count == 0
    assert await staff.broken("K3", "order_id", placed.order.id) == []


async def test_an_order_outlives_its_cart(floor: Floor, staff: Staff) -> None:
    soup, ada = await floor.shelf.put(5), await floor.shopper()
    cart = await ada.fill((soup, 2))
    placed = await ada.place(cart)

    await throw_away(ada, cart)

    assert (await get(ada, placed.order.id)).cart_id == ""
    orders = staff.stub(OrderServiceStub)
    for step in ("Fulfill", "Ship", "Deliver"):
        request = getattr(order_pb2, f"{step}OrderRequest")(id=placed.order.id, request_id=request_id())
        await getattr(orders, f"{step}Order")(request)
    assert (await get(ada, placed.order.id)).status == order_pb2.ORDER_STATUS_DELIVERED

    async def is_filed() -> bool:
        carts, told = await staff.filed("Cart", cart.id), await staff.filed("Order", placed.order.id)
        return carts[-2:] == ["cart.checked_out", "cart.deleted"] and told == [
            "order.placed",
            "order.paid",
            "order.updated",
            "order.fulfilled",
            "order.shipped",
            "order.delivered",
        ]

    await until(is_filed, "the cart's end and the order's way are filed, each once")
    for id in ("O1", "O2", "O5"):
        column = "cart_id" if id == "O1" else "order_id"
        assert await staff.broken(id, column, cart.id if id == "O1" else placed.order.id) == []


async def in_flight(staff: Staff, order: str) -> int:
    count: int = await staff.books.fetchval("select count(*) from orders.checkouts where order_id = $1", order)
    return count


async def throw_away(shopper: Shopper, cart: cart_pb2.Cart) -> None:
    await shopper.stub(CartServiceStub).DeleteCart(cart_pb2.DeleteCartRequest(id=cart.id, request_id=request_id()))


async def get(shopper: Shopper, order: str) -> order_pb2.Order:
    found: order_pb2.Order = await shopper.stub(OrderServiceStub).GetOrder(order_pb2.GetOrderRequest(id=order))
    return found
