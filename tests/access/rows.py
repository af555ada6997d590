"""Rows that belong to somebody, and for each method of owners the request that names one of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import partial

from google.protobuf.message import Message
from lumi.identity.v1 import access_pb2, address_pb2, privacy_pb2, security_event_pb2, session_pb2, user_pb2
from lumi.identity.v1.session_pb2_grpc import SessionServiceStub
from lumi.orders.v1 import cart_pb2, order_pb2
from lumi.payments.v1 import payment_pb2, refund_pb2
from lumi.payments.v1.payment_pb2_grpc import PaymentServiceStub
from lumi.payments.v1.refund_pb2_grpc import RefundServiceStub

from lumi_common.cuid import cuid
from tests.kit.buying import HOME, Guest, Shopper, usd
from tests.kit.shop import Shop

NO_REFERENCE = "0" * 10


@dataclass(frozen=True)
class Rows:
    """Ids of one owner's rows, with the variant in their cart; a guest has no user, address or session to name."""

    variant: str
    cart: str
    order: str
    reference: str
    payment: str
    refund: str
    user: str = ""
    address: str = ""
    session: str = ""

    def missing(self) -> "Rows":
        """The same with ids that nothing has; the variant is everybody's."""
        made = {field.name: cuid() if getattr(self, field.name) else "" for field in fields(self)}
        return Rows(**{**made, "variant": self.variant, "reference": NO_REFERENCE})

    @property
    def own(self) -> list[str]:
        """What is the owner's alone."""
        return [value for name, value in vars(self).items() if value and name != "variant"]


@dataclass(frozen=True)
class Owner:
    """Somebody with rows; a user's token is stepped up."""

    name: str
    token: str
    rows: Rows


async def a_customer(shop: Shop) -> Owner:
    """A customer who bought something, got some of the money back, and fills another cart."""
    user = await shop.user()
    buyer = Shopper(partial(shop.stub, token=user.token))
    await buyer.move_in()
    listed = await shop.stub(SessionServiceStub, user.token).ListSessions(session_pb2.ListSessionsRequest())
    rows = Rows(**await _buy(shop, buyer), user=user.id, address=buyer.address, session=listed.sessions[0].id)
    return Owner("customer", user.token, rows)


async def a_guest(shop: Shop) -> Owner:
    """A guest who did the same."""
    buyer = await Guest.come(shop.stub)
    return Owner("guest", buyer.token, Rows(**await _buy(shop, buyer)))


async def _buy(shop: Shop, buyer: Shopper) -> dict[str, str]:
    variant = await (await shop.staff()).put()
    placed = await buyer.place(await buyer.fill((variant, 2)))
    assert placed.order.status == order_pb2.ORDER_STATUS_PAID
    cashier = (await shop.user("payments.read", "payments.refund")).token
    paid = await shop.stub(PaymentServiceStub, cashier).ListPayments(
        payment_pb2.ListPaymentsRequest(order_id=placed.order.id)
    )
    refund = await shop.stub(RefundServiceStub, cashier).CreateRefund(
        refund_pb2.CreateRefundRequest(payment_id=paid.payments[0].id, amount=usd(100))
    )
    return {
        "variant": variant,
        "cart": (await buyer.fill((variant, 1))).id,
        "order": placed.order.id,
        "reference": placed.order.reference,
        "payment": paid.payments[0].id,
        "refund": refund.id,
    }


Request = Callable[[Rows], Message]


def _cart(kind: type[Message], **facts: object) -> Request:
    return lambda rows: kind(id=rows.cart, **facts)


