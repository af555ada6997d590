"""Somebody who bought is deleted, brought back and purged: what names them in every service follows, and nothing else.

Saved cards and reviews are written by SQL, as no method writes them.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import asyncpg
import nats
import pytest
from google.type.decimal_pb2 import Decimal as Percent
from lumi.identity.v1 import address_pb2, auth_pb2, user_pb2
from lumi.identity.v1.address_pb2_grpc import AddressServiceStub
from lumi.identity.v1.auth_pb2_grpc import AuthServiceStub
from lumi.identity.v1.user_pb2_grpc import UserServiceStub
from lumi.marketing.v1 import coupon_pb2
from lumi.marketing.v1.coupon_pb2_grpc import CouponServiceStub
from lumi.orders.v1 import cart_pb2
from lumi.orders.v1.cart_pb2_grpc import CartServiceStub

from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.crossings import CROSSINGS
from lumi_common.errors import FailedPrecondition, LumiError, Unauthenticated
from lumi_common.events.event import Event
from lumi_common.events.streams import CONTEXTS, DURABLES, stream
from tests.kit.buying import HOME, Shopper, request_id, usd
from tests.kit.shop import PASSWORD, Shop, SignedIn
from tests.kit.waiting import until

PEOPLE = ("identity.users", "identity.addresses")
# Every column that names a user or an address, and what becomes of it when that goes.
NAMING = {column: rule for column, target, rule in CROSSINGS if target in PEOPLE}
LISTENERS = [each for each in DURABLES if "identity" in each.contexts]
_BESIDES = {"version", "updated_at"}

Rows = dict[str, dict[str, dict[str, Any]]]


@dataclass
class Buyer:
    """Somebody with two orders, one with a coupon, a cart that is being filled, and all else that names them."""

    user: SignedIn
    shopper: Shopper
    homes: list[str]
    orders: list[str]
    cart: cart_pb2.Cart
    coupon: coupon_pb2.Coupon

    @property
    def named(self) -> list[str]:
        """The ids that others have of them."""
        return [self.user.id, *self.homes]


async def a_coupon(shop: Shop) -> coupon_pb2.Coupon:
    staff = await shop.user("coupons.write")
    coupon = coupon_pb2.Coupon(
        code=f"C-{cuid()}", type=coupon_pb2.COUPON_TYPE_PERCENTAGE, percent=Percent(value="10"), is_active=True
    )
    made: coupon_pb2.Coupon = await shop.stub(CouponServiceStub, staff.token).CreateCoupon(
        coupon_pb2.CreateCouponRequest(coupon=coupon, request_id=request_id())
    )
    return made


async def a_buyer(shop: Shop) -> Buyer:
    variant, coupon, user = await (await shop.staff()).put(100), await a_coupon(shop), await shop.user()
    shopper = Shopper(partial(shop.stub, token=user.token))
    await shopper.move_in()
    home = shopper.address
    await shopper.move_in()
    homes = [home, shopper.address]
    orders = []
    for code in (coupon.code, ""):
        cart = await shopper.fill((variant, 2), coupon=code)
        placed = await shopper.place(cart, billing_address_id=home)
        orders.append(placed.order.id)
    cart = await shopper.fill((variant, 1), coupon=coupon.code)
    async with shop.database("catalogue") as database:
        product = await database.fetchval("select product_id from product_variants where id = $1", variant)
        await database.execute(
            "insert into reviews (id, product_id, user_id, order_id, rating) values ($1, $2, $3, $4, 5)",
            cuid(),
            product,
            user.id,
            orders[0],
        )
    async with shop.database("payments") as database:
        await database.execute(_INSERT_CARD, cuid(), user.id)
    return Buyer(user, shopper, homes, orders, cart, coupon)


_INSERT_CARD = "insert into saved_cards (id, user_id, provider, card_token) values ($1, $2, 'MANUAL', $1)"
_INSERT_REVIEW = "insert into reviews (id, product_id, user_id, rating) select $1, min(id), $2, 1 from products"


async def naming(shop: Shop, buyer: Buyer) -> Rows:
    """The rows that name the buyer or an address of theirs, by column and id."""
    found: Rows = {}
    async with shop.database("identity") as database:
        for column in NAMING:
            table, _, name = column.rpartition(".")
            rows = await database.fetch(f"select * from {table} where {name} = any($1)", buyer.named)
            found[column] = {row["id"]: dict(row) for row in rows}
    return found


async def now(shop: Shop, before: Rows) -> Rows:
    """The same rows as they are by now, without those that are gone."""
    found: Rows = {}
    async with shop.database("identity") as database:
        for column, rows in before.items():
            table = column.rpartition(".")[0]
            again = await database.fetch(f"select * from {table} where id = any($1)", list(rows))
            found[column] = {row["id"]: dict(row) for row in again}
    return found


async def audited(shop: Shop, ids: list[str]) -> Counter[tuple[str, str, str]]:
    """What is filed of these: entity, id and action."""
    async with shop.database("identity") as database:
        rows = await database.fetch("select entity, entity_id, action from audit_logs where entity_id = any($1)", ids)
    return Counter(tuple(row) for row in rows)


async def untold(shop: Shop) -> int:
    """How many outbox rows of all services wait to be published."""
    waiting = " + ".join(f"(select count(*) from {c}.outbox_events where published_at is null)" for c in CONTEXTS)
    async with shop.database("identity") as database:
        return int(await database.fetchval(f"select {waiting}"))


@asynccontextmanager
async def broker(shop: Shop) -> AsyncIterator[Any]:
    """The streams, as their administrator."""
    client = await nats.connect(shop.nats.url_admin)
    try:
        yield client.jetstream()
    finally:
        await client.close()


async def at_rest(shop: Shop) -> None:
    """Until all that was told was heard by everybody."""
    async with broker(shop) as jetstream:

        async def heard() -> bool:
            if await untold(shop):
                return False
            for durable in DURABLES:
                for context in durable.contexts:
                    info = await jetstream.consumer_info(stream(context), durable.name)
                    if info.num_pending or info.num_ack_pending:
                        return False
            return not await untold(shop)

        await until(heard, "every event was heard", seconds=30)


async def seqs(shop: Shop) -> dict[str, int]:
    """How far each service's outbox has come."""
    async with shop.database("identity") as database:
        return {c: await database.fetchval(f"select coalesce(max(seq), 0) from {c}.outbox_events") for c in CONTEXTS}


