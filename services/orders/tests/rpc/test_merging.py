"""What a guest put into their cart is theirs after they sign in: once, whoever else is at it."""

import asyncio
import json
from collections.abc import Iterable
from typing import Any

import pytest
from lumi.catalogue.v1 import product_pb2
from lumi.orders.v1 import cart_pb2 as pb
from lumi.orders.v1 import order_pb2
from lumi.orders.v1.cart_pb2_grpc import CartServiceStub

from lumi_common.cuid import cuid
from lumi_common.errors import Aborted, FailedPrecondition, InvalidArgument, LumiError, NotFound, PermissionDenied
from services.orders.tests.rpc.floor import Floor, eventually
from tests.kit.buying import HOME, Guest, Shopper, request_id

Held = dict[str, int]


@pytest.fixture
async def ada(floor: Floor) -> Shopper:
    return await floor.shopper()


@pytest.fixture
async def guest(floor: Floor) -> Guest:
    return await floor.guest()


def held(cart: pb.Cart) -> Held:
    return {item.product_variant_id: item.quantity for item in cart.items}


def merging(guest: Guest, **facts: Any) -> pb.MergeGuestCartRequest:
    return pb.MergeGuestCartRequest(guest_token=guest.token, **facts)


async def merge(user: Shopper, guest: Guest, **facts: Any) -> pb.Cart:
    cart: pb.Cart = await user.stub(CartServiceStub).MergeGuestCart(merging(guest, **facts))
    return cart


async def active(user: Shopper) -> pb.Cart:
    cart: pb.Cart = await user.stub(CartServiceStub).GetActiveCart(pb.GetActiveCartRequest())
    return cart


async def get(user: Shopper, cart: pb.Cart) -> pb.Cart:
    found: pb.Cart = await user.stub(CartServiceStub).GetCart(pb.GetCartRequest(id=cart.id))
    return found


@pytest.mark.parametrize(
    ("policy", "milk", "soup", "salt"),
    [
        (pb.MERGE_POLICY_UNSPECIFIED, 5, 1, 1),
        (pb.MERGE_POLICY_ADD, 5, 1, 1),
        (pb.MERGE_POLICY_KEEP_LARGER, 3, 1, 1),
        (pb.MERGE_POLICY_KEEP_USER_CART, 2, 0, 1),
        (pb.MERGE_POLICY_KEEP_GUEST_CART, 3, 1, 0),
    ],
)
async def test_a_guests_cart_is_merged_by_policy(
    floor: Floor, ada: Shopper, guest: Guest, policy: pb.MergePolicy, milk: int, soup: int, salt: int
) -> None:
    variants = [await floor.shelf.put() for _ in range(3)]
    mine = await ada.fill((variants[0], 2), (variants[2], 1))
    theirs = await guest.fill((variants[0], 3), (variants[1], 1), to=None)

    cart = await merge(ada, guest, policy=policy)

    assert cart.id == mine.id
    wanted = zip(variants, (milk, soup, salt), strict=True)
    assert held(cart) == {variant: quantity for variant, quantity in wanted if quantity}
    assert await active(ada) == cart
    gone = await get(guest, theirs)
    assert (gone.status, held(gone)) == (pb.CART_STATUS_ABANDONED, held(theirs))
    with pytest.raises(FailedPrecondition, match="CART_NOT_ACTIVE"):
        await floor.add(guest, theirs, variants[0], 1)


