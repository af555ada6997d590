"""What people do while processes die: each scene is set, played until it is answered, and comes to one end."""

import asyncio
from abc import ABC, abstractmethod
from functools import partial
from typing import Any, ClassVar
from uuid import uuid4

import httpx
from lumi.orders.v1.cart_pb2 import Cart
from lumi_client import Aborted, DeadlineExceeded, FailedPrecondition, Unavailable, money

from lumi_common.events.streams import CONTEXTS
from tests.races.books import Story
from tests.races.floor import Floor
from tests.races.race import Call

UNITS = 10
# So short that what a lost call leaves is taken up soon: the sweeper gives each call the time that its caller gave it.
TRY_SECONDS = 2.0
# Many look at once.
LOOK_SECONDS = 0.5


class Scene(ABC):
    """One thing that somebody does in the shop, with goods and a coupon of their own."""

    name: ClassVar[str]

    def __init__(self, floor: Floor) -> None:
        self.floor = floor
        self.order = ""

    async def set(self) -> None:
        """Make what is needed for it; nobody is to die yet."""
        self.soup, self.coupon, self.buyer = await asyncio.gather(
            self.floor.put(UNITS), self.floor.coupon(), answered(self.floor.buyer)
        )
        self.cart = await self.fill()

    async def fill(self) -> Cart:
        """A cart with two tins and the coupon."""
        return await self.buyer.fill((self.soup, 2), coupon=self.coupon.code)

    @abstractmethod
    async def play(self) -> None:
        """Do it, and again under the same request id until there is an answer."""

    @abstractmethod
    async def expect(self) -> None:
        """Wait until it has come to its one right end."""

    async def place(self) -> None:
        """Place the order, however often it has to be asked for."""
        request_id = str(uuid4())
        while not self.order:
            try:
                call = partial(self.buyer.placing(self.cart, request_id=request_id), timeout=TRY_SECONDS)
                placed = await call()
                assert await answered(call) == placed
                self.order = placed.order.id
            except (Unavailable, DeadlineExceeded):
                pass  # perhaps it stands: asked again, with the same request id
            except FailedPrecondition as refusal:
                if refusal.reason == "CART_NOT_ACTIVE":  # its order was written and undone: a new cart
                    self.cart, request_id = await self.fill(), str(uuid4())
                elif refusal.reason != "CART_BEING_PLACED":
                    raise
            except Aborted:  # nothing was bought: a new try is a new request
                request_id = str(uuid4())
            await asyncio.sleep(0.1)

    async def is_paid(self) -> None:
        """Wait until the order is paid, and see that it is the only one of this buyer's that stands."""
        paid = Story("PAID", ["SETTLED 4.50 0.00"], ["order.placed", "order.paid"])
        await self.comes_to(paid, left=UNITS - 2, uses=1)
        standing = await self.floor.books.rows(
            "select o.id from orders.orders o join orders.orders mine on mine.user_id = o.user_id"
            " where mine.id = $1 and o.status <> 'CANCELLED'",
            self.order,
        )
        assert standing == [self.order]

    async def comes_to(self, story: Story, *, left: int, uses: int) -> None:
        """Wait until the order has that story and is left alone, with so many tins there and so many uses."""
        wanted = story, (left, 0), uses, 0
        found: Any = None
        while found != wanted:
            found = await self.floor.books.story(self.order), await self.stock(), await self.uses(), await self.begun()
            await asyncio.sleep(LOOK_SECONDS)

    async def finds(self, wanted: list[Any], query: str, id: str) -> None:
        """Wait until that is what a query about somebody or something finds."""
        while await self.floor.books.rows(query, id) != wanted:  # noqa: ASYNC110  # the state is in another process
            await asyncio.sleep(LOOK_SECONDS)

    async def stock(self) -> tuple[int, int]:
        """How many tins are there, and how many of them are promised."""
        query = "select quantity_on_hand, quantity_reserved from catalogue.inventories where product_variant_id = $1"
        [found] = await self.floor.books.rows(query, self.soup)
        return found

    async def uses(self) -> int:
        """How often the coupon is used."""
        query = "select count(*)::int from marketing.coupon_usages where coupon_id = $1"
        [found] = await self.floor.books.rows(query, self.coupon.id)
        return found

    async def begun(self) -> int:
        """What is still to be finished or undone of the order."""
        query = "select count(*)::int from orders.checkouts where order_id = $1 or cart_id = $2"
        [found] = await self.floor.books.rows(query, self.order, self.cart.id)
        return found

    async def refunds(self) -> list[str]:
        """What was given back of the order's money, a row for each time."""
        return await self.floor.books.rows(
            "select r.status || ' ' || r.amount from payments.payment_refunds r"
            " join payments.payments p on p.id = r.payment_id where p.order_id = $1",
            self.order,
        )


