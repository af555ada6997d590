"""Scenes of carts and orders."""

from collections.abc import Awaitable, Callable
from typing import Any

from lumi.orders.v1 import cart_pb2, order_pb2
from lumi.orders.v1.cart_pb2_grpc import CartServiceStub
from lumi.orders.v1.order_pb2_grpc import OrderServiceStub
from lumi.payments.v1.payment_pb2 import PAYMENT_PROVIDER_MANUAL, VoidPaymentRequest
from lumi.payments.v1.payment_pb2_grpc import PaymentServiceStub

from lumi_common.cuid import cuid
from tests.kit.buying import HOME, Guest, request_id
from tests.kit.client import Client
from tests.kit.waiting import until
from tests.request_ids.callers import Caller, guest
from tests.request_ids.of_marketing import coupon
from tests.request_ids.scenes import Scene, scene
from tests.request_ids.world import World


async def cart(world: World, caller: Caller, *, code: str = "") -> cart_pb2.Cart:
    """The caller's cart with two units of each variant."""
    return await (await world.buyer(caller)).fill(*((variant, 2) for variant in world.variants), coupon=code)


async def order(world: World, caller: Caller, *steps: str) -> str:
    """The id of a paid order of the caller's, or of somebody's, that staff have taken so many steps."""
    buyer = await world.buyer(caller)
    placed = await buyer.place(await buyer.fill((world.variants[0], 1)))
    assert placed.order.status == order_pb2.ORDER_STATUS_PAID
    for step in steps:
        request = getattr(order_pb2, f"{step}OrderRequest")(id=placed.order.id, request_id=request_id())
        await getattr(world.stub(OrderServiceStub), f"{step}Order")(request)
    return str(placed.order.id)


@scene("orders.v1.CartService.CreateCart")
async def create_cart(world: World, caller: Caller) -> Scene:
    asked = cart_pb2.CreateCartRequest
    return Scene(asked(currency_code="USD"), (asked(currency_code="EUR"), asked()))


@scene("orders.v1.CartService.AddCartItem")
async def add_cart_item(world: World, caller: Caller) -> Scene:
    mine, (first, second) = await cart(world, caller), world.variants

    def asked(variant: str, quantity: int = 1) -> cart_pb2.AddCartItemRequest:
        return cart_pb2.AddCartItemRequest(cart_id=mine.id, product_variant_id=variant, quantity=quantity)

    return Scene(asked(second), (asked(second, 2), asked(first), asked(second, 100_000)))


@scene("orders.v1.CartService.UpdateCartItem")
async def update_cart_item(world: World, caller: Caller) -> Scene:
    mine, (first, second) = await cart(world, caller), world.variants

    def asked(variant: str, quantity: int = 5) -> cart_pb2.UpdateCartItemRequest:
        return cart_pb2.UpdateCartItemRequest(cart_id=mine.id, product_variant_id=variant, quantity=quantity)

    return Scene(asked(first), (asked(first, 6), asked(second)))


@scene("orders.v1.CartService.RemoveCartItem")
async def remove_cart_item(world: World, caller: Caller) -> Scene:
    mine, (first, second) = await cart(world, caller), world.variants
    asked = cart_pb2.RemoveCartItemRequest
    return Scene(
        asked(cart_id=mine.id, product_variant_id=first),
        (
            asked(cart_id=mine.id, product_variant_id=second),
            asked(cart_id=mine.id, product_variant_id=first, etag=mine.etag),
        ),
    )


@scene("orders.v1.CartService.ClearCart")
async def clear_cart(world: World, caller: Caller) -> Scene:
    mine, asked = await cart(world, caller), cart_pb2.ClearCartRequest
    return Scene(asked(id=mine.id), (asked(id=mine.id, etag=mine.etag),))


@scene("orders.v1.CartService.DeleteCart")
async def delete_cart(world: World, caller: Caller) -> Scene:
    buyer, asked = await world.buyer(caller), cart_pb2.DeleteCartRequest
    filled = await buyer.fill((world.variants[0], 1))
    await buyer.place(filled)
    ordered = await buyer.stub(CartServiceStub).GetCart(cart_pb2.GetCartRequest(id=filled.id))
    return Scene(asked(id=ordered.id), (asked(id=ordered.id, etag=ordered.etag), asked(id=cuid())))


@scene("orders.v1.CartService.ApplyCoupon")
async def apply_coupon(world: World, caller: Caller) -> Scene:
    mine, asked = await cart(world, caller), cart_pb2.ApplyCouponRequest
    first, second = await coupon(world), await coupon(world)
    return Scene(asked(id=mine.id, code=first), (asked(id=mine.id, code=second), asked(id=mine.id, code="NO-SUCH")))


@scene("orders.v1.CartService.RemoveCoupon")
async def remove_coupon(world: World, caller: Caller) -> Scene:
    mine, asked = await cart(world, caller, code=await coupon(world)), cart_pb2.RemoveCouponRequest
    return Scene(asked(id=mine.id), (asked(id=mine.id, etag=mine.etag),))