async def test_both_carts_are_told_of_in_one_record_each(floor: Floor, ada: Shopper, guest: Guest) -> None:
    milk, soup = await floor.shelf.put(), await floor.shelf.put()
    coupon = await floor.coupon(100)
    mine = await ada.fill((milk, 2))
    theirs = await guest.fill((milk, 1), (soup, 4), coupon=coupon)

    cart = await merge(ada, guest)

    assert (cart.coupon_code, cart.shipping_address, cart.billing_address) == (coupon, HOME, HOME)
    [(version, records)] = await floor.rows(
        "select version, records from outbox_events where type = 'cart.merged' and aggregate_id = $1", mine.id
    )
    merged, abandoned = json.loads(records)
    assert str(version) == cart.etag
    assert (merged["entity"], merged["id"], merged["action"]) == ("Cart", mine.id, "cart.merged")
    assert merged["before"]["items"] == [{"product_variant_id": milk, "quantity": 2}]
    assert [(item["product_variant_id"], item["quantity"]) for item in merged["after"]["items"]] == [
        (milk, 3),
        (soup, 4),
    ]
    assert (merged["after"]["coupon_code"], merged["after"]["shipping_address"]) == (coupon, "[redacted]")
    assert (abandoned["entity"], abandoned["id"], abandoned["action"]) == ("Cart", theirs.id, "cart.abandoned")
    address = dict.fromkeys(("shipping_address", "billing_address"), "[redacted]")
    assert (abandoned["before"], abandoned["after"]) == ({"status": "ACTIVE", **address}, {"status": "ABANDONED"})
    assert not (await get(guest, theirs)).HasField("shipping_address")


async def test_merging_again_changes_nothing(floor: Floor, ada: Shopper, guest: Guest) -> None:
    soup, id = await floor.shelf.put(), request_id()
    await ada.fill((soup, 1))
    await guest.fill((soup, 1))

    first = await merge(ada, guest, request_id=id)
    again = await merge(ada, guest)
    changed = await floor.add(ada, first, soup, 1)

    assert again == first
    assert await merge(ada, guest, request_id=id) == first
    assert await merge(ada, guest) == changed
    with pytest.raises(InvalidArgument, match="REQUEST_ID_REUSED"):
        await merge(ada, guest, request_id=id, policy=pb.MERGE_POLICY_KEEP_LARGER)


@pytest.mark.parametrize("policy", [pb.MERGE_POLICY_ADD, pb.MERGE_POLICY_KEEP_USER_CART])
async def test_without_a_cart_of_their_own_the_guests_becomes_theirs(
    floor: Floor, ada: Shopper, guest: Guest, policy: pb.MergePolicy
) -> None:
    soup = await floor.shelf.put()
    theirs = await guest.fill((soup, 2))

    cart = await merge(ada, guest, policy=policy)

    assert (cart.id, held(cart), cart.shipping_address) == (theirs.id, {soup: 2}, HOME)
    assert cart.user_id
    assert await active(ada) == cart
    assert await floor.rows("select user_id, session_id from carts where id = $1", cart.id) == [(cart.user_id, None)]
    with pytest.raises(NotFound):
        await get(guest, theirs)
    assert (await floor.told(cart.id))[-1] == "cart.merged"
    assert (await ada.place(cart, shipping_address_id="")).order.user_id == cart.user_id


async def test_without_any_cart_there_is_nothing_to_merge(ada: Shopper, guest: Guest) -> None:
    with pytest.raises(NotFound):
        await merge(ada, guest)
    cart = await ada.fill()
    assert await merge(ada, guest) == cart


async def test_a_stale_etag_of_the_users_cart_is_refused(floor: Floor, ada: Shopper, guest: Guest) -> None:
    soup, id = await floor.shelf.put(), request_id()
    theirs = await guest.fill((soup, 1))
    for etag in ("1", "x"):
        with pytest.raises(Aborted, match="ETAG_MISMATCH"):
            await merge(ada, guest, etag=etag)
    mine = await ada.fill((soup, 1))
    with pytest.raises(Aborted, match="ETAG_MISMATCH"):
        await merge(ada, guest, etag="1")
    assert await get(guest, theirs) == theirs

    merged = await merge(ada, guest, etag=mine.etag, request_id=id)

    assert held(merged) == {soup: 2}
    assert await merge(ada, guest, etag=mine.etag, request_id=id) == merged
    with pytest.raises(Aborted, match="ETAG_MISMATCH"):
        await merge(ada, guest, etag=mine.etag)


