"""What a cart takes, and what it refuses."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from lumi_common.cuid import cuid
from lumi_common.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound
from lumi_orders.domain.cart import MAX_ITEMS, MAX_QUANTITY, Cart, CartStatus, InventoryPolicy, Offer

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MILK = Offer(
    "milk", "p1", "Milk", "1 l", "m-1", Decimal("1.25"), None, "USD", InventoryPolicy.TRACK, available=3, sellable=True
)
CHEESE = replace(
    MILK, product_variant_id="cheese", product_id="p2", unit_price=Decimal("7.50"), policy=InventoryPolicy.DENY,
    available=2,
)  # fmt: skip


@pytest.fixture
def cart() -> Cart:
    return Cart(cuid(), "ada", NOW, NOW, "TRY")


def test_the_first_item_decides_the_currency(cart: Cart) -> None:
    cart.add(MILK, 2)
    assert (cart.currency, cart.subtotal) == ("USD", Decimal("2.50"))
    with pytest.raises(FailedPrecondition, match="CURRENCY_MISMATCH"):
        cart.add(replace(CHEESE, currency="EUR"), 1)


def test_more_of_the_same_is_one_item_at_its_price_now(cart: Cart) -> None:
    first = cart.add(MILK, 1)
    again = cart.add(replace(MILK, unit_price=Decimal("1.35")), 1)
    assert again is first
    assert (again.quantity, again.unit_price, len(cart.items)) == (2, Decimal("1.35"), 1)


def test_a_tracked_variant_may_be_asked_for_beyond_what_there_is(cart: Cart) -> None:
    assert cart.add(MILK, 5).quantity == 5
    assert MILK.covers(3)
    assert not MILK.covers(5)
    assert replace(MILK, policy=InventoryPolicy.CONTINUE).covers(5)


def test_a_denying_variant_is_refused_beyond_what_there_is(cart: Cart) -> None:
    cart.add(CHEESE, 2)
    with pytest.raises(FailedPrecondition, match="INSUFFICIENT_STOCK"):
        cart.add(CHEESE, 1)
    with pytest.raises(FailedPrecondition, match="INSUFFICIENT_STOCK"):
        cart.set_quantity(CHEESE, 3)
    assert cart.items[0].quantity == 2


def test_what_is_not_for_sale_is_refused(cart: Cart) -> None:
    with pytest.raises(FailedPrecondition, match="VARIANT_NOT_SELLABLE"):
        cart.add(replace(MILK, sellable=False), 1)


def test_a_cart_has_its_limits(cart: Cart) -> None:
    with pytest.raises(InvalidArgument, match="QUANTITY_OUT_OF_RANGE"):
        cart.add(MILK, MAX_QUANTITY + 1)
    for number in range(MAX_ITEMS):
        cart.add(replace(MILK, product_variant_id=f"milk-{number}"), 1)
    with pytest.raises(FailedPrecondition, match="CART_FULL"):
        cart.add(MILK, 1)


def test_an_item_that_is_not_there_is_not_found(cart: Cart) -> None:
    with pytest.raises(NotFound, match="CART_ITEM_NOT_FOUND"):
        cart.set_quantity(MILK, 1)


def test_a_change_is_one_version_on(cart: Cart) -> None:
    cart.change(NOW, etag="1")
    assert cart.etag == "2"
    with pytest.raises(Aborted, match="ETAG_MISMATCH"):
        cart.change(NOW, etag="1")


@pytest.mark.parametrize("status", [CartStatus.CHECKED_OUT, CartStatus.ABANDONED])
def test_a_closed_cart_stays_as_it_is(cart: Cart, status: CartStatus) -> None:
    cart.status = status
    with pytest.raises(FailedPrecondition, match="CART_NOT_ACTIVE"):
        cart.change(NOW)
    assert cart.version == 1


def test_a_cart_that_is_being_placed_waits_for_its_outcome(cart: Cart) -> None:
    cart.placing = "order"
    with pytest.raises(FailedPrecondition, match="CART_BEING_PLACED") as refused:
        cart.change(NOW)
    assert refused.value.facts == {"order_id": "order"}


@pytest.mark.parametrize("status", CartStatus)
def test_a_cart_of_any_status_may_be_deleted_unless_it_is_being_placed(cart: Cart, status: CartStatus) -> None:
    cart.status = status
    cart.expect_deletable(etag=cart.etag)
    with pytest.raises(Aborted, match="ETAG_MISMATCH"):
        cart.expect_deletable(etag="7")
    cart.placing = "order"
    with pytest.raises(FailedPrecondition, match="CART_BEING_PLACED"):
        cart.expect_deletable()


def test_a_cart_comes_to_no_more_than_an_amount_can_be(cart: Cart) -> None:
    yacht = replace(MILK, product_variant_id="yacht", unit_price=Decimal("9999999999.99"))
    cart.add(MILK, 1)
    cart.add(yacht, 99)

    with pytest.raises(FailedPrecondition, match="TOTAL_TOO_HIGH"):
        cart.add(yacht, 1)
    with pytest.raises(FailedPrecondition, match="TOTAL_TOO_HIGH"):
        cart.set_quantity(yacht, 1_000)
    assert cart.get("yacht").quantity == 99
