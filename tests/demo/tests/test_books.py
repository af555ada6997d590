import pytest

from lumi_demo.audit import Things, Trail
from lumi_demo.books import Books
from lumi_demo.comparison import compare, is_right
from lumi_demo.expected import Figures
from lumi_demo.real_year import Plan
from lumi_demo.reconcile import expected_rows


@pytest.fixture
def expected(plan_of_300: Plan, table: dict[int | None, Figures]) -> dict[str, int]:
    """What the database alone can tell: the API's figures and the audit records aside."""
    rows = expected_rows(table[300], Things.of(plan_of_300))
    told_elsewhere = ("audit ", "lines left out", "baskets left out")
    return {
        figure: count
        for figure, count in rows.items()
        if not figure.startswith(told_elsewhere) and not figure.endswith("by the API")
    }


async def test_the_books_of_what_was_bought_are_right(books: Books, expected: dict[str, int]) -> None:
    assert await books.figures() == expected


@pytest.mark.parametrize(
    ("plant", "figure"),
    [
        (
            "update orders.orders set total_amount = total_amount + 0.01, shipping_amount = shipping_amount + 0.01"
            " where id = $1",
            "total",
        ),
        (
            "update orders.orders set subtotal_amount = subtotal_amount + 0.01, total_amount = total_amount + 0.01"
            " where id = $1",
            "subtotal",
        ),
        (
            "update orders.order_items set unit_price = unit_price + 0.01,"
            " total_amount = total_amount + 0.01 * quantity where order_id = $1",
            "subtotal, by lines",
        ),
        (
            "update payments.payments set amount = amount + 0.01, captured_amount = amount + 0.01 where order_id = $1",
            "total, by payments",
        ),
        (
            "update marketing.coupon_usages set discount_amount = discount_amount - 0.01 where order_id = $1",
            "discount, by coupons",
        ),
        (
            "update catalogue.product_variants set price = price + 0.01"
            " where id in (select product_variant_id from orders.order_items where order_id = $1)",
            "variants at a wrong price",
        ),
        (
            "update catalogue.inventories set quantity_on_hand = 1, quantity_available = 1 where product_variant_id"
            " in (select product_variant_id from orders.order_items where order_id = $1)",
            "stock left at zero",
        ),
        ("update orders.orders set status = 'CANCELLED' where id = $1", "orders"),
    ],
)
async def test_one_wrong_cent_is_found(
    books: Books, plan_of_300: Plan, expected: dict[str, int], plant: str, figure: str
) -> None:
    basket = next(basket for basket in plan_of_300.baskets if basket.coupon_cents)
    await books.connection.execute(plant, f"order-{basket.id}")

    rows = compare(expected, await books.figures())

    assert not is_right(rows)
    assert figure in {row.figure for row in rows if row.is_off}


async def test_a_cent_moved_from_one_order_to_another_is_found(books: Books, expected: dict[str, int]) -> None:
    await books.connection.execute("""
        update orders.orders set total_amount = total_amount + cent, subtotal_amount = subtotal_amount + cent
        from (
            select min(id) as id, 0.01 as cent from orders.orders union all select max(id), -0.01 from orders.orders
        ) moved
        where orders.id = moved.id
    """)

    rows = compare(expected, await books.figures())

    off = [(row.figure, row.found) for row in rows if row.is_off]
    assert off == [("baskets that differ from their order", 2)]


async def test_a_basket_bought_twice_is_found(books: Books, expected: dict[str, int]) -> None:
    await books.connection.execute("""
        insert into orders.orders (
            id, reference, status, subtotal_amount, discount_amount, total_amount, tax_amount, metadata
        )
        select 'again', 'again', status, subtotal_amount, discount_amount, total_amount, 0, metadata
        from orders.orders limit 1
    """)

    off = {row.figure for row in compare(expected, await books.figures()) if row.is_off}

    assert {"orders", "total", "baskets that differ from their order"} <= off


async def test_stock_that_was_sold_to_the_baskets_is_not_missing(books: Books) -> None:
    assert await books.stock_deltas() == []


async def test_stock_for_baskets_that_are_chosen_later_is_missing(books: Books, plan_of_300: Plan) -> None:
    basket = plan_of_300.baskets[0]
    order = f"order-{basket.id}"
    await books.connection.execute("delete from catalogue.stock_reservations where order_id = $1", order)

    missing = await books.stock_deltas()

    assert sorted(missing) == sorted((line.sku, line.units) for line in basket.lines)


async def file(books: Books, entity: str, action: str, ids: str) -> None:
    """File an audit record for every id that this query gives, each later than the one before."""
    await books.connection.execute(
        f"""insert into identity.audit_logs (id, actor_type, action, entity, entity_id, created_at)
        select gen_random_uuid()::text, 'user', $1, $2, id, clock_timestamp() from ({ids}) made (id)""",
        action,
        entity,
    )


async def test_records_are_counted_by_action(books: Books, plan_of_300: Plan) -> None:
    await file(books, "Order", "order.placed", "select id from orders.orders")
    await file(books, "Coupon", "coupon.created", "select id from marketing.coupons")
    await file(books, "User", "user.signed_up", "select id from identity.users")
    await file(books, "Product", "product.created", "select id from catalogue.products")
    await file(books, "Product", "product.updated", "select id from catalogue.products")
    await file(books, "Order", "order.placed", "select 'an order of somebody else'")

    trail = await Trail.open(books, plan_of_300)
    await books.figures()

    assert await trail.records() == {
        "audit coupon.created": 12,
        "audit order.placed": 300,
        "audit product.created": 2_290,
        "audit user.signed_up": len(plan_of_300.baskets.by_household()),
    }


async def test_what_an_interrupted_run_had_put_into_a_cart_does_not_count(books: Books, plan_of_300: Plan) -> None:
    cart = "select min(id) from orders.carts"
    for action in ("cart.created", "cart.item_added", "cart.cleared", "cart.item_added", "cart.checked_out"):
        await file(books, "Cart", action, cart)

    trail = await Trail.open(books, plan_of_300)
    await books.figures()

    assert await trail.records() == {
        "audit cart.checked_out": 1,
        "audit cart.created": 1,
        "audit cart.item_added": 1,
    }
