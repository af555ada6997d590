"""What a user's cart holds after a guest's was merged into it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from lumi_common.cuid import cuid
from lumi_common.errors import FailedPrecondition
from lumi_orders.domain.cart import MAX_ITEMS, MAX_QUANTITY, Cart, CartItem, CartStatus, InventoryPolicy, Offer
from lumi_orders.domain.merge import MergePolicy, adopt, merge

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)
HERE, THERE = {"country": "TR"}, {"country": "US"}
ADD, LARGER, USERS, GUESTS = MergePolicy


def a_cart(lines: dict[str, int], currency: str = "USD", price: str = "1.00", **facts: Any) -> Cart:
    items = [CartItem(cuid(), variant, quantity, Decimal(price), currency) for variant, quantity in lines.items()]
    return Cart(cuid(), None, NOW, NOW, currency, items=items, **facts)


def an_offer(variant: str, available: int = 100, policy: str = "TRACK", **facts: Any) -> Offer:
    offer = Offer(variant, "p", "P", "V", "s", Decimal("1.50"), None, "USD", InventoryPolicy(policy), available, True)
    return replace(offer, **facts)


def held(cart: Cart) -> dict[str, int]:
    return {item.product_variant_id: item.quantity for item in cart.items}


def merged(mine: Cart, guest: Cart, policy: MergePolicy, *offers: Offer) -> set[str] | None:
    """The variants of the lines that are to be written."""
    written = merge(mine, guest, policy, {offer.product_variant_id: offer for offer in offers}, LATER)
    return None if written is None else {item.product_variant_id for item in written}


@pytest.mark.parametrize(
    ("policy", "result", "written"),
    [
        (ADD, {"milk": 5, "bread": 4, "salt": 1, "soup": 1}, {"milk", "bread", "soup"}),
        (LARGER, {"milk": 3, "bread": 3, "salt": 1, "soup": 1}, {"milk", "soup"}),
        (GUESTS, {"milk": 3, "bread": 1, "soup": 1}, {"milk", "bread", "soup"}),
    ],
)
def test_each_policy_has_its_way_with_the_lines(policy: MergePolicy, result: dict[str, int], written: set[str]) -> None:
    mine, guest = a_cart({"milk": 2, "bread": 3, "salt": 1}), a_cart({"milk": 3, "bread": 1, "soup": 1})
    rows = {item.product_variant_id: item.id for item in mine.items}

    assert merged(mine, guest, policy) == written

    assert held(mine) == result
    assert (mine.version, mine.updated_at) == (2, LATER)
    assert [item.id for item in mine.items] == sorted(item.id for item in mine.items)
    assert all(item.id == rows.get(item.product_variant_id, item.id) for item in mine.items)
    assert not {item.id for item in mine.items} & {item.id for item in guest.items}


def test_the_users_cart_can_stay_as_it_is() -> None:
    mine, guest = a_cart({"milk": 2}), a_cart({"soup": 1}, coupon_code="HELLO", shipping_address=HERE)
    assert merged(mine, guest, USERS) is None
    assert (held(mine), mine.coupon_code, mine.shipping_address, mine.version) == ({"milk": 2}, None, None, 1)


def test_a_guests_cart_of_nothing_changes_nothing() -> None:
    for policy in MergePolicy:
        mine = a_cart({"milk": 2})
        assert merged(mine, a_cart({}), policy) is None
        assert (held(mine), mine.version) == ({"milk": 2}, 1)


def test_coupon_and_addresses_come_along_where_the_user_has_none() -> None:
    guest = a_cart({}, coupon_code="HELLO", shipping_address=HERE, billing_address=THERE)
    mine = a_cart({"milk": 1})
    assert merged(mine, guest, ADD) == set()
    assert (mine.coupon_code, mine.shipping_address, mine.billing_address) == ("HELLO", HERE, THERE)

    mine = a_cart({"milk": 1}, coupon_code="MINE", shipping_address=THERE, billing_address=THERE)
    assert merged(mine, guest, ADD) is None
    assert (mine.coupon_code, mine.shipping_address, mine.billing_address) == ("MINE", THERE, THERE)


def test_with_the_guests_lines_come_the_guests_coupon_and_addresses() -> None:
    facts = {"coupon_code": "HELLO", "shipping_address": HERE, "billing_address": HERE}
    mine = a_cart({"milk": 1}, coupon_code="MINE", shipping_address=THERE, billing_address=THERE)
    merged(mine, a_cart({"soup": 1}, **facts), GUESTS)
    assert (mine.coupon_code, mine.shipping_address) == ("HELLO", HERE)

    mine = a_cart({"milk": 1}, coupon_code="MINE", shipping_address=THERE, billing_address=THERE)
    merged(mine, a_cart({"soup": 1}), GUESTS)
    assert (mine.coupon_code, mine.shipping_address) == ("MINE", THERE)


def test_lines_of_two_currencies_are_not_put_together() -> None:
    for policy in (ADD, LARGER):
        mine = a_cart({"milk": 1}, "TRY")
        with pytest.raises(FailedPrecondition, match="CURRENCY_MISMATCH"):
            merged(mine, a_cart({"soup": 1}), policy)
        assert (held(mine), mine.version) == ({"milk": 1}, 1)
    for mine, policy in ((a_cart({"milk": 1}, "TRY"), GUESTS), (a_cart({}, "TRY"), ADD)):
        merged(mine, a_cart({"soup": 1}), policy)
        assert (held(mine), mine.currency) == ({"soup": 1}, "USD")
    mine = a_cart({"milk": 1}, "TRY")
    assert merged(mine, a_cart({}), ADD) is None
    assert mine.currency == "TRY"


def test_a_line_holds_no_more_than_it_may() -> None:
    mine = a_cart({"milk": MAX_QUANTITY - 1, "full": MAX_QUANTITY})
    assert merged(mine, a_cart({"milk": 5, "full": 5}), ADD) == {"milk"}
    assert held(mine) == {"milk": MAX_QUANTITY, "full": MAX_QUANTITY}


def test_under_deny_a_line_holds_no_more_than_there_is_nor_less_than_the_user_had() -> None:
    mine = a_cart({"scarce": 2, "sold": 4})
    guest = a_cart({"scarce": 3, "sold": 1, "gone": 1, "owed": 2})
    offers = [an_offer("scarce", 3, "DENY"), an_offer("sold", 1, "DENY"), an_offer("gone", 0, "DENY")]
    offers += [an_offer("owed", -5, "CONTINUE")]
    assert merged(mine, guest, ADD, *offers) == {"scarce", "owed"}
    assert held(mine) == {"scarce": 3, "sold": 4, "owed": 2}

    mine = a_cart({"scarce": 9})
    merged(mine, a_cart({"scarce": 3}), GUESTS, an_offer("scarce", 2, "DENY"))
    assert held(mine) == {"scarce": 2}


def test_what_is_no_longer_sold_comes_along_for_the_quote_to_tell() -> None:
    mine = a_cart({})
    merged(mine, a_cart({"old": 1, "withdrawn": 2}), ADD, an_offer("withdrawn", sellable=False))
    assert held(mine) == {"old": 1, "withdrawn": 2}


def test_a_changed_line_has_the_price_of_now_if_it_is_of_its_currency() -> None:
    mine = a_cart({"milk": 1})
    merged(mine, a_cart({"milk": 1, "soup": 1, "old": 1}), ADD, an_offer("milk"), an_offer("soup", currency="EUR"))
    assert [item.unit_price for item in mine.items] == [Decimal("1.50"), Decimal("1.00"), Decimal("1.00")]


def test_there_is_an_end_to_lines() -> None:
    mine, guest = a_cart({f"a{n}": 1 for n in range(300)}), a_cart({f"b{n}": 1 for n in range(201)})
    with pytest.raises(FailedPrecondition, match="CART_FULL") as refused:
        merged(mine, guest, ADD)
    assert refused.value.facts["limit"] == MAX_ITEMS
    merged(mine, guest, GUESTS)
    assert len(mine.items) == 201


def test_a_cart_that_is_being_placed_or_closed_is_left_alone() -> None:
    for facts in ({"placing": cuid()}, {"status": CartStatus.CHECKED_OUT}):
        for mine, guest in ((a_cart({}, **facts), a_cart({})), (a_cart({}), a_cart({}, **facts))):
            for policy in MergePolicy:
                with pytest.raises(FailedPrecondition, match=r"CART_BEING_PLACED|CART_NOT_ACTIVE"):
                    merged(mine, guest, policy)


def test_without_a_cart_of_the_users_the_guests_becomes_theirs() -> None:
    guest = a_cart({"milk": 1}, session_id="guest")
    adopt(guest, "ada", LATER)
    assert (guest.user_id, guest.session_id, guest.version, held(guest)) == ("ada", None, 2, {"milk": 1})
    with pytest.raises(FailedPrecondition, match="CART_BEING_PLACED"):
        adopt(a_cart({}, placing=cuid()), "ada", LATER)