async def insisted(call: Call) -> Any:
    """The answer of a call that is made again until it has one, which a repeat gets too: its request id is the same."""
    answer = await answered(call)
    assert await answered(call) == answer
    return answer


async def answered(call: Call) -> Any:
    """What a call is answered that is made again while those who have to answer are away."""
    while True:
        try:
            return await call()
        except (Unavailable, DeadlineExceeded):
            pass
        except Aborted as refusal:
            if refusal.reason != "DELETION_UNDER_WAY":  # by the try whose answer was lost
                raise
        await asyncio.sleep(0.1)


class Placing(Scene):
    """An order is placed and paid."""

    name = "placing"

    async def play(self) -> None:
        await self.place()

    async def expect(self) -> None:
        await self.is_paid()


class Cancelling(Scene):
    """A paid order is cancelled by its buyer: its money, its coupon and its tins come back."""

    name = "cancelling"

    async def set(self) -> None:
        await super().set()
        await self.place()
        await self.is_paid()

    async def play(self) -> None:
        cancel = self.buyer.session.orders.cancel_order
        await insisted(partial(cancel, id=self.order, request_id=str(uuid4()), timeout=TRY_SECONDS))

    async def expect(self) -> None:
        told = ["order.placed", "order.paid", "order.cancelled"]
        await self.comes_to(Story("CANCELLED", ["REFUNDED 4.50 4.50"], told), left=UNITS, uses=0)
        assert await self.refunds() == ["SUCCEEDED 4.50"]


class Refunding(Cancelling):
    """Staff give a part of an order's money back."""

    name = "refunding"

    async def play(self) -> None:
        [payment] = await self.floor.books.rows("select id from payments.payments where order_id = $1", self.order)
        refund, amount = self.floor.staff.refunds.create_refund, money("1.00", "USD")
        await insisted(partial(refund, payment_id=payment, amount=amount, request_id=str(uuid4()), timeout=TRY_SECONDS))

    async def expect(self) -> None:
        paid = Story("PAID", ["SETTLED 4.50 1.00"], ["order.placed", "order.paid"])
        await self.comes_to(paid, left=UNITS - 2, uses=1)
        assert await self.refunds() == ["SUCCEEDED 1.00"]


class Expiring(Scene):
    """Nobody pays for an order: it is cancelled when its time is over, and its payment voided."""

    name = "cancelling what nobody paid for"

    async def play(self) -> None:
        await self.place()

    async def expect(self) -> None:
        told = ["order.placed", "order.cancelled"]
        await self.comes_to(Story("CANCELLED", ["FAILED 0.00 0.00"], told), left=UNITS, uses=0)
        assert await self.refunds() == []


class Deleting(Scene):
    """Staff delete a variant that nobody refers to."""

    name = "deleting a variant"

    async def set(self) -> None:
        self.soup = await self.floor.put(UNITS)

    async def play(self) -> None:
        delete = self.floor.staff.variants.delete_variant
        await insisted(partial(delete, id=self.soup, request_id=str(uuid4()), timeout=TRY_SECONDS))

    async def expect(self) -> None:
        await self.is_deleted(variants=0, fences=1)

    async def is_deleted(self, *, variants: int, fences: int) -> None:
        """Wait until so many of it are there, so many marks that it is gone, and nothing of the deletion."""
        await self.finds(
            [(variants, 0, fences)],
            "select (select count(*) from catalogue.product_variants where id = $1),"
            " (select count(*) from catalogue.deletions where entity_id = $1),"
            " (select count(*) from orders.reference_targets where id = $1 and gone_at is not null)",
            self.soup,
        )


class DeletingInVain(Deleting):
    """Staff are refused to delete a variant that is in a cart, and the cart is bought."""

    name = "deleting a variant that is in a cart"

    async def set(self) -> None:
        await Scene.set(self)

    async def play(self) -> None:
        try:
            await super().play()
        except FailedPrecondition as refusal:
            if refusal.reason != "REFERENCED":
                raise
        else:
            raise AssertionError("a variant was deleted under a cart")
        await self.place()

    async def expect(self) -> None:
        await self.is_deleted(variants=1, fences=0)
        await self.is_paid()


