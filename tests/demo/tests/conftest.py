import asyncio
import importlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from lumi_common.db.migrate import upgrade
from lumi_demo.books import Books
from lumi_demo.expected import Figures
from lumi_demo.lines import read_transactions
from lumi_demo.real_year import Plan, plan
from lumi_demo.source import data_folder
from lumi_local import testing
from lumi_local.topology import SERVICES


@pytest.fixture(scope="session")
def data() -> Path:
    return data_folder()


@pytest.fixture(scope="session")
def transactions(data: Path) -> Any:
    return read_transactions(data)


@pytest.fixture(scope="session")
def plan_of_300(data: Path) -> Plan:
    return plan(data, 300)


@pytest.fixture(scope="session")
def table() -> dict[int | None, Figures]:
    """The table that the project was given, by number of baskets (None for all), in cents."""
    return {
        10: Figures(10, 21, 23, 4_404, 0, 4_404, 0, 21, 20, 0, 0),
        300: Figures(300, 3_134, 3_960, 889_918, 2_065, 887_853, 12, 2_511, 2_290, 15, 0),
        3000: Figures(2_992, 31_679, 40_292, 9_437_649, 27_767, 9_409_882, 128, 15_507, 12_008, 159, 8),
        None: Figures(
            orders=155_368,
            order_lines=1_458_032,
            units=1_859_057,
            subtotal=460_056_671,
            discount=2_432_726,
            total=457_623_945,
            coupons=8_103,
            variants_sold=205_701,
            products_sold=68_192,
            lines_left_out=11_275,
            baskets_left_out=480,
        ),
    }


@pytest.fixture(scope="session")
def dsn_of_300(plan_of_300: Plan) -> Iterator[str]:
    """A database of all schemas in which the first 300 baskets stand as bought."""
    with testing.postgres("demo") as server:
        for service in SERVICES:
            metadata = importlib.import_module(f"lumi_{service}.storage.tables").metadata
            package = importlib.import_module(f"lumi_{service}")
            upgrade(server.dsn_superuser, metadata, Path(str(package.__file__)).parents[2] / "migrations")
        asyncio.run(_buy(server.dsn_superuser, plan_of_300))
        yield server.dsn_superuser


@pytest.fixture
async def books(dsn_of_300: str, plan_of_300: Plan) -> AsyncIterator[Books]:
    """The books of those 300 baskets; whatever a test does to them is undone."""
    async with Books.opened(dsn_of_300, plan_of_300.baskets) as opened:
        change = opened.connection.transaction()
        await change.start()
        yield opened
        await change.rollback()


# What a purchase leaves behind, as far as the books are concerned; ids are made of what they stand for.
_BOUGHT = """
create temporary table line (
    basket text, household bigint, sku text, product text, units int, cents bigint, off bigint, coupon bigint
);
"""
_ROWS = """
insert into identity.users (id, email, password_hash)
    select distinct 'user-' || household, 'household-' || household || '@example.com', '' from line;
insert into identity.addresses (id, user_id, full_name, line1, city, postal_code, country)
    select 'address-' || id, id, '', '', '', '', 'US' from identity.users where id like 'user-%';
insert into catalogue.products (id, title, slug, sku, status, price)
    select distinct product, product, product, product, 'ACTIVE'::catalogue.product_status, 0 from line;
insert into catalogue.product_variants (id, product_id, title, sku, price)
    select distinct sku, product, sku, sku, cents / 100.0 from line;
insert into catalogue.inventories (id, product_variant_id) select sku, sku from catalogue.product_variants;
insert into catalogue.stock_reservations (id, product_variant_id, order_id, quantity, state, expires_at)
    select 'held-' || basket || sku, sku, 'order-' || basket, units, 'COMMITTED', now() from line;
insert into orders.carts (id, user_id, status)
    select distinct 'cart-' || basket, 'user-' || household, 'CHECKED_OUT'::orders.cart_status from line;
insert into orders.orders (
    id, reference, user_id, cart_id, status, subtotal_amount, discount_amount, total_amount, tax_amount, metadata
)
    select 'order-' || basket, basket, 'user-' || household, 'cart-' || basket, 'PAID', sum(units * cents) / 100.0,
        max(coupon) / 100.0, (sum(units * cents) - max(coupon)) / 100.0, 0, jsonb_build_object('basket_id', basket)
    from line group by basket, household;
insert into orders.order_items (
    id, order_id, product_id, product_variant_id, quantity, unit_price, total_amount, discount_amount, title_snapshot
)
    select 'item-' || basket || sku, 'order-' || basket, product, sku, units, cents / 100.0,
        (units * cents - off) / 100.0, off / 100.0, '' from line;
insert into payments.payments (id, order_id, provider, status, amount, captured_amount, order_reference)
    select 'payment-' || id, id, 'MANUAL', 'SETTLED', total_amount, total_amount, reference from orders.orders;
insert into marketing.coupons (id, code, type, value, usage_limit, usage_count)
    select distinct 'coupon-' || basket, 'CJ-' || basket, 'FIXED_AMOUNT'::marketing.coupon_type, coupon / 100.0, 1, 1
    from line where coupon > 0;
insert into marketing.coupon_usages (id, coupon_id, order_id, discount_amount)
    select distinct 'usage-' || basket, 'coupon-' || basket, 'order-' || basket, coupon / 100.0
    from line where coupon > 0;
"""


async def _buy(dsn: str, planned: Plan) -> None:
    lines: list[tuple[Any, ...]] = []
    for basket in planned.baskets:
        left = basket.coupon_cents
        for line in basket.lines:
            off = min(left, line.units * line.cents)
            left -= off
            product = str(line.product_id)
            who = (str(basket.id), basket.household_id)
            lines.append((*who, line.sku, product, line.units, line.cents, off, basket.coupon_cents))
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(_BOUGHT)
        await connection.copy_records_to_table("line", records=lines)
        await connection.execute(f"set search_path to public, extensions; {_ROWS}")
    finally:
        await connection.close()
