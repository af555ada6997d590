"""A basket is bought, from the shelf to the audit log."""

from lumi.orders.v1.order_pb2 import ORDER_STATUS_PAID

from tests.kit.buying import usd
from tests.kit.shop import Shop
from tests.kit.waiting import until


async def test_a_basket_is_bought_and_the_books_agree(shop: Shop) -> None:
    shelf, shopper = await shop.staff(), await shop.shopper()
    soup, bread = await shelf.put(10, 250), await shelf.put(3, 199)

    cart = await shopper.fill((soup, 2), (bread, 1))
    placed = await shopper.place(cart)

    assert placed.order.status == ORDER_STATUS_PAID
    assert placed.order.total_amount == usd(699)

    async def committed() -> bool:
        return await shelf.stock(soup) == (8, 0) and await shelf.stock(bread) == (2, 0)

    await until(committed, "the stock that was sold is gone")
