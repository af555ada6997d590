"""A shopper: fills a cart, places its order, and sees to what is to become of it."""

import asyncio
from collections.abc import Iterator
from functools import partial
from itertools import count

from lumi.common.v1.address_pb2 import PostalAddress
from lumi.identity.v1.address_pb2 import Address
from lumi.orders.v1.cart_pb2 import Cart
from lumi.orders.v1.order_pb2 import PlaceOrderResponse
from lumi_client import FailedPrecondition, LumiError, NotFound, Session

from lumi_faults.aftermath import Aftermath
from lumi_faults.notes import Bought, Notes
from lumi_faults.people import UNDONE, Person
from lumi_faults.plan import Shopper
from lumi_faults.store import CURRENCY, Store
from lumi_faults.trips import Trip, trips

HOME = PostalAddress(
    full_name="Ada Lovelace", line1="12 St James's Square", city="London", postal_code="SW1Y 4JH", country="GB"
)
BEING_PLACED = "CART_BEING_PLACED"
# What may keep a cart from becoming an order, whatever works and whatever does not.
_REFUSALS = ("INSUFFICIENT_STOCK", "COUPON_REFUSED")
_TRIES = 5
LONGEST_WAIT = 10.0


class Buyer:
    """Goes on trips until told to stop; notes every answer."""

    def __init__(self, shopper: Shopper, person: Person, clerk: Person, store: Store, notes: Notes) -> None:
        self.shopper = shopper
        self._person, self._store, self._notes = person, store, notes
        self._aftermath = Aftermath(person, clerk, notes)
        self._home = ""

    async def move_in(self) -> None:
        """Get an account with an address, or come as a guest."""
        if self.shopper.is_guest:
            await self._come_anew()
            return
        await self._person.sign_up()
        session = await self._person.come()
        assert session.user is not None
        self._notes.people.add(session.user.id)
        self._home = (await session.addresses.create_address(address=Address(postal_address=HOME))).id

    async def shop(self, closing: asyncio.Event) -> None:
        """Go on trips until the shop closes; raises NeverTold, and LumiError for an answer that no fault earns."""
        try:
            for trip in trips(self.shopper):
                if closing.is_set():
                    return
                await self.go(trip)
                await asyncio.sleep(trip.pause)
        finally:
            await self.close()

    async def close(self) -> None:
        """See to what is still to be done."""
        await self._aftermath.close()

    async def go(self, trip: Trip) -> None:
        """One trip, to its end."""
        if trip.new and self.shopper.is_guest:
            await self._come_anew()
        try:
            cart = await self._fill(trip)
            bought = await self._place(cart, trip)
        except FailedPrecondition as refusal:
            if refusal.reason not in _REFUSALS:
                raise
            self._notes.happened["refused"] += 1
            await self._see_to(refusal, trip)
        else:
            if bought is not None:
                await self._aftermath.follow(bought, trip)

    async def _come_anew(self) -> None:
        self._person.session = None
        session = await self._person.ask(_same)
        self._notes.people.add(session.id)

    async def _fill(self, trip: Trip) -> Cart:
        ask, ids = self._person.ask, trip.request_id
        try:
            cart = await ask(lambda session: session.carts.get_active_cart())
            cart = await ask(partial(_clear, cart.id, ids()), BEING_PLACED)  # by a placing that was undone
        except NotFound:
            cart = await ask(partial(_new_cart, ids()))
        for good, units in trip.lines.items():
            cart = await ask(partial(_add, cart.id, self._store.goods[good], units, ids()))
        if trip.coupon is not None:
            cart = await ask(partial(_apply, cart.id, self._store.coupons[trip.coupon], ids()))
        return cart if self._home else await ask(partial(_send, cart.id, ids()))

    async def _place(self, cart: Cart, trip: Trip) -> Bought | None:
        """The order, however often it has to be asked for; None where the shop took it back."""
        for _ in range(_TRIES):
            request_id = trip.request_id()
            self._notes.carts[request_id] = cart.id
            try:
                bought = await self._ask_for(cart.id, request_id, trip.patience)
                if trip.asks_again:
                    await self._ask_for(cart.id, request_id, trip.patience)
                return bought
            except LumiError as refusal:
                if refusal.reason == "CART_NOT_ACTIVE" and await self._is_taken_back(refusal.facts["order_id"]):
                    return None
                if refusal.reason != UNDONE:
                    raise
                self._notes.happened["undone"] += 1
        return None

    async def _ask_for(self, cart_id: str, request_id: str, patience: float) -> Bought:
        waits = (min(patience * 2**times, LONGEST_WAIT) for times in count())
        answer = await self._person.ask(partial(_order, cart_id, self._home, request_id, waits), BEING_PLACED)
        return self._notes.placed(answer, request_id)

    async def _is_taken_back(self, order_id: str) -> bool:
        order = await self._person.ask(lambda session: session.orders.get_order(id=order_id))
        return order.HasField("cancelled_time")

    async def _see_to(self, refusal: FailedPrecondition, trip: Trip) -> None:
        """Have what was missing for the next one who wants it."""
        if refusal.reason == "COUPON_REFUSED" and trip.coupon is not None:
            await self._store.replace(self._store.coupons[trip.coupon], trip.request_id())
            return
        missing = refusal.facts.get("product_variant_id", "")
        for good in trip.lines:
            if self._store.goods[good] == missing:
                await self._store.deliver(good, trip.delivery, trip.request_id())


async def _same(session: Session) -> Session:
    return session


async def _clear(cart_id: str, request_id: str, session: Session) -> Cart:
    return await session.carts.clear_cart(id=cart_id, request_id=request_id)


async def _new_cart(request_id: str, session: Session) -> Cart:
    return await session.carts.create_cart(currency_code=CURRENCY, request_id=request_id)


async def _add(cart_id: str, variant: str, units: int, request_id: str, session: Session) -> Cart:
    return await session.carts.add_cart_item(
        cart_id=cart_id, product_variant_id=variant, quantity=units, request_id=request_id
    )


async def _apply(cart_id: str, code: str, request_id: str, session: Session) -> Cart:
    return await session.carts.apply_coupon(id=cart_id, code=code, request_id=request_id)


async def _send(cart_id: str, request_id: str, session: Session) -> Cart:
    return await session.carts.set_cart_addresses(id=cart_id, shipping_address=HOME, request_id=request_id)


async def _order(
    cart_id: str, address_id: str, request_id: str, waits: Iterator[float], session: Session
) -> PlaceOrderResponse:
    return await session.orders.place_order(
        cart_id=cart_id,
        shipping_address_id=address_id or None,
        payment_provider="PAYMENT_PROVIDER_MANUAL",
        request_id=request_id,
        timeout=next(waits),
    )
