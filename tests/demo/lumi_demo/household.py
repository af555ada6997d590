"""A household as a user of the shop: its account, its address, its cart and its orders."""

import asyncio
import time
from collections.abc import AsyncIterator

import grpc.aio
from lumi.common.v1.address_pb2 import PostalAddress
from lumi.identity.v1.address_pb2 import Address, CreateAddressRequest, ListAddressesRequest
from lumi.identity.v1.address_pb2_grpc import AddressServiceStub
from lumi.identity.v1.auth_pb2 import SignUpRequest
from lumi.identity.v1.auth_pb2_grpc import AuthServiceStub
from lumi.orders.v1.cart_pb2 import (
    AddCartItemRequest,
    ApplyCouponRequest,
    Cart,
    ClearCartRequest,
    CreateCartRequest,
    GetActiveCartRequest,
)
from lumi.orders.v1.cart_pb2_grpc import CartServiceStub
from lumi.orders.v1.order_pb2 import ListOrdersRequest, Order, OrderStatus, PlaceOrderRequest
from lumi.orders.v1.order_pb2_grpc import OrderServiceStub
from lumi.payments.v1.payment_pb2 import PaymentProvider

from lumi_demo.baskets import Basket
from lumi_demo.convert import CURRENCY, struct
from lumi_demo.gateway import Refused, Session, call, new_request_id, stub
from lumi_demo.pace import Pace
from lumi_demo.shelf import Shelf

_PAGE = 100
_PAUSE = 0.5
_UNDONE_WITHIN = 90.0  # seconds in which an order that a crash left between steps is finished or undone


class NotBought(Exception):
    """An order was placed and is not what the basket needs."""


class Household:
    """One household, signed in."""

    def __init__(self, number: int, session: Session) -> None:
        self.number = number
        self._session = session
        self._addresses = stub(AddressServiceStub, session.channel)
        self._carts = stub(CartServiceStub, session.channel)
        self._orders = stub(OrderServiceStub, session.channel)
        self._address_id = ""

    @classmethod
    async def enter(cls, channel: grpc.aio.Channel, number: int, password: str) -> "Household":
        """Sign up unless it has an account, sign in, and see that it has an address."""
        email = f"household-{number}@example.com"
        request = SignUpRequest(email=email, password=password, first_name="Household", last_name=str(number))
        try:
            await call(stub(AuthServiceStub, channel).SignUp, request)
        except Refused as refused:
            if refused.reason != "EMAIL_TAKEN":
                raise
        session = Session(channel, email, password)
        await session.sign_in()
        household = cls(number, session)
        household._address_id = await household._have_address()
        return household

    async def settle_cart(self) -> None:
        """Empty the cart that an earlier run may have left; afterwards nothing of this household is in flight."""
        give_up = time.monotonic() + _UNDONE_WITHIN
        while True:
            try:
                cart: Cart = await self._session.call(self._carts.GetActiveCart, GetActiveCartRequest())
                if cart.items or cart.coupon_code:
                    request = ClearCartRequest(id=cart.id, request_id=new_request_id())
                    await self._session.call(self._carts.ClearCart, request)
                return
            except Refused as refused:
                if refused.code == "NOT_FOUND":
                    return
                if refused.reason not in ("CART_BEING_PLACED", "CART_NOT_ACTIVE") or time.monotonic() > give_up:
                    raise
            await asyncio.sleep(_PAUSE)

    async def bought(self) -> set[str]:
        """Ids of the baskets that it has bought, from the metadata of its own orders."""
        return {
            str(order.metadata["basket_id"])
            async for order in self._own_orders()
            if order.status != OrderStatus.ORDER_STATUS_CANCELLED and "basket_id" in order.metadata
        }

    async def buy(self, basket: Basket, shelf: Shelf, pace: Pace) -> Order:
        """Fill a cart, line by line, and place the order; NotBought unless it comes back paid."""
        cart = await self._have_cart()
        for line in basket.lines:
            request = AddCartItemRequest(
                cart_id=cart.id,
                product_variant_id=await shelf.find(self._session, line),
                quantity=line.units,
                request_id=new_request_id(),
            )
            await self._session.call(self._carts.AddCartItem, request)
        if basket.coupon_code:
            coupon = ApplyCouponRequest(id=cart.id, code=basket.coupon_code, request_id=new_request_id())
            await self._session.call(self._carts.ApplyCoupon, coupon)
        order = await self._place(cart, basket, pace)
        if order.status != OrderStatus.ORDER_STATUS_PAID:
            status = OrderStatus.Name(order.status)
            raise NotBought(f"the order of basket {basket.id} is {status}: are manual payments set to settle?")
        return order

    async def _place(self, cart: Cart, basket: Basket, pace: Pace) -> Order:
        """Place the order, whatever dies meanwhile; the pace takes all of the waiting."""
        started = time.perf_counter()
        give_up = time.monotonic() + _UNDONE_WITHIN
        request = PlaceOrderRequest(
            cart_id=cart.id,
            shipping_address_id=self._address_id,
            payment_provider=PaymentProvider.PAYMENT_PROVIDER_MANUAL,
            metadata=struct(basket.metadata),
            request_id=new_request_id(),
        )
        while True:
            try:
                order: Order = (await self._session.call(self._orders.PlaceOrder, request)).order
                pace.record(started)
                return order
            except Refused as refused:
                if refused.reason == "CART_NOT_ACTIVE":
                    return await self._order_from(cart, refused)
                if refused.reason not in ("PLACING_UNDONE", "CART_BEING_PLACED") or time.monotonic() > give_up:
                    raise
                if refused.reason == "PLACING_UNDONE":
                    # Nothing was bought and the cart is as it was: another try is another request.
                    request.request_id = new_request_id()
            await asyncio.sleep(_PAUSE)

    async def _order_from(self, cart: Cart, refused: Refused) -> Order:
        """The order that was written from a cart although its answer was lost."""
        async for order in self._own_orders():
            if order.cart_id == cart.id:
                return order
        raise refused

    async def _own_orders(self) -> AsyncIterator[Order]:
        request = ListOrdersRequest(page_size=_PAGE)
        while True:
            page = await self._session.call(self._orders.ListOrders, request)
            for order in page.orders:
                yield order
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def _have_cart(self) -> Cart:
        """A new cart, or the empty one that `settle_cart` left."""
        cart: Cart
        request = CreateCartRequest(currency_code=CURRENCY, request_id=new_request_id())
        try:
            cart = await self._session.call(self._carts.CreateCart, request)
        except Refused as refused:
            if refused.reason != "ACTIVE_CART_EXISTS":
                raise
            cart = await self._session.call(self._carts.GetActiveCart, GetActiveCartRequest())
        return cart

    async def _have_address(self) -> str:
        page = await self._session.call(self._addresses.ListAddresses, ListAddressesRequest(page_size=1))
        if page.addresses:
            return str(page.addresses[0].id)
        postal = PostalAddress(
            full_name=f"Household {self.number}",
            line1=f"{self.number} Market Street",
            city="Cincinnati",
            state="OH",
            postal_code="45202",
            country="US",
        )
        address = Address(label="Home", postal_address=postal)
        request = CreateAddressRequest(address=address, request_id=new_request_id())
        return str((await self._session.call(self._addresses.CreateAddress, request)).id)
