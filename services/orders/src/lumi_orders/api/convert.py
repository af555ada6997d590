"""Carts, quotes and orders between protobuf and the domain."""

from decimal import Decimal
from typing import Any, Literal

from google.type.money_pb2 import Money
from lumi.orders.v1 import cart_pb2, order_pb2
from lumi.payments.v1 import payment_pb2

from lumi_common.context import Context
from lumi_common.db.request import request_hash
from lumi_common.rpc.convert import masked, money_to_proto, time_to_proto
from lumi_orders.clients.wire import address_from_proto, address_to_proto, plain, struct
from lumi_orders.domain.cart import Cart, CartItem, CartStatus
from lumi_orders.domain.checkout import Address, Origin, Wanted
from lumi_orders.domain.merge import MergePolicy
from lumi_orders.domain.order import Order, OrderItem, OrderStatus
from lumi_orders.domain.payment import Placed
from lumi_orders.domain.quote import CartIssue, Issue, Quote, QuoteLine

_CART_STATUSES: dict[CartStatus, Any] = {
    status: cart_pb2.CartStatus.Value(f"CART_STATUS_{status}") for status in CartStatus
}
_ORDER_STATUSES: dict[OrderStatus, Any] = {
    status: order_pb2.OrderStatus.Value(f"ORDER_STATUS_{status}") for status in OrderStatus
}
_CART_ISSUES: dict[CartIssue, Any] = {issue: cart_pb2.CartIssue.Value(f"CART_ISSUE_{issue}") for issue in CartIssue}
MERGE_POLICIES = {cart_pb2.MergePolicy.Value(f"MERGE_POLICY_{policy}"): policy for policy in MergePolicy} | {
    cart_pb2.MERGE_POLICY_UNSPECIFIED: MergePolicy.ADD
}
_ISSUES: dict[Issue, Any] = {issue: cart_pb2.QuoteIssue.Value(f"QUOTE_ISSUE_{issue}") for issue in Issue}
ORDER_STATUSES = {number: status for status, number in _ORDER_STATUSES.items()}
STANDINGS: dict[str, Any] = {
    name: order_pb2.OrderStanding.Value(f"ORDER_STANDING_{name}") for name in ("LIVE", "PLACING", "GONE")
}
_PROVIDER = "PAYMENT_PROVIDER_"

AddressField = Literal["shipping_address", "billing_address"]


def cart_to_proto(cart: Cart) -> cart_pb2.Cart:
    return cart_pb2.Cart(
        id=cart.id,
        user_id=cart.user_id,
        status=_CART_STATUSES[cart.status],
        currency_code=cart.currency,
        items=map(_cart_item, cart.items),
        coupon_code=cart.coupon_code,
        shipping_address=address_to_proto(cart.shipping_address),
        billing_address=address_to_proto(cart.billing_address),
        create_time=time_to_proto(cart.created_at),
        update_time=time_to_proto(cart.updated_at),
        etag=cart.etag,
    )


def _cart_item(item: CartItem) -> cart_pb2.CartItem:
    return cart_pb2.CartItem(
        id=item.id,
        product_variant_id=item.product_variant_id,
        quantity=item.quantity,
        unit_price=money_to_proto(item.unit_price, item.currency),
    )


def address_given(request: cart_pb2.SetCartAddressesRequest, field: AddressField) -> Address | None:
    """An address that stands in the request itself; None when it does not."""
    return address_from_proto(getattr(request, field)) if request.HasField(field) else None


def quote_to_proto(quote: Quote) -> cart_pb2.CartQuote:
    cart, price = quote.cart, quote.price

    def money(amount: Decimal) -> Money:
        return money_to_proto(amount, cart.currency)

    return cart_pb2.CartQuote(
        cart_id=cart.id,
        cart_etag=cart.etag,
        lines=[
            _quote_line(line, money(part), money(tax), money(total))
            for line, part, tax, total in zip(quote.lines, price.shares, price.taxes, price.totals, strict=True)
        ],
        subtotal_amount=money(price.subtotal),
        discount_amount=money(price.discount),
        shipping_amount=money(price.shipping),
        tax_amount=money(price.tax),
        total_amount=money(price.total),
        coupon_code=quote.coupon_code,
        coupon_refusal=quote.coupon_refusal,
        is_orderable=not quote.issues,
        issues=[_CART_ISSUES[issue] for issue in quote.issues],
        shipping_discount_amount=money(quote.shipping_discount),
        prices_include_tax=price.prices_include_tax,
    )


