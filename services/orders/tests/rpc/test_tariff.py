"""Shipping and tax: what was quoted is what is ordered, to the cent, wherever it goes."""

import os
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from google.type.money_pb2 import Money
from lumi.common.v1.address_pb2 import PostalAddress
from lumi.orders.v1 import cart_pb2 as pb
from lumi.orders.v1 import order_pb2
from lumi.orders.v1.cart_pb2_grpc import CartServiceStub

from lumi_common.errors import FailedPrecondition
from lumi_orders.settings import ShippingEntry, TaxEntry
from services.orders.tests.rpc.floor import Floor, branch
from tests.kit.buying import HOME, Guest, usd
from tests.kit.shop import Shop

CARTS = 40
TAXES = (
    TaxEntry(country="TR", rate=Decimal("0.20"), included=True),
    TaxEntry(country="DE", rate=Decimal("0.19"), included=True, on_shipping=False),
    TaxEntry(country="US", region="CA", rate=Decimal("0.0725"), included=False, on_shipping=False),
    TaxEntry(country="US", region="NY", rate=Decimal("0.08875"), included=False),
)
SHIPPING = (
    ShippingEntry(currency="USD", country="TR", amount=Decimal("4.90"), free_from=Decimal("50.00")),
    ShippingEntry(currency="USD", country="US", amount=Decimal("0.00")),
    ShippingEntry(currency="USD", amount=Decimal("12.35")),
)
# An order adds up, and so do its lines; the columns of O3.
WRONG = """
    select o.reference from orders o join lateral (
        select sum(unit_price * quantity) as subtotal, sum(discount_amount) as discount, sum(tax_amount) as tax,
               sum(total_amount) as total,
               bool_and(total_amount = unit_price * quantity - discount_amount
                                       + case when o.prices_include_tax then 0 else tax_amount end) as adds_up
        from order_items where order_id = o.id) i on true
    where o.id = $1 and (
        o.total_amount <> o.subtotal_amount - o.discount_amount + o.shipping_amount
                          + case when o.prices_include_tax then 0 else o.tax_amount end
        or not i.adds_up or i.subtotal <> o.subtotal_amount or i.discount <> o.discount_amount or i.tax > o.tax_amount)
"""


def there(country: str, state: str = "") -> PostalAddress:
    return PostalAddress(
        full_name="Ada", line1="1 Mill Lane", city="Somewhere", postal_code="1", country=country, state=state
    )


TURKEY, GERMANY, CALIFORNIA, NEW_YORK, OREGON, BRITAIN = (
    there("TR"), there("DE"), there("US", "CA"), there("US", "ny"), there("US", "OR"), HOME,
)  # fmt: skip


@pytest.fixture
async def taxed(shop: Shop) -> AsyncIterator[Floor]:
    async with branch(shop, tax_rates=TAXES, shipping_rates=SHIPPING) as floor:
        yield floor


async def quote_of(shopper: Any, cart: pb.Cart, **facts: Any) -> pb.CartQuote:
    quote: pb.CartQuote = await shopper.stub(CartServiceStub).QuoteCart(pb.QuoteCartRequest(id=cart.id, **facts))
    return quote


def amounts(of: pb.CartQuote | order_pb2.Order) -> tuple[Any, ...]:
    return (
        of.subtotal_amount, of.discount_amount, of.shipping_amount, of.tax_amount, of.total_amount,
        of.prices_include_tax,
    )  # fmt: skip


async def test_tax_inside_the_prices_is_told_and_not_added(taxed: Floor) -> None:
    guest = await taxed.guest()
    cart = await guest.fill((await taxed.shelf.put(cents=999), 3), to=TURKEY)

    order = (await guest.place(cart)).order

    assert amounts(order) == (usd(2997), usd(0), usd(490), usd(500 + 82), usd(3487), True)
    [item] = order.items
    assert (item.tax_amount, item.total_amount) == (usd(500), usd(2997))
    assert await taxed.captured(order.id) == [("SETTLED", usd(3487))]


async def test_tax_on_top_is_added_once_per_line_after_the_discount(taxed: Floor) -> None:
    guest, coupon = await taxed.guest(), await taxed.percentage("50")
    dear, cheap = await taxed.shelf.put(cents=180), await taxed.shelf.put(cents=60)
    cart = await guest.fill((dear, 1), (cheap, 3), coupon=coupon, to=CALIFORNIA)

    order = (await guest.place(cart)).order

    # 7.25 % of 0.90 is 0.07, of 1.80 together it would be 0.13.
    assert [item.discount_amount for item in order.items] == [usd(90), usd(90)]
    assert [item.tax_amount for item in order.items] == [usd(7), usd(7)]
    assert amounts(order) == (usd(360), usd(180), usd(0), usd(14), usd(194), False)
    assert await taxed.captured(order.id) == [("SETTLED", usd(194))]