async def test_only_the_token_of_a_guest_proves_a_guest(floor: Floor, ada: Shopper, guest: Guest) -> None:
    soup = await floor.shelf.put()
    theirs = await guest.fill((soup, 1))
    someone = await floor.shop.user()
    for token, reason in ((someone.token, None), ("garbage", "TOKEN_INVALID"), (guest.token + "x", "TOKEN_INVALID")):
        with pytest.raises(InvalidArgument, match="GUEST_TOKEN_INVALID") as refused:
            await ada.stub(CartServiceStub).MergeGuestCart(pb.MergeGuestCartRequest(guest_token=token))
        assert (refused.value.field, refused.value.facts.get("reason")) == ("guest_token", reason)
    with pytest.raises(InvalidArgument):
        await ada.stub(CartServiceStub).MergeGuestCart(pb.MergeGuestCartRequest())
    with pytest.raises(PermissionDenied, match="USER_REQUIRED"):
        await merge(guest, guest)
    assert await get(guest, theirs) == theirs


async def test_carts_of_two_currencies_stay_apart(floor: Floor, ada: Shopper, guest: Guest) -> None:
    soup = await floor.shelf.put()
    mine, theirs = await ada.fill((soup, 1)), await guest.fill((soup, 1))
    async with floor.shop.database("orders") as database:
        await database.execute("update carts set currency = 'TRY' where id = $1", mine.id)
        await database.execute("update cart_items set currency = 'TRY' where cart_id = $1", mine.id)

    with pytest.raises(FailedPrecondition, match="CURRENCY_MISMATCH"):
        await merge(ada, guest)

    assert await get(guest, theirs) == theirs
    kept = await merge(ada, guest, policy=pb.MERGE_POLICY_KEEP_GUEST_CART)
    assert (kept.id, kept.currency_code, held(kept)) == (mine.id, "USD", {soup: 1})


async def test_a_line_holds_what_there_is_under_deny(floor: Floor, ada: Shopper, guest: Guest) -> None:
    denied = await floor.shelf.put(3, inventory_policy=product_pb2.INVENTORY_POLICY_DENY)
    tracked, gone = await floor.shelf.put(3), await floor.shelf.put(cents=100)
    await ada.fill((denied, 2), (tracked, 2))
    await guest.fill((denied, 3), (tracked, 3), (gone, 1))
    async with floor.shop.database("catalogue") as database:
        await database.execute(
            "update products p set status = 'ARCHIVED' from product_variants v where v.id = $1 and p.id = v.product_id",
            gone,
        )

    cart = await merge(ada, guest)

    assert held(cart) == {denied: 3, tracked: 5, gone: 1}
    quote = await ada.stub(CartServiceStub).QuoteCart(pb.QuoteCartRequest(id=cart.id))
    assert [list(line.issues) for line in quote.lines] == [
        [],
        [pb.QUOTE_ISSUE_INSUFFICIENT_STOCK],
        [pb.QUOTE_ISSUE_NOT_SELLABLE],
    ]
    assert list(quote.issues) == [pb.CART_ISSUE_LINE]


async def test_a_cart_that_is_being_placed_is_left_alone(floor: Floor, ada: Shopper, guest: Guest) -> None:
    soup = await floor.shelf.put()
    mine, theirs = await ada.fill((soup, 1)), await guest.fill((soup, 1))
    for cart in (mine, theirs):
        order_id = cuid()
        async with floor.shop.database("orders") as database:
            await database.execute(
                "insert into checkouts (id, order_id, cart_id, step, next_attempt_at) "
                "values ($1, $1, $2, 'RESERVE', now() + interval '1 hour')",
                order_id,
                cart.id,
            )
            with pytest.raises(FailedPrecondition, match="CART_BEING_PLACED") as refused:
                await merge(ada, guest)
            assert refused.value.facts["order_id"] == order_id
            await database.execute("delete from checkouts where order_id = $1", order_id)
    assert held(await merge(ada, guest)) == {soup: 2}


async def test_many_merges_at_once_merge_once(floor: Floor, guest: Guest, ada: Shopper) -> None:
    soup = await floor.shelf.put()
    for _ in range(3):
        mine = await ada.fill((soup, 1))
        guest = await floor.guest()
        theirs = await guest.fill((soup, 2))

        answers = await asyncio.gather(*(merge(ada, guest) for _ in range(8)))

        assert {answer.id for answer in answers} == {mine.id}
        assert [held(answer) for answer in answers] == [{soup: 3}] * 8
        assert (await floor.told(mine.id)).count("cart.merged") == 1
        assert (await get(guest, theirs)).status == pb.CART_STATUS_ABANDONED
        await ada.place(answers[0])


