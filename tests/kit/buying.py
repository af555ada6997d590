"""A shop floor in a few verbs: staff put goods on the shelf, shoppers fill carts and place orders."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import uuid4

from google.type.money_pb2 import Money
from lumi.catalogue.v1 import inventory_pb2, product_pb2, transfer_pb2
from lumi.catalogue.v1.inventory_pb2_grpc import InventoryServiceStub
from lumi.catalogue.v1.product_pb2_grpc import ProductServiceStub
from lumi.catalogue.v1.transfer_pb2_grpc import TransferServiceStub
from lumi.catalogue.v1.variant_pb2 import ListVariantsRequest
from lumi.catalogue.v1.variant_pb2_grpc import VariantServiceStub
from lumi.common.v1.address_pb2 import PostalAddress
from lumi.identity.v1 import address_pb2, auth_pb2
from lumi.identity.v1.address_pb2_grpc import AddressServiceStub
from lumi.identity.v1.auth_pb2_grpc import AuthServiceStub
from lumi.orders.v1 import cart_pb2, order_pb2
from lumi.orders.v1.cart_pb2_grpc import CartServiceStub
from lumi.orders.v1.order_pb2_grpc import OrderServiceStub
from lumi.payments.v1.payment_pb2 import PAYMENT_PROVIDER_MANUAL

from lumi_common.cuid import cuid

Stub = Callable[[Any], Any]
"""Gives a client for a generated stub class, with somebody's token in it."""

HOME = PostalAddress(
    full_name="Ada Lovelace", line1="12 St James's Square", city="London", postal_code="SW1Y 4JH", country="GB"
)


def usd(cents: int) -> Money:
    """So many cents as US dollars."""
    return Money(currency_code="USD", units=cents // 100, nanos=cents % 100 * 10_000_000)


def request_id() -> str:
    """A new request's own id."""
    return str(uuid4())


@dataclass
class Shelf:
    """What staff do; `stub` carries a token with products.write, inventory.read and what else is asked for."""

    stub: Stub

    async def put(self, units: int = 100, cents: int = 250, **facts: Any) -> str:
        """A new product with one variant and so many units; the variant's id."""
        key = cuid()
        row = transfer_pb2.ProductRow(
            title=f"Tomato soup {key}",
            slug=f"tomato-soup-{key}",
            sku=f"P-{key}",
            status=product_pb2.PRODUCT_STATUS_ACTIVE,
            price=usd(cents),
            variants=[
                transfer_pb2.VariantRow(
                    title="Tin", sku=f"V-{key}", price=usd(cents), is_primary=True, initial_quantity=units
                )
            ],
            **facts,
        )
        answer = await self.stub(TransferServiceStub).ImportProducts(
            transfer_pb2.ImportProductsRequest(rows=[row], request_id=request_id())
        )
        assert not answer.errors, answer
        product = await self.stub(ProductServiceStub).GetProductBySlug(
            product_pb2.GetProductBySlugRequest(slug=row.slug)
        )
        found = await self.stub(VariantServiceStub).ListVariants(ListVariantsRequest(product_id=product.id))
        return str(found.variants[0].id)

    async def stock(self, variant: str) -> tuple[int, int]:
        """How many of a variant are on hand, and how many of them are promised."""
        found = await self.stub(InventoryServiceStub).GetInventory(
            inventory_pb2.GetInventoryRequest(product_variant_id=variant)
        )
        return found.quantity_on_hand, found.quantity_reserved


@dataclass
class Shopper:
    """What a signed-in user does; `stub` carries their token."""

    stub: Stub
    address: str = field(default="", init=False)

    async def fill(self, *lines: tuple[str, int], coupon: str = "") -> cart_pb2.Cart:
        """A new cart with these variants and quantities."""
        carts = self.stub(CartServiceStub)
        if not self.address:
            await self.move_in()
        cart: cart_pb2.Cart = await carts.CreateCart(
            cart_pb2.CreateCartRequest(currency_code="USD", request_id=request_id())
        )
        for variant, quantity in lines:
            cart = await carts.AddCartItem(
                cart_pb2.AddCartItemRequest(
                    cart_id=cart.id, product_variant_id=variant, quantity=quantity, request_id=request_id()
                )
            )
        if coupon:
            cart = await carts.ApplyCoupon(
                cart_pb2.ApplyCouponRequest(id=cart.id, code=coupon, request_id=request_id())
            )
        return cart

    async def move_in(self) -> None:
        """Have a home in the address book, where orders go."""
        made = await self.stub(AddressServiceStub).CreateAddress(
            address_pb2.CreateAddressRequest(
                address=address_pb2.Address(label="Home", postal_address=HOME), request_id=request_id()
            )
        )
        self.address = made.id

    def order_for(self, cart: cart_pb2.Cart, **facts: Any) -> order_pb2.PlaceOrderRequest:
        """The request that places a cart's order."""
        given = {
            "cart_id": cart.id,
            "shipping_address_id": self.address,
            "payment_provider": PAYMENT_PROVIDER_MANUAL,
            "request_id": request_id(),
        } | facts
        return order_pb2.PlaceOrderRequest(**given)

    async def place(self, cart: cart_pb2.Cart, **facts: Any) -> order_pb2.PlaceOrderResponse:
        """Order what is in the cart, paying by hand."""
        return await self.place_as(self.order_for(cart, **facts))

    async def place_as(self, request: order_pb2.PlaceOrderRequest) -> order_pb2.PlaceOrderResponse:
        """The same with a request of one's own, to be sent again."""
        answer: order_pb2.PlaceOrderResponse = await self.stub(OrderServiceStub).PlaceOrder(request)
        return answer


@dataclass
class Guest(Shopper):
    """What somebody without an account does; `stub` carries the token of their session, whose id is `id`."""

    id: str
    token: str

    @classmethod
    async def come(cls, stub: Callable[..., Any]) -> "Guest":
        """A new guest; `stub` makes clients, with a token where one is given."""
        session = await stub(AuthServiceStub).CreateGuestSession(auth_pb2.CreateGuestSessionRequest())
        return cls(partial(stub, token=session.access_token), session.session_id, session.access_token)

    async def move_in(self) -> None:
        """Guests have no address book."""

    async def fill(self, *lines: tuple[str, int], coupon: str = "", to: PostalAddress | None = HOME) -> cart_pb2.Cart:
        """A new cart with these variants and quantities, going `to` there."""
        cart = await super().fill(*lines, coupon=coupon)
        return cart if to is None else await self.send(cart, to)

    async def send(self, cart: cart_pb2.Cart, to: PostalAddress) -> cart_pb2.Cart:
        """Say where it goes."""
        sent: cart_pb2.Cart = await self.stub(CartServiceStub).SetCartAddresses(
            cart_pb2.SetCartAddressesRequest(id=cart.id, shipping_address=to, request_id=request_id())
        )
        return sent
