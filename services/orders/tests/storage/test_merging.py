"""Merging two carts is one statement: both change, or neither."""

import asyncio

import pytest

from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_common.errors import AlreadyExists
from lumi_common.principal import Principal
from lumi_orders.domain.cart import Cart, CartStatus
from lumi_orders.domain.merge import MergePolicy, adopt, merge
from lumi_orders.storage import carts
from lumi_orders.storage.carts import Carts
from lumi_orders.storage.merging import ADOPT, GIVE_UP, MERGE, adopting, giving_up, merging
from lumi_orders.storage.requests import UNASKED
from services.orders.tests.storage.model import NOW, an_offer, new_cart, put, told

MILK, BREAD, SOUP = an_offer(), an_offer(), an_offer()


async def a_guests_cart(db: Database, context: Context) -> Cart:
    """A guest's cart with a loaf and two tins."""
    cart = Cart(cuid(), None, NOW, NOW, "USD", cuid())
    await db.on(context).fetchrow(carts.CREATE, **UNASKED, **carts.creating(cart))
    await put(db, context, cart, BREAD, 1)
    await put(db, context, cart, SOUP, 2)
    return cart


async def run(db: Database, context: Context, mine: Cart, guest: Cart, policy: MergePolicy) -> bool:
    written = merge(mine, guest, policy, {}, NOW)
    assert written is not None
    return await db.on(context).fetchrow(MERGE, **UNASKED, **merging(mine, guest, written)) is not None


async def read(db: Database, cart: Cart) -> Cart:
    return await Carts(db).get(cart.id, owner=None)


@pytest.mark.parametrize("policy", [MergePolicy.ADD, MergePolicy.KEEP_LARGER, MergePolicy.KEEP_GUEST_CART])
async def test_the_rows_are_what_was_decided(db: Database, context: Context, policy: MergePolicy) -> None:
    mine, guest = await new_cart(db, context, (MILK, 1), (BREAD, 4)), await a_guests_cart(db, context)

    assert await run(db, context, mine, guest, policy)

    assert await read(db, mine) == mine
    assert (await read(db, guest)).status is CartStatus.ABANDONED
    [row] = [row for row in await told(db, mine.id) if row["type"] == "cart.merged"]
    merged, abandoned = row["records"]
    assert (merged["id"], abandoned["id"], row["version"]) == (mine.id, guest.id, mine.version)
    assert (abandoned["before"], abandoned["after"]) == ({"status": "ACTIVE"}, {"status": "ABANDONED"})


async def test_what_came_what_changed_and_what_went_is_told(db: Database, context: Context) -> None:
    mine, guest = await new_cart(db, context, (MILK, 1), (BREAD, 4)), await a_guests_cart(db, context)

    await run(db, context, mine, guest, MergePolicy.KEEP_GUEST_CART)

    record = (await told(db, mine.id))[-1]["records"][0]
    before = {item["product_variant_id"]: item["quantity"] for item in record["before"]["items"]}
    after = {item["product_variant_id"]: item["quantity"] for item in record["after"]["items"]}
    assert before == {MILK.product_variant_id: 1, BREAD.product_variant_id: 4}
    assert after == {BREAD.product_variant_id: 1, SOUP.product_variant_id: 2}


@pytest.mark.parametrize("changed", ["mine", "the guest's"])
async def test_over_an_older_version_of_either_neither_changes(db: Database, context: Context, changed: str) -> None:
    mine, guest = await new_cart(db, context, (MILK, 1)), await a_guests_cart(db, context)
    await put(db, context, await read(db, mine if changed == "mine" else guest), SOUP, 1)
    now = await read(db, mine), await read(db, guest)

    assert not await run(db, context, mine, guest, MergePolicy.ADD)

    assert (await read(db, mine), await read(db, guest)) == now
    assert "cart.merged" not in [row["type"] for row in await told(db, mine.id)]


async def test_merging_and_changing_at_once_do_one_after_the_other(db: Database, context: Context) -> None:
    for _ in range(20):
        caller = Context(method=context.method, principal=Principal.user(cuid()))
        mine, guest = await new_cart(db, caller, (MILK, 1)), await a_guests_cart(db, caller)
        mine_too, guest_too = await read(db, mine), await read(db, guest)

        merged, *added = await asyncio.gather(
            run(db, caller, mine, guest, MergePolicy.ADD),
            put(db, caller, mine_too, MILK, 1),
            put(db, caller, guest_too, MILK, 1),
        )

        assert merged != any(added)
        quantities = [item.quantity for cart in (mine, guest) for item in (await read(db, cart)).items]
        assert sum(quantities) == (4 + 3 if merged else 4 + sum(each is not None for each in added))


async def test_a_user_with_a_cart_adopts_no_other(db: Database, context: Context) -> None:
    guest, late = await a_guests_cart(db, context), await a_guests_cart(db, context)
    user = context.principal.id
    for cart in (guest, late):
        adopt(cart, user, NOW)

    assert await db.on(context).fetchrow(ADOPT, **UNASKED, **adopting(guest))
    with pytest.raises(AlreadyExists, match="ACTIVE_CART_EXISTS"):
        await db.on(context).fetchrow(ADOPT, **UNASKED, **adopting(late))

    assert await Carts(db).find_active(user) == guest


async def test_a_guests_cart_is_given_up_once(db: Database, context: Context) -> None:
    guest = await a_guests_cart(db, context)

    tries = await asyncio.gather(
        *(db.on(context).fetchrow(GIVE_UP, **UNASKED, **giving_up(guest, NOW)) for _ in range(4))
    )

    assert sum(each is not None for each in tries) == 1
    assert (await read(db, guest)).status is CartStatus.ABANDONED
