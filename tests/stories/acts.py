"""What people do in a shop, through its gateway."""

from typing import Any

from lumi.catalogue.v1.product_pb2 import Product
from lumi.catalogue.v1.variant_pb2 import ProductVariant
from lumi.identity.v1.address_pb2 import Address
from lumi.orders.v1.cart_pb2 import Cart
from lumi.orders.v1.order_pb2 import PlaceOrderResponse
from lumi_client import NotFound, Session, money

from lumi_common.cuid import cuid
from tests.kit.buying import HOME


async def put_on_sale(staff: Session, units: int = 10, price: str = "2.50") -> str:
    """A new product with one variant at so many US dollars, and so many of it; the variant's id."""
    key = cuid()
    product = await staff.products.create_product(
        product=Product(title=f"Tomato soup {key}", slug=f"tomato-soup-{key}", price=money(price, "USD"))
    )
    variant = await staff.variants.create_variant(
        product_id=product.id, variant=ProductVariant(title="Tin", sku=f"V-{key}", price=money(price, "USD"))
    )
    await staff.products.publish_product(id=product.id)
    await staff.inventories.adjust_inventory(product_variant_id=variant.id, delta=units, reason="delivery")
    return variant.id


async def stock(staff: Session, variant: str) -> tuple[int, int]:
    """How many of a variant are on hand, and how many of them are promised."""
    found = await staff.inventories.get_inventory(product_variant_id=variant)
    return found.quantity_on_hand, found.quantity_reserved


async def fill(buyer: Session, *lines: tuple[str, int], coupon: str = "") -> Cart:
    """The buyer's cart with these variants and quantities added."""
    try:
        cart = await buyer.carts.get_active_cart()
    except NotFound:
        cart = await buyer.carts.create_cart(currency_code="USD")
    for variant, quantity in lines:
        cart = await buyer.carts.add_cart_item(cart_id=cart.id, product_variant_id=variant, quantity=quantity)
    return await buyer.carts.apply_coupon(id=cart.id, code=coupon) if coupon else cart


async def home(buyer: Session) -> str:
    """The id of an address in the buyer's book."""
    async for address in buyer.addresses.list_addresses(page_size=1):
        return address.id
    return (await buyer.addresses.create_address(address=Address(postal_address=HOME))).id


async def place(buyer: Session, cart: Cart, **facts: Any) -> PlaceOrderResponse:
    """Order what is in the cart, to the buyer's own address, paying by hand."""
    facts.setdefault("shipping_address_id", await home(buyer))
    return await buyer.orders.place_order(cart_id=cart.id, payment_provider="PAYMENT_PROVIDER_MANUAL", **facts)