async def test_two_users_at_once_do_not_both_get_a_guests_lines(floor: Floor) -> None:
    soup = await floor.shelf.put()
    for with_carts in (True, False):
        guest, users = await floor.guest(), [await floor.shopper() for _ in range(4)]
        await guest.fill((soup, 5))
        if with_carts:
            await asyncio.gather(*(user.fill((soup, 1)) for user in users))

        await asyncio.gather(*(merge(user, guest) for user in users), return_exceptions=True)

        assert sorted([sum(held(cart).values()) for cart in await actives(users)]) == (
            [1, 1, 1, 6] if with_carts else [5]
        )


async def actives(users: Iterable[Shopper]) -> list[pb.Cart]:
    found = await asyncio.gather(*(active(user) for user in users), return_exceptions=True)
    return [cart for cart in found if isinstance(cart, pb.Cart)]


async def test_what_is_added_while_carts_merge_is_in_one_of_them(floor: Floor) -> None:
    soup, bread = await floor.shelf.put(), await floor.shelf.put()
    for _ in range(4):
        ada, guest = await floor.shopper(), await floor.guest()
        mine, theirs = await ada.fill((bread, 1)), await guest.fill((soup, 1))

        merged, *added = await asyncio.gather(
            merge(ada, guest),
            *(floor.add(ada, mine, soup, 1) for _ in range(3)),
            *(floor.add(guest, theirs, soup, 1) for _ in range(3)),
            return_exceptions=True,
        )

        assert isinstance(merged, pb.Cart), merged
        refused = [each for each in added if isinstance(each, LumiError)]
        assert {each.reason for each in refused} <= {"CART_NOT_ACTIVE", "ETAG_MISMATCH"}
        assert held(await active(ada)) == {bread: 1, soup: 1 + len(added) - len(refused)}
        assert (await get(guest, theirs)).status == pb.CART_STATUS_ABANDONED


async def test_a_cart_made_while_the_guests_is_taken_over_takes_its_lines(floor: Floor) -> None:
    soup = await floor.shelf.put()
    for _ in range(6):
        ada, guest = await floor.shopper(), await floor.guest()
        await guest.fill((soup, 2))

        merged, made = await asyncio.gather(
            merge(ada, guest),
            ada.stub(CartServiceStub).CreateCart(pb.CreateCartRequest(currency_code="USD")),
            return_exceptions=True,
        )

        assert isinstance(merged, pb.Cart), merged
        assert isinstance(made, pb.Cart) or getattr(made, "reason", "") == "ACTIVE_CART_EXISTS"
        assert held(await active(ada)) == {soup: 2}


async def test_placing_and_merging_at_once_sell_or_merge(floor: Floor) -> None:
    soup = await floor.shelf.put(1000)
    sold = 0
    for _ in range(6):
        ada, guest = await floor.shopper(), await floor.guest()
        mine, theirs = await ada.fill((soup, 1)), await guest.fill((soup, 2))

        placed, merged = await asyncio.gather(guest.place(theirs), merge(ada, guest), return_exceptions=True)

        status, lines = (await get(guest, theirs)).status, held(await active(ada))
        if isinstance(placed, order_pb2.PlaceOrderResponse):
            assert (status, lines) == (pb.CART_STATUS_CHECKED_OUT, {soup: 1})
            assert merged == mine or getattr(merged, "reason", "") in ("CART_BEING_PLACED", "ETAG_MISMATCH")
            sold += 2
        else:
            assert (status, lines) == (pb.CART_STATUS_ABANDONED, {soup: 3})
            assert getattr(placed, "reason", "") in ("PLACING_UNDONE", "CART_NOT_ACTIVE")
        assert await floor.in_flight(theirs.id) == 0
    await eventually(lambda: floor.shelf.stock(soup), (1000 - sold, 0))