async def used(shop: Shop, coupon: coupon_pb2.Coupon) -> int:
    async with shop.database("marketing") as database:
        return int(await database.fetchval("select usage_count from coupons where id = $1", coupon.id))


@pytest.fixture
async def staff(shop: Shop) -> Any:
    user = await shop.user("users.read", "users.write", "users.purge")
    return shop.stub(UserServiceStub, user.token)


async def delete(staff: Any, buyer: Buyer) -> None:
    await staff.DeleteUser(user_pb2.DeleteUserRequest(id=buyer.user.id, request_id=request_id()))


async def purge(shop: Shop, staff: Any, buyer: Buyer) -> None:
    """For good, and until everybody has heard of it."""
    await delete(staff, buyer)
    await staff.PurgeUser(user_pb2.PurgeUserRequest(id=buyer.user.id, request_id=request_id()))
    await at_rest(shop)


async def test_who_is_deleted_and_brought_back_has_all_that_was_theirs(shop: Shop, staff: Any) -> None:
    buyer = await a_buyer(shop)
    before = await naming(shop, buyer)
    assert all(before.values()), "there is nothing to lose"

    own = shop.stub(UserServiceStub, buyer.user.token)
    await own.DeleteUser(user_pb2.DeleteUserRequest(id=buyer.user.id, request_id=request_id()))
    await at_rest(shop)
    assert await naming(shop, buyer) == before
    signing_in = auth_pb2.SignInRequest(email=buyer.user.email, password=PASSWORD)
    with pytest.raises(Unauthenticated, match="CREDENTIALS_INVALID"):
        await shop.stub(AuthServiceStub).SignIn(signing_in)

    await staff.UndeleteUser(user_pb2.UndeleteUserRequest(id=buyer.user.id, request_id=request_id()))
    await at_rest(shop)
    assert await naming(shop, buyer) == before
    assert (await shop.stub(AuthServiceStub).SignIn(signing_in)).user.id == buyer.user.id


async def test_who_is_purged_is_named_nowhere_and_what_stays_is_as_it_was(shop: Shop, staff: Any) -> None:
    buyer, other = await a_buyer(shop), await a_buyer(shop)
    before, of_other, count = await naming(shop, buyer), await naming(shop, other), await used(shop, buyer.coupon)

    await purge(shop, staff, buyer)

    assert not any((await naming(shop, buyer)).values())
    after = await now(shop, before)
    for column, rows in before.items():
        if NAMING[column] == "CASCADE":
            assert after[column] == {}, column
            continue
        for id, row in rows.items():
            named = {name for name, value in row.items() if value in buyer.named}
            assert after[column][id] == row | dict.fromkeys(named) | {
                name: after[column][id][name] for name in _BESIDES
            }, column
            assert after[column][id]["version"] == row["version"] + 1, column
    for order in after["orders.orders.user_id"].values():
        for copy in ("shipping_address_snapshot", "billing_address_snapshot"):
            assert json.loads(order[copy])["line1"] == HOME.line1
    assert await naming(shop, other) == of_other
    assert (count, await used(shop, buyer.coupon)) == (1, 1)