class Purging(Cancelling):
    """Staff purge somebody who bought: what names them in every service follows, and the order stays."""

    name = "purging a user"

    async def set(self) -> None:
        await super().set()
        [self.user] = await self.floor.books.rows("select user_id from orders.orders where id = $1", self.order)
        await self.buyer.session.users.delete_user(id=self.user)
        await self.floor.staff.step_up(password=self.floor.door.admin["password"])

    async def play(self) -> None:
        purge = self.floor.staff.users.purge_user
        await insisted(partial(purge, id=self.user, request_id=str(uuid4()), timeout=TRY_SECONDS))

    async def expect(self) -> None:
        await self.finds(
            [0],
            "select (select count(*) from identity.users where id = $1)"
            " + (select count(*) from orders.carts where user_id = $1)"
            " + (select count(*) from orders.orders where user_id = $1)"
            " + (select count(*) from payments.payments where user_id = $1)"
            " + (select count(*) from marketing.coupon_usages where user_id = $1)",
            self.user,
        )
        status, payments, _ = await self.floor.books.story(self.order)
        assert (status, payments) == ("PAID", ["SETTLED 4.50 0.00"])


class Erasing(Cancelling):
    """Staff erase somebody who bought: every service confirms that nothing is left, and the order stays."""

    name = "erasing a user"

    async def set(self) -> None:
        await super().set()
        [self.user] = await self.floor.books.rows("select user_id from orders.orders where id = $1", self.order)

    async def play(self) -> None:
        await insisted(partial(self._erase, str(uuid4())))

    async def _erase(self, request_id: str) -> str:
        """The erasure's id."""
        door = self.floor.door
        proof = {"password": door.admin["password"]}
        token = (await self._post("/v1/auth:stepUp", proof, self.floor.staff.access_token))["accessToken"]
        return str((await self._post(f"/v1/users/{self.user}:erase", {"requestId": request_id}, token))["id"])

    async def _post(self, path: str, body: dict[str, str], token: str) -> Any:
        try:
            answer = await self.floor.door.http.post(path, json=body, headers={"authorization": f"Bearer {token}"})
        except httpx.HTTPError as error:
            raise Unavailable("UNAVAILABLE", str(error)) from error
        if answer.status_code in (503, 504):
            raise Unavailable("UNAVAILABLE", answer.text)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def expect(self) -> None:
        await self.finds(["COMPLETE"], "select step from identity.erasures where subject_id = $1", self.user)
        outboxes = "".join(
            f" + (select count(*) from {context}.outbox_events where headers ->> 'actor_id' = $1"
            " and headers ->> 'ip_address' is not null)"
            for context in CONTEXTS
        )
        await self.finds(
            [0],
            "select (select count(*) from identity.users where id = $1)"
            " + (select count(*) from orders.carts where user_id = $1)"
            " + (select count(*) from orders.orders where user_id = $1)"
            " + (select count(*) from payments.payments where user_id = $1)" + outboxes,
            self.user,
        )
        [confirmed] = await self.floor.books.rows(
            "select count(*)::int from identity.erasures e cross join jsonb_each(e.services) as s(name, told)"
            " where e.subject_id = $1 and told ->> 'confirmed_at' <> ''",
            self.user,
        )
        assert confirmed == len(CONTEXTS)
        status, payments, _ = await self.floor.books.story(self.order)
        assert (status, payments) == ("PAID", ["SETTLED 4.50 0.00"])


class DeletingOrder(Scene):
    """Staff delete an order that was cancelled because nobody would take its money."""

    name = "deleting an order"

    async def set(self) -> None:
        await super().set()
        place = self.buyer.session.orders.place_order
        try:
            await place(
                cart_id=self.cart.id, shipping_address_id=self.buyer.home, payment_provider="PAYMENT_PROVIDER_STRIPE"
            )
        except FailedPrecondition as refusal:
            if refusal.reason != "PAYMENT_REFUSED":
                raise
        [self.order] = await self.floor.books.orders_of(self.cart.id)
        await self.comes_to(Story("CANCELLED", [], ["order.placed", "order.cancelled"]), left=UNITS, uses=0)

    async def play(self) -> None:
        delete = self.floor.staff.orders.delete_order
        await insisted(partial(delete, id=self.order, request_id=str(uuid4()), timeout=TRY_SECONDS))

    async def expect(self) -> None:
        await self.finds(
            [(0, 0, 2)],
            "select (select count(*) from orders.orders where id = $1),"
            " (select count(*) from orders.deletions where entity_id = $1),"
            " (select count(*) from payments.reference_targets where id = $1 and gone_at is not null)"
            " + (select count(*) from marketing.reference_targets where id = $1 and gone_at is not null)",
            self.order,
        )