# Every method of owners whose request names a row, by its name in the contract without `lumi.`.
NAMING: Mapping[str, Request] = {
    "identity.v1.AccessService.GetEffectivePermissions": lambda r: access_pb2.GetEffectivePermissionsRequest(
        user_id=r.user
    ),
    "identity.v1.AddressService.DeleteAddress": lambda r: address_pb2.DeleteAddressRequest(id=r.address),
    "identity.v1.AddressService.GetAddress": lambda r: address_pb2.GetAddressRequest(id=r.address),
    "identity.v1.AddressService.SetDefaultAddress": lambda r: address_pb2.SetDefaultAddressRequest(id=r.address),
    "identity.v1.AddressService.UpdateAddress": lambda r: address_pb2.UpdateAddressRequest(
        address=address_pb2.Address(id=r.address, label="mine")
    ),
    "identity.v1.PrivacyService.EraseUser": lambda r: privacy_pb2.EraseUserRequest(id=r.user),
    "identity.v1.PrivacyService.ExportUserData": lambda r: privacy_pb2.ExportUserDataRequest(id=r.user),
    "identity.v1.SecurityEventService.ListSecurityEvents": lambda r: security_event_pb2.ListSecurityEventsRequest(
        user_id=r.user
    ),
    "identity.v1.SessionService.ListSessions": lambda r: session_pb2.ListSessionsRequest(user_id=r.user),
    "identity.v1.SessionService.RevokeAllSessions": lambda r: session_pb2.RevokeAllSessionsRequest(user_id=r.user),
    "identity.v1.SessionService.RevokeSession": lambda r: session_pb2.RevokeSessionRequest(id=r.session),
    "identity.v1.UserService.DeleteUser": lambda r: user_pb2.DeleteUserRequest(id=r.user),
    "orders.v1.CartService.AddCartItem": lambda r: cart_pb2.AddCartItemRequest(
        cart_id=r.cart, product_variant_id=r.variant, quantity=1
    ),
    "orders.v1.CartService.ApplyCoupon": _cart(cart_pb2.ApplyCouponRequest, code="WELCOME"),
    "orders.v1.CartService.ClearCart": _cart(cart_pb2.ClearCartRequest),
    "orders.v1.CartService.DeleteCart": _cart(cart_pb2.DeleteCartRequest),
    "orders.v1.CartService.GetCart": _cart(cart_pb2.GetCartRequest),
    "orders.v1.CartService.QuoteCart": _cart(cart_pb2.QuoteCartRequest),
    "orders.v1.CartService.RemoveCartItem": lambda r: cart_pb2.RemoveCartItemRequest(
        cart_id=r.cart, product_variant_id=r.variant
    ),
    "orders.v1.CartService.RemoveCoupon": _cart(cart_pb2.RemoveCouponRequest),
    "orders.v1.CartService.SetCartAddresses": _cart(cart_pb2.SetCartAddressesRequest, shipping_address=HOME),
    "orders.v1.CartService.UpdateCartItem": lambda r: cart_pb2.UpdateCartItemRequest(
        cart_id=r.cart, product_variant_id=r.variant, quantity=3
    ),
    "orders.v1.OrderService.CancelOrder": lambda r: order_pb2.CancelOrderRequest(id=r.order),
    "orders.v1.OrderService.GetOrder": lambda r: order_pb2.GetOrderRequest(id=r.order),
    "orders.v1.OrderService.GetOrderByReference": lambda r: order_pb2.GetOrderByReferenceRequest(reference=r.reference),
    "orders.v1.OrderService.ListOrders": lambda r: order_pb2.ListOrdersRequest(user_id=r.user),
    "orders.v1.OrderService.PlaceOrder": lambda r: order_pb2.PlaceOrderRequest(
        cart_id=r.cart, payment_provider=payment_pb2.PAYMENT_PROVIDER_MANUAL
    ),
    "orders.v1.OrderService.RetryPayment": lambda r: order_pb2.RetryPaymentRequest(
        id=r.order, payment_provider=payment_pb2.PAYMENT_PROVIDER_MANUAL
    ),
    "payments.v1.PaymentService.GetPayment": lambda r: payment_pb2.GetPaymentRequest(id=r.payment),
    "payments.v1.PaymentService.ListPayments": lambda r: payment_pb2.ListPaymentsRequest(order_id=r.order),
    "payments.v1.RefundService.GetRefund": lambda r: refund_pb2.GetRefundRequest(id=r.refund),
    "payments.v1.RefundService.ListRefunds": lambda r: refund_pb2.ListRefundsRequest(payment_id=r.payment),
}
