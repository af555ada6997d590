"""A household as a user of the shop: its account, its address, its cart and its orders."""

import asyncio
import time
from contextlib import suppress
from uuid import uuid4

from lumi.common.v1.address_pb2 import PostalAddress
from lumi.identity.v1.address_pb2 import Address
from lumi.orders.v1.cart_pb2 import Cart
from lumi.orders.v1.order_pb2 import Order, OrderStatus
from lumi.payments.v1.payment_pb2 import PaymentProvider
from lumi_client import Aborted, AlreadyExists, FailedPrecondition, Lumi, NotFound, Session

from lumi_demo.baskets import Basket
from lumi_demo.convert import CURRENCY
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
        self._address_id = ""

    @classmethod
    async def enter(cls, shop: Lumi, number: int, password: str) -> "Household":
        """Sign up unless it has an account, sign in, and see that it has an address."""
        email = f"household-{number}@example.com"
        with suppress(AlreadyExists):
            await shop.auth.sign_up(email=email, password=password, first_name="Household", last_name=str(number))
        household = cls(number, await shop.sign_in(email, password))
        household._address_id = await household._have_address()
        return household

    async def settle_cart(self) -> None:
        """Empty the cart that an earlier run may have left; afterwards nothing of this household is in flight."""
        give_up = time.monotonic() + _UNDONE_WITHIN
        while True:
            try:
                cart = await self._session.carts.get_active_cart()
                if cart.items or cart.coupon_code:
                    await self._session.carts.clear_cart(id=cart.id)
                return
            except NotFound:
                return
            except FailedPrecondition as refused:
                if refused.reason not in ("CART_BEING_PLACED", "CART_NOT_ACTIVE") or time.monotonic() > give_up:
                    raise
            await asyncio.sleep(_PAUSE)

    async def bought(self) -> set[str]:
        """Ids of the baskets that it has bought, from the metadata of its own orders."""
        return {
            str(order.metadata["basket_id"])
            async for order in self._session.orders.list_orders(page_size=_PAGE)
            if order.status != OrderStatus.ORDER_STATUS_CANCELLED and "basket_id" in order.metadata
        }

    async def buy(self, basket: Basket, shelf: Shelf, pace: Pace) -> Order:
        """Fill a cart, line by line, and place the order; NotBought unless it comes back paid."""
        carts = self._session.carts
        cart = await self._have_cart()
        for line in basket.lines:
            variant = await shelf.find(self._session, line)
            await carts.add_cart_item(cart_id=cart.id, product_variant_id=variant, quantity=line.units)
        if basket.coupon_code:
            await carts.apply_coupon(id=cart.id, code=basket.coupon_code)
        order = await self._place(cart, basket, pace)
        if order.status != OrderStatus.ORDER_STATUS_PAID:
            status = OrderStatus.Name(order.status)
            raise NotBought(f"the order of basket {basket.id} is {status}: are manual payments set to settle?")
        return order

    async def _place(self, cart: Cart, basket: Basket, pace: Pace) -> Order:
        """Place the order, whatever dies meanwhile; the pace takes all of the waiting."""
        started = time.perf_counter()
        give_up = time.monotonic() + _UNDONE_WITHIN
        request_id = str(uuid4())
        while True:
            try:
                placed = await self._session.orders.place_order(
                    cart_id=cart.id,
                    shipping_address_id=self._address_id,
                    payment_provider=PaymentProvider.PAYMENT_PROVIDER_MANUAL,
                    metadata=basket.metadata,
                    request_id=request_id,
                )
                pace.record(started)
                return placed.order
            except (Aborted, FailedPrecondition) as refused:
                if refused.reason == "CART_NOT_ACTIVE":
                    return await self._session.orders.get_order(id=refused.facts["order_id"])
                if refused.reason not in ("PLACING_UNDONE", "CART_BEING_PLACED") or time.monotonic() > give_up:
                    raise
                if refused.reason == "PLACING_UNDONE":
                    # Nothing was bought and the cart is as it was: another try is another request.
                    request_id = str(uuid4())
            await asyncio.sleep(_PAUSE)

    async def _have_cart(self) -> Cart:
        """A new cart, or the empty one that `settle_cart` left."""
        try:
            return await self._session.carts.create_cart(currency_code=CURRENCY)
        except AlreadyExists:
            return await self._session.carts.get_active_cart()

    async def _have_address(self) -> str:
        async for address in self._session.addresses.list_addresses(page_size=1):
            return address.id
        postal = PostalAddress(
            full_name=f"Household {self.number}",
            line1=f"{self.number} Market Street",
            city="Cincinnati",
            state="OH",
            postal_code="45202",
            country="US",
        )
        made = await self._session.addresses.create_address(address=Address(label="Home", postal_address=postal))
        return made.id