async def test_every_aggregate_that_a_purge_changes_has_one_record_of_it(shop: Shop, staff: Any) -> None:
    buyer = await a_buyer(shop)
    await at_rest(shop)
    rows = await naming(shop, buyer)
    told_of = {id for of_column in rows.values() for id in of_column} | set(buyer.named)
    before = await audited(shop, list(told_of))

    await purge(shop, staff, buyer)

    actions = {
        "orders.carts": ("Cart", "cart.updated"),
        "orders.orders": ("Order", "order.updated"),
        "payments.payments": ("Payment", "payment.updated"),
        "payments.saved_cards": ("SavedCard", "saved_card.deleted"),
        "catalogue.reviews": ("Review", "review.deleted"),
        "marketing.coupon_usages": ("CouponUsage", "coupon_usage.deleted"),
    }
    expected = {
        (entity, id, action)
        for column, of_column in rows.items()
        for entity, action in [actions[column.rpartition(".")[0]]]
        for id in of_column
    }
    expected |= {("User", buyer.user.id, "user.deleted"), ("User", buyer.user.id, "user.purged")}
    expected |= {("Address", home, "address.purged") for home in buyer.homes}
    assert len(expected) == 3 + 2 + 2 + 1 + 1 + 1 + 2 + 2  # carts, orders, payments, ..., the user twice, addresses
    assert await audited(shop, list(told_of)) - before == Counter(expected)


async def test_what_the_purged_did_stays_without_them(shop: Shop, staff: Any) -> None:
    buyer = await a_buyer(shop)
    await at_rest(shop)
    async with shop.database("identity") as database:
        did = await database.fetch("select * from audit_logs where user_id = $1", buyer.user.id)
        safety = await database.fetch("select * from security_events where user_id = $1", buyer.user.id)
    assert {"order.placed", "address.created", "cart.created"} <= {row["action"] for row in did}
    assert all(row["ip_address"] for row in did)

    await purge(shop, staff, buyer)

    blank = dict.fromkeys(("user_id", "ip_address", "user_agent"))
    async with shop.database("identity") as database:
        for table, rows in (("audit_logs", did), ("security_events", safety)):
            left = await database.fetch(f"select * from {table} where id = any($1)", [row["id"] for row in rows])
            assert {row["id"]: dict(row) | {"updated_at": None} for row in left} == {
                row["id"]: dict(row) | blank | {"updated_at": None} for row in rows
            }, table


def _redeem(shop: Shop, buyer: Buyer) -> Any:
    request = coupon_pb2.RedeemCouponRequest(
        code=buyer.coupon.code,
        order_id=cuid(),
        user_id=buyer.user.id,
        subtotal_amount=usd(500),
        request_id=request_id(),
    )
    return shop.internal(CouponServiceStub, service="orders").RedeemCoupon(request)


def _fill(shop: Shop, buyer: Buyer) -> Any:
    request = cart_pb2.CreateCartRequest(currency_code="USD", request_id=request_id())
    return shop.stub(CartServiceStub, buyer.user.token).CreateCart(request)


@pytest.mark.parametrize("late", [_redeem, _fill])
async def test_who_is_late_with_a_purged_user_is_refused(
    shop: Shop, staff: Any, late: Callable[[Shop, Buyer], Any]
) -> None:
    buyer = await a_buyer(shop)
    await purge(shop, staff, buyer)
    before, count = await seqs(shop), await used(shop, buyer.coupon)

    with pytest.raises(FailedPrecondition) as refusal:
        await late(shop, buyer)

    assert (refusal.value.reason, refusal.value.facts["target"]) == ("REFERENCE_GONE", "identity.users")
    assert refusal.value.facts["id"] == buyer.user.id
    assert not any((await naming(shop, buyer)).values())
    assert (await seqs(shop), await used(shop, buyer.coupon)) == (before, count)