@scene("orders.v1.CartService.SetCartAddresses")
async def set_cart_addresses(world: World, caller: Caller) -> Scene:
    mine, asked = await cart(world, caller), cart_pb2.SetCartAddressesRequest
    return Scene(
        asked(id=mine.id, shipping_address=HOME),
        (
            asked(id=mine.id, shipping_address=HOME, billing_address=HOME),
            asked(id=mine.id, shipping_address=HOME, etag=mine.etag),
        ),
    )


@scene("orders.v1.CartService.MergeGuestCart")
async def merge_guest_cart(world: World, caller: Caller) -> Scene:
    await cart(world, caller)
    visitors = [await guest(world.shop), await guest(world.shop)]
    for visitor in visitors:
        assert isinstance(visitor.buys, Guest)
        await visitor.buys.fill((world.variants[1], 3))
    asked, (first, second) = cart_pb2.MergeGuestCartRequest, (visitor.token for visitor in visitors)
    larger = cart_pb2.MERGE_POLICY_KEEP_LARGER
    return Scene(asked(guest_token=first), (asked(guest_token=second), asked(guest_token=first, policy=larger)))


@scene("orders.v1.OrderService.PlaceOrder")
async def place_order(world: World, caller: Caller) -> Scene:
    buyer = await world.buyer(caller)
    request = buyer.order_for(await cart(world, caller), request_id="")
    noted, elsewhere = order_pb2.PlaceOrderRequest(), order_pb2.PlaceOrderRequest()
    noted.CopyFrom(request)
    noted.metadata.update({"gift": True})
    elsewhere.CopyFrom(request)
    elsewhere.cart_id = "c" + "0" * 24
    return Scene(request, (noted, elsewhere))


@scene("orders.v1.OrderService.UpdateOrder")
async def update_order(world: World, caller: Caller) -> Scene:
    def asked(id: str, notes: str = "ring twice") -> order_pb2.UpdateOrderRequest:
        return order_pb2.UpdateOrderRequest(order=order_pb2.Order(id=id, notes=notes))

    first, second = await order(world, caller), await order(world, caller)
    return Scene(asked(first), (asked(first, "knock"), asked(second)))


def _step(name: str, *before: str) -> Callable[[World, Caller], Awaitable[Scene]]:
    asked: Any = getattr(order_pb2, f"{name}OrderRequest")

    async def take(world: World, caller: Caller) -> Scene:
        first, second = await order(world, caller, *before), await order(world, caller, *before)
        return Scene(asked(id=first), (asked(id=second), asked(id=first, etag=str(2 + len(before)))))

    return take


@scene("orders.v1.OrderService.CancelOrder")
async def cancel_order(world: World, caller: Caller) -> Scene:
    first, second = await order(world, caller), await order(world, caller)

    async def is_sold() -> bool:
        query = "select state = 'COMMITTED' from catalogue.stock_reservations where order_id = $1"
        return bool(await world.books.fetchval(query, first))

    await until(is_sold, "what was ordered is sold, and so comes back to the shelf in one way only")
    asked = order_pb2.CancelOrderRequest
    return Scene(asked(id=first), (asked(id=second), asked(id=first, reason="too late"), asked(id=first, etag="2")))


async def unpaid(world: World, caller: Caller) -> str:
    """The id of an order of the caller's, or of somebody's, whose payment was given up."""
    buyer = await world.buyer(caller)
    here = buyer.stub
    buyer.stub = lambda stub_class: Client(world.by_hand.stub(stub_class)._stub, here(stub_class).metadata)
    placed = await buyer.place(await buyer.fill((world.variants[0], 1)))
    buyer.stub = here
    await world.stub(PaymentServiceStub).VoidPayment(VoidPaymentRequest(id=placed.payment_id, request_id=request_id()))
    return str(placed.order.id)


@scene("orders.v1.OrderService.RetryPayment")
async def retry_payment(world: World, caller: Caller) -> Scene:
    def asked(id: str, **facts: str) -> order_pb2.RetryPaymentRequest:
        return order_pb2.RetryPaymentRequest(id=id, payment_provider=PAYMENT_PROVIDER_MANUAL, **facts)

    first, second = await unpaid(world, caller), await unpaid(world, caller)
    return Scene(asked(first), (asked(second), asked(first, etag="1")))


async def never_paid(world: World) -> str:
    """The id of a cancelled order that never had a payment, which only a service that was away leaves behind."""
    id = cuid()
    await world.books.execute(
        "insert into orders.orders (id, reference, status, total_amount, subtotal_amount, tax_amount, discount_amount, "
        "placed_at, cancelled_at) values ($1, $1, 'CANCELLED', 0, 0, 0, 0, now(), now())",
        id,
    )
    return id


@scene("orders.v1.OrderService.DeleteOrder")
async def delete_order(world: World, caller: Caller) -> Scene:
    first, second, asked = await never_paid(world), await never_paid(world), order_pb2.DeleteOrderRequest
    return Scene(asked(id=first), (asked(id=second), asked(id=first, etag="1")))


scene("orders.v1.OrderService.FulfillOrder")(_step("Fulfill"))
scene("orders.v1.OrderService.ShipOrder")(_step("Ship", "Fulfill"))
scene("orders.v1.OrderService.DeliverOrder")(_step("Deliver", "Fulfill", "Ship"))
