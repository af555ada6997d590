"""Carts in the database."""

from datetime import timedelta
from decimal import Decimal

import pytest

from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_common.errors import AlreadyExists, NotFound
from lumi_orders.domain.cart import CartStatus
from lumi_orders.storage import carts
from lumi_orders.storage.carts import Carts
from lumi_orders.storage.requests import UNASKED
from services.orders.tests.storage.model import NOW, an_offer, new_cart, put, start, told


async def test_a_cart_is_read_with_its_items_in_the_order_they_were_added(db: Database, context: Context) -> None:
    milk, cheese = an_offer("1.25"), an_offer("7.50")
    cart = await new_cart(db, context, (milk, 1), (cheese, 2), (milk, 3))

    found = await Carts(db).get(cart.id, owner=context.principal.id)

    assert found == cart
    assert [(item.product_variant_id, item.quantity, item.unit_price) for item in found.items] == [
        (milk.product_variant_id, 4, Decimal("1.25")),
        (cheese.product_variant_id, 2, Decimal("7.50")),
    ]
    assert (found.currency, found.version) == ("USD", 4)


async def test_someone_elses_cart_is_not_found(db: Database, context: Context) -> None:
    cart = await new_cart(db, context)
    with pytest.raises(NotFound, match="NOT_FOUND"):
        await Carts(db).get(cart.id, owner=cuid())
    assert (await Carts(db).get(cart.id, owner=None)).id == cart.id


async def test_a_user_has_one_active_cart(db: Database, context: Context) -> None:
    cart = await new_cart(db, context)
    with pytest.raises(AlreadyExists, match="ACTIVE_CART_EXISTS"):
        await new_cart(db, context)
    assert await Carts(db).find_active(context.principal.id) == cart


async def test_an_item_added_is_one_record_of_the_cart(db: Database, context: Context) -> None:
    milk = an_offer("1.25")
    cart = await new_cart(db, context, (milk, 2), (milk, 1))

    created, first, second = await told(db, cart.id)

    assert [row["type"] for row in (created, first, second)] == ["cart.created", "cart.item_added", "cart.item_added"]
    [record] = first["records"]
    assert (record["entity"], record["id"], first["version"]) == ("Cart", cart.id, 2)
    assert record["keys"] == {"user_id": cart.user_id, "product_variant_id": milk.product_variant_id}
    assert record["before"] == {"currency": "TRY"}
    assert record["after"] == {
        "currency": "USD", "product_variant_id": milk.product_variant_id, "quantity": 2, "unit_price": Decimal("1.25"),
    }  # fmt: skip
    [record] = second["records"]
    assert (record["before"], record["after"]) == ({"quantity": 2}, {"quantity": 3})


async def test_a_change_over_an_older_version_changes_and_tells_nothing(db: Database, context: Context) -> None:
    cart = await new_cart(db, context, (an_offer(), 1))
    cart.version -= 1

    assert await put(db, context, cart, an_offer(), 1) is None

    assert len((await Carts(db).get(cart.id, owner=None)).items) == 1
    assert len(await told(db, cart.id)) == 2


async def test_an_item_removed_and_all_of_them_are_told_with_what_they_were(db: Database, context: Context) -> None:
    milk, cheese, bread = an_offer("1.25"), an_offer("7.50"), an_offer("2.00")
    cart = await new_cart(db, context, (milk, 1), (cheese, 2), (bread, 3))

    cart.change(NOW)
    cart.items.pop(0)
    await db.on(context).fetchrow(
        carts.TAKE_ITEM, **UNASKED, **carts.saving(cart), product_variant_id=milk.product_variant_id
    )
    assert await Carts(db).get(cart.id, owner=None) == cart
    cart.change(NOW)
    cart.items, cart.coupon_code = [], None
    await db.on(context).fetchrow(carts.TAKE_ALL, **UNASKED, **carts.saving(cart))
    assert await Carts(db).get(cart.id, owner=None) == cart

    *_, removed, cleared = await told(db, cart.id)
    [record] = removed["records"]
    assert (record["action"], record["before"]["quantity"], record["after"]) == ("cart.item_removed", 1, {})
    [record] = cleared["records"]
    assert record["action"] == "cart.cleared"
    assert sorted(item["quantity"] for item in record["before"]["items"]) == [2, 3]


async def test_addresses_are_told_by_name_alone(db: Database, context: Context) -> None:
    cart = await new_cart(db, context)
    cart.change(NOW)
    cart.coupon_code, cart.shipping_address = "WELCOME", {"line1": "1 Analytical Way"}
    await db.on(context).fetchrow(carts.SAVE, **UNASKED, action="cart.addresses_set", **carts.saving_facts(cart))

    [record] = (await told(db, cart.id))[-1]["records"]

    assert record["after"] == {"coupon_code": "WELCOME", "shipping_address": "[redacted]"}
    assert await Carts(db).get(cart.id, owner=None) == cart


async def test_a_stale_cart_is_given_up_unless_it_is_being_placed(db: Database, context: Context) -> None:
    cart = await new_cart(db, context, (an_offer(), 1))
    other = Context(method=context.method, principal=type(context.principal).user(cuid()))
    placing = await new_cart(db, other, (an_offer(), 1))
    await start(db, other, placing, cuid())

    # The carts here are dated with a fixed time of their own.
    while await Carts(db.on(Context.system("orders.sweeper"))).abandon(timedelta(days=-10_000)):
        pass

    assert (await Carts(db).get(cart.id, owner=None)).status is CartStatus.ABANDONED
    assert (await Carts(db).get(placing.id, owner=None)).status is CartStatus.ACTIVE
    told_of = await db.pool.fetch("select records from outbox_events where type = 'cart.abandoned'")
    assert [record["id"] for row in told_of for record in row["records"]].count(cart.id) == 1