async def test_the_database_itself_refuses_a_late_row(shop: Shop, staff: Any) -> None:
    buyer = await a_buyer(shop)
    await purge(shop, staff, buyer)

    user, home, order = buyer.user.id, buyer.homes[0], buyer.orders[0]
    for context, statement, of, gone in (
        ("payments", _INSERT_CARD, cuid(), user),
        ("catalogue", _INSERT_REVIEW, cuid(), user),
        ("orders", "update orders set user_id = $2, updated_at = now() where id = $1", order, user),
        ("orders", "update orders set shipping_address_id = $2, updated_at = now() where id = $1", order, home),
        ("payments", "update payments set user_id = $2, updated_at = now() where order_id = $1", order, user),
    ):
        service = await asyncpg.connect(shop.postgres.dsn(f"lumi_{context}"))
        try:
            with pytest.raises(asyncpg.ForeignKeyViolationError, match="is gone"):
                await service.execute(statement, of, gone)
        finally:
            await service.close()

    assert not any((await naming(shop, buyer)).values())


async def test_an_order_that_is_being_placed_when_its_buyer_is_purged_is_undone(shop: Shop, staff: Any) -> None:
    buyer, shelf = await a_buyer(shop), await shop.staff()
    cart, variant = buyer.cart, buyer.cart.items[0].product_variant_id
    await at_rest(shop)  # what was bought before is sold by then, not promised
    stock = await shelf.stock(variant)
    async with shop.database("catalogue") as holding, shop.database("orders") as books:
        checkouts = "select count(*) from checkouts where cart_id = $1"
        async with holding.transaction():
            await holding.execute("select from inventories where product_variant_id = $1 for update", variant)
            placing = asyncio.create_task(buyer.shopper.place(cart))

            async def is_being_placed() -> bool:
                return bool(await books.fetchval(checkouts, cart.id))

            async def is_nobodys() -> bool:
                return await books.fetchval("select user_id from carts where id = $1", cart.id) is None

            await until(is_being_placed, "the order waits for its stock")
            await delete(staff, buyer)
            await staff.PurgeUser(user_pb2.PurgeUserRequest(id=buyer.user.id, request_id=request_id()))
            await until(is_nobodys, "the purge came to the cart")
        with pytest.raises(LumiError) as refusal:
            await placing
        await at_rest(shop)

        assert refusal.value.reason == "REFERENCE_GONE", refusal.value
        assert not any((await naming(shop, buyer)).values())
        assert await books.fetchval("select count(*) from orders where cart_id = $1", cart.id) == 0
        assert await books.fetchval(checkouts, cart.id) == 0
    assert await shelf.stock(variant) == stock
    assert await used(shop, buyer.coupon) == 1


async def test_a_purge_that_is_told_again_changes_nothing(shop: Shop, staff: Any) -> None:
    buyer = await a_buyer(shop)
    rows = await naming(shop, buyer)
    await purge(shop, staff, buyer)
    state, before = await now(shop, rows), await seqs(shop)

    async with broker(shop) as jetstream:
        told = await jetstream.get_last_msg(stream("identity"), "lumi.identity.user.purged")
        event = Event.parse(told.data, "")
        assert event.key == ("User", buyer.user.id)
        again = {name: value for name, value in told.headers.items() if name.startswith("ce-")}
        for _ in range(3):
            await jetstream.publish(told.subject, told.data, headers=again)
    await at_rest(shop)
    assert (await now(shop, rows), await seqs(shop)) == (state, before)

    # Not even where the inbox has forgotten that it was heard.
    for listener in LISTENERS:
        if listener.name.endswith("-references"):
            referrer = import_module(f"lumi_{listener.service}.storage.references").REFERRER
            async with shop.runtimes[listener.service].db.transaction(Context.system(listener.name)) as tx:
                await referrer.follow(tx, event)
    assert (await now(shop, rows), await seqs(shop)) == (state, before)


async def test_an_address_that_is_deleted_leaves_its_copy_on_the_orders(shop: Shop) -> None:
    buyer = await a_buyer(shop)
    rows = await naming(shop, buyer)
    home = buyer.homes[0]  # where the bills go

    await shop.stub(AddressServiceStub, buyer.user.token).DeleteAddress(
        address_pb2.DeleteAddressRequest(id=home, request_id=request_id())
    )
    await at_rest(shop)

    after = await now(shop, rows)
    for id, order in rows["orders.orders.billing_address_id"].items():
        left = after["orders.orders.billing_address_id"][id]
        moved = {name: left[name] for name in _BESIDES}
        assert left == order | {"billing_address_id": None} | moved
        assert (left["shipping_address_id"], left["version"]) == (buyer.homes[1], order["version"] + 1)
    for column in ("payments.payments.user_id", "marketing.coupon_usages.user_id", "orders.carts.user_id"):
        assert after[column] == rows[column], column
    assert (await audited(shop, [home]))["Address", home, "address.deleted"] == 1