async def test_free_shipping_takes_off_the_shipping_and_its_tax(taxed: Floor) -> None:
    guest, coupon = await taxed.guest(), await taxed.free_shipping()
    cart = await guest.fill((await taxed.shelf.put(cents=1000), 1), to=TURKEY)
    carts = guest.stub(CartServiceStub)
    cart = await carts.ApplyCoupon(pb.ApplyCouponRequest(id=cart.id, code=coupon))

    quote, order = await quote_of(guest, cart), (await guest.place(cart)).order

    assert (quote.shipping_discount_amount, quote.coupon_refusal) == (usd(490), "")
    assert amounts(quote) == amounts(order) == (usd(1000), usd(0), usd(0), usd(167), usd(1000), True)
    assert (order.coupon_code, await taxed.uses(coupon)) == (coupon, 1)
    async with taxed.shop.database("marketing") as database:
        saved = await database.fetchval("select discount_amount from coupon_usages where order_id = $1", order.id)
    assert saved == Decimal("4.90")


async def test_free_shipping_is_refused_where_shipping_costs_nothing(taxed: Floor) -> None:
    coupon, soup = await taxed.free_shipping(), await taxed.shelf.put(cents=1000)
    for to, units, reason in ((CALIFORNIA, 1, "NO_SHIPPING_COST"), (TURKEY, 5, "NO_SHIPPING_COST")):
        guest = await taxed.guest()
        cart = await guest.fill((soup, units), to=to)
        with pytest.raises(FailedPrecondition, match="COUPON_REFUSED") as refused:
            await guest.stub(CartServiceStub).ApplyCoupon(pb.ApplyCouponRequest(id=cart.id, code=coupon))
        assert refused.value.facts == {"reason": reason}


async def test_a_quote_says_all_that_keeps_a_cart_from_being_ordered(taxed: Floor) -> None:
    ada, scarce, coupon = await taxed.shopper(), await taxed.shelf.put(1, cents=5000), await taxed.coupon(100)
    cart = await ada.fill()
    assert list((await quote_of(ada, cart)).issues) == [pb.CART_ISSUE_EMPTY, pb.CART_ISSUE_ADDRESS_REQUIRED]
    cart = await taxed.add(ada, cart, scarce, 2)
    cart = await ada.stub(CartServiceStub).ApplyCoupon(pb.ApplyCouponRequest(id=cart.id, code=coupon))
    async with taxed.shop.database("marketing") as database:
        await database.execute("update coupons set is_active = false where code = $1", coupon)

    bare = await quote_of(ada, cart)
    there = await quote_of(ada, cart, shipping_address_id=ada.address)

    issues = [pb.CART_ISSUE_LINE, pb.CART_ISSUE_ADDRESS_REQUIRED, pb.CART_ISSUE_COUPON_REFUSED]
    assert (list(bare.issues), bare.is_orderable) == (issues, False)
    assert (bare.coupon_refusal, bare.shipping_amount, bare.tax_amount) == ("COUPON_INACTIVE", usd(1235), usd(0))
    assert list(there.issues) == [pb.CART_ISSUE_LINE, pb.CART_ISSUE_COUPON_REFUSED]
    with pytest.raises(FailedPrecondition, match="ADDRESS_NOT_FOUND"):
        await quote_of(ada, cart, shipping_address_id=cart.id)
    await ada.stub(CartServiceStub).RemoveCoupon(pb.RemoveCouponRequest(id=cart.id))
    await ada.stub(CartServiceStub).UpdateCartItem(
        pb.UpdateCartItemRequest(cart_id=cart.id, product_variant_id=scarce, quantity=1)
    )
    good = await quote_of(ada, cart, shipping_address_id=ada.address)
    assert (list(good.issues), good.is_orderable) == ([], True)
    assert (await ada.place(cart)).order.total_amount == good.total_amount == usd(6235)


async def test_many_random_carts_cost_what_they_were_quoted(taxed: Floor) -> None:
    seed = int(os.environ.get("LUMI_SEED", "20261126"))
    chance = random.Random(seed)
    shelf = [
        await taxed.shelf.put(100_000, cents=chance.choice((1, 99, chance.randrange(2, 20_000)))) for _ in range(8)
    ]
    coupons = ["", await taxed.coupon(333), await taxed.percentage("12.5"), await taxed.free_shipping()]
    for number in range(CARTS):
        guest = await taxed.guest()
        to = chance.choice((TURKEY, GERMANY, CALIFORNIA, NEW_YORK, OREGON, BRITAIN))
        lines = [(variant, chance.randrange(1, 8)) for variant in chance.sample(shelf, chance.randrange(1, 6))]
        cart = await fill(guest, lines, chance.choice(coupons), to)

        quote, order = await quote_of(guest, cart), (await guest.place(cart)).order

        what = f"cart {number} of seed {seed}"
        assert quote.is_orderable, what
        assert amounts(quote) == amounts(order), what
        assert parts(quote.lines) == parts(order.items), what
        assert await taxed.captured(order.id) == [("SETTLED", quote.total_amount)], what
        assert await taxed.rows(WRONG, order.id) == [], what


async def fill(guest: Guest, lines: list[tuple[str, int]], coupon: str, to: PostalAddress) -> pb.Cart:
    cart = await guest.fill(*lines, to=to)
    if not coupon:
        return cart
    with suppress(FailedPrecondition):  # it takes off the shipping, which costs nothing there
        cart = await guest.stub(CartServiceStub).ApplyCoupon(pb.ApplyCouponRequest(id=cart.id, code=coupon))
    return cart


def parts(lines: Any) -> list[tuple[Money, ...]]:
    return [(line.unit_price, line.discount_amount, line.tax_amount, line.total_amount) for line in lines]