def _quote_line(line: QuoteLine, share: Money, tax: Money, total: Money) -> cart_pb2.QuoteLine:
    item, offer = line.item, line.offer
    made = cart_pb2.QuoteLine(
        product_variant_id=item.product_variant_id,
        quantity=item.quantity,
        subtotal_amount=money_to_proto(line.total, share.currency_code),
        discount_amount=share,
        tax_amount=tax,
        total_amount=total,
        issues=[_ISSUES[issue] for issue in line.issues],
    )
    if offer is not None:
        made.product_id, made.product_title = offer.product_id, offer.product_title
        made.variant_title, made.sku = offer.variant_title, offer.sku
        made.quantity_available = offer.available
        made.unit_price.CopyFrom(money_to_proto(offer.unit_price, offer.currency))
        if offer.compare_at_price is not None:
            made.compare_at_price.CopyFrom(money_to_proto(offer.compare_at_price, offer.currency))
    return made


def order_to_proto(order: Order, for_staff: bool = False) -> order_pb2.Order:
    """The order as its buyer sees it, or with what staff noted."""
    currency = order.currency
    return order_pb2.Order(
        id=order.id,
        reference=order.reference,
        user_id=order.user_id,
        cart_id=order.cart_id,
        status=_ORDER_STATUSES[order.status],
        items=map(_order_item, order.items),
        subtotal_amount=money_to_proto(order.subtotal_amount, currency),
        discount_amount=money_to_proto(order.discount_amount, currency),
        shipping_amount=money_to_proto(order.shipping_amount, currency),
        tax_amount=money_to_proto(order.tax_amount, currency),
        total_amount=money_to_proto(order.total_amount, currency),
        prices_include_tax=order.prices_include_tax,
        coupon_code=order.coupon_code,
        shipping_address_id=order.shipping_address_id,
        billing_address_id=order.billing_address_id,
        shipping_address=address_to_proto(order.shipping_address_snapshot),
        billing_address=address_to_proto(order.billing_address_snapshot),
        metadata=None if order.metadata is None else struct(order.metadata),
        notes=order.notes if for_staff else None,
        placed_time=time_to_proto(order.placed_at),
        fulfilled_time=time_to_proto(order.fulfilled_at),
        shipped_time=time_to_proto(order.shipped_at),
        delivered_time=time_to_proto(order.delivered_at),
        cancelled_time=time_to_proto(order.cancelled_at),
        create_time=time_to_proto(order.created_at),
        update_time=time_to_proto(order.updated_at),
        etag=order.etag,
    )


def _order_item(item: OrderItem) -> order_pb2.OrderItem:
    variant = item.variant_snapshot or {}
    attributes = variant.get("attributes")
    return order_pb2.OrderItem(
        id=item.id,
        product_id=item.product_id,
        product_variant_id=item.product_variant_id,
        title=item.title_snapshot,
        variant=order_pb2.VariantSnapshot(
            title=variant.get("title"),
            sku=variant.get("sku"),
            attributes=struct(attributes) if attributes else None,
        ),
        quantity=item.quantity,
        unit_price=money_to_proto(item.unit_price, item.currency),
        discount_amount=money_to_proto(item.discount_amount, item.currency),
        tax_amount=money_to_proto(item.tax_amount, item.currency),
        total_amount=money_to_proto(item.total_amount, item.currency),
    )


def noted_from_proto(request: order_pb2.UpdateOrderRequest) -> dict[str, Any]:
    """What is to be noted with an order: what the mask names, or what is set where there is none."""
    given = request.order
    noted = {
        "notes": given.notes or None,
        "metadata": plain(given.metadata) if given.HasField("metadata") else None,
    }
    named = masked(request.update_mask, given, noted)
    return {name: value for name, value in noted.items() if name in named}


def placed_to_proto(placed: Placed) -> order_pb2.PlaceOrderResponse:
    return order_pb2.PlaceOrderResponse(
        order=order_to_proto(placed.order),
        payment_id=placed.payment.id,
        next_action=payment_pb2.NextAction(type=f"NEXT_ACTION_TYPE_{placed.payment.next_action}"),
    )


def wanted_from_proto(request: order_pb2.PlaceOrderRequest, context: Context) -> Wanted:
    return Wanted(
        cart_id=request.cart_id,
        owner=context.principal.id,
        provider=provider_from_proto(request.payment_provider),
        shipping_address_id=request.shipping_address_id,
        billing_address_id=request.billing_address_id,
        metadata=plain(request.metadata) if request.HasField("metadata") else None,
        cart_etag=request.cart_etag,
        origin=origin_of(request, context),
    )


def provider_from_proto(provider: payment_pb2.PaymentProvider) -> str:
    return payment_pb2.PaymentProvider.Name(provider).removeprefix(_PROVIDER)


def origin_of(request: order_pb2.PlaceOrderRequest | order_pb2.RetryPaymentRequest, context: Context) -> Origin:
    """Who asks under which request id, so that whoever finishes it can keep the answer."""
    return Origin(context.principal.key, request.request_id, request_hash(request, context))
