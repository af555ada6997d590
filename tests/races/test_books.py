"""The books notice what is wrong with them: each is tampered with by hand, unseen by anybody else."""

import pytest

from tests.races.floor import Floor

# What is done to an order of two tins with a coupon, and the invariant that names it; $1 is its id.
TAMPERED = {
    "O1": "update orders.carts set status = 'ACTIVE' where id = (select cart_id from orders.orders where id = $1)",
    "O2": "update orders.cart_items set quantity = 3 where cart_id = (select cart_id from orders.orders where id = $1)",
    "O3": "update orders.order_items set unit_price = unit_price + 1, total_amount = total_amount + 2 "
    "where order_id = $1",
    "O5": "delete from orders.order_status_history where order_id = $1 and to_status = 'PAID'",
    "O7": "insert into orders.checkouts (id, order_id, step, next_attempt_at) "
    "values ('tampered', $1, 'UNDO', now() + interval '1 hour')",
    "X3": "update orders.carts set version = version + 1 where id = (select cart_id from orders.orders where id = $1)",
    "M1": "update payments.payments set refunded_amount = 1 where order_id = $1",
    "M4": "update orders.orders set status = 'CANCELLED', cancelled_at = now() where id = $1",
    "S1": "update catalogue.inventories set quantity_on_hand = quantity_on_hand + 1, "
    "quantity_available = quantity_available + 1 where product_variant_id = "
    "(select product_variant_id from orders.order_items where order_id = $1)",
    "S4": "update catalogue.stock_reservations set state = 'RELEASED' where order_id = $1",
    "K1": "update marketing.coupons set usage_count = usage_count + 1 "
    "where id = (select coupon_id from marketing.coupon_usages where order_id = $1)",
    "K3": "delete from marketing.coupon_usages where order_id = $1",
}


@pytest.mark.parametrize("invariant", TAMPERED)
async def test_what_is_wrong_with_the_books_is_named(floor: Floor, invariant: str) -> None:
    soup, coupon, ada = await floor.put(5), await floor.coupon(), await floor.buyer()
    cart = await ada.fill((soup, 2), coupon=coupon.code)
    order = (await ada.placing(cart)()).order.id
    await floor.books.expect_balanced(carts=[cart.id], variants=[soup], coupons=(coupon.code,))

    async with floor.books.tampered(TAMPERED[invariant], order) as connection:
        wrong = await floor.books.wrong(carts=[cart.id], variants=[soup], coupons=(coupon.code,), on=connection)

    named = {each for name in wrong for each in name.partition("(")[2].rstrip(")").split(", ")}
    assert invariant in named
    assert not await floor.books.wrong(carts=[cart.id], variants=[soup], coupons=(coupon.code,))
