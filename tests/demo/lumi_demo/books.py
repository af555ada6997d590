"""What the database holds of the chosen baskets: found figures, none of them from the importer's memory."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import asyncpg

from lumi_demo.baskets import Baskets

# Everything below joins this: what each chosen basket must come to, in cents, and what became of it.
_CHOSEN = """
create temporary table chosen (
    basket_id text primary key, lines int, units bigint, subtotal bigint, discount bigint
)
"""

# A cancelled or pending order is not a basket bought.
_BOUGHT = """
create temporary table bought as
select chosen.basket_id, o.id, o.cart_id, o.user_id, o.status::text,
    o.subtotal_amount, o.discount_amount, o.total_amount
from chosen join orders.orders o on o.metadata->>'basket_id' = chosen.basket_id
where o.status not in ('PENDING', 'CANCELLED')
"""

_FIGURES = """
with item as (
    select i.* from orders.order_items i join bought on bought.id = i.order_id
), payment as (
    select p.* from payments.payments p join bought on bought.id = p.order_id where p.status = 'SETTLED'
), redeemed as (
    select u.* from marketing.coupon_usages u join bought on bought.id = u.order_id
), sold as (
    select v.id, v.price, v.sku, n.quantity_on_hand, n.quantity_available, n.quantity_reserved
    from catalogue.product_variants v join catalogue.inventories n on n.product_variant_id = v.id
    where v.id in (select product_variant_id from item)
)
select
    (select count(*) from bought) as "orders",
    (select count(*) from item) as "order lines",
    (select coalesce(sum(quantity), 0) from item) as "units",
    (select coalesce(sum(subtotal_amount), 0) * 100 from bought) as "subtotal",
    (select coalesce(sum(quantity * unit_price), 0) * 100 from item) as "subtotal, by lines",
    (select coalesce(sum(discount_amount), 0) * 100 from bought) as "discount",
    (select coalesce(sum(discount_amount), 0) * 100 from item) as "discount, by lines",
    (select coalesce(sum(discount_amount), 0) * 100 from redeemed) as "discount, by coupons",
    (select coalesce(sum(total_amount), 0) * 100 from bought) as "total",
    (select coalesce(sum(captured_amount), 0) * 100 from payment) as "total, by payments",
    (select count(*) from redeemed) as "coupons",
    (select count(distinct product_variant_id) from item) as "variants sold",
    (select count(distinct product_id) from item) as "products sold",
    (select count(*) from sold
        where quantity_on_hand = 0 and quantity_available = 0 and quantity_reserved = 0) as "stock left at zero",
    (select count(*) from sold
        where price * 100 <> split_part(sku, '-', 2)::bigint) as "variants at a wrong price"
"""

# Sums can hide two errors that cancel out, so each basket is also held against its own order.
_BASKETS_OFF = """
select count(*) from chosen left join (
    select bought.basket_id, count(*) as orders, sum(lines) as lines, sum(units) as units,
        sum(subtotal_amount) as subtotal, sum(discount_amount) as discount, sum(total_amount) as total,
        sum(priced) as priced, sum(shared) as shared
    from bought left join (
        select order_id, count(*) as lines, sum(quantity) as units, sum(quantity * unit_price) as priced,
            sum(discount_amount) as shared
        from orders.order_items group by order_id
    ) item on item.order_id = bought.id
    group by bought.basket_id
) found using (basket_id)
where (orders, found.lines, found.units) is distinct from (1, chosen.lines, chosen.units)
    or (found.subtotal * 100, priced * 100) is distinct from (chosen.subtotal, chosen.subtotal)
    or (found.discount * 100, shared * 100) is distinct from (chosen.discount, chosen.discount)
    or total * 100 is distinct from chosen.subtotal - chosen.discount
"""

# What is on hand and what the chosen baskets have taken already came in together; the rest is still missing, or is
# too much where a smaller number of baskets was chosen.
_STOCK_DELTAS = """
select v.id, planned.units - n.quantity_on_hand - coalesce(taken.units, 0) as delta
from planned
join catalogue.product_variants v on v.sku = planned.sku
join catalogue.inventories n on n.product_variant_id = v.id
left join (
    select r.product_variant_id, sum(r.quantity) as units
    from catalogue.stock_reservations r
    join orders.orders o on o.id = r.order_id
    join chosen on chosen.basket_id = o.metadata->>'basket_id'
    where r.state = 'COMMITTED'
    group by r.product_variant_id
) taken on taken.product_variant_id = v.id
where planned.units <> n.quantity_on_hand + coalesce(taken.units, 0)
"""


class Books:
    """A connection that sees every schema, with the chosen baskets beside them."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection

    @classmethod
    @asynccontextmanager
    async def opened(cls, dsn: str, baskets: Baskets) -> AsyncIterator["Books"]:
        """The books of a database for as long as the context lasts."""
        connection = await asyncpg.connect(dsn)
        try:
            await connection.execute(_CHOSEN)
            await connection.copy_records_to_table("chosen", records=_records(baskets))
            await connection.execute("create temporary table planned (sku text primary key, units bigint)")
            await connection.copy_records_to_table("planned", records=baskets.stock())
            await connection.execute("analyze chosen; analyze planned")
            yield cls(connection)
        finally:
            await connection.close()

    async def stock_deltas(self) -> list[tuple[str, int]]:
        """Variant id and units by which the stock differs from what the chosen baskets take."""
        rows = await self.connection.fetch(_STOCK_DELTAS)
        return [(row["id"], int(row["delta"])) for row in rows]

    async def figures(self) -> dict[str, int]:
        """The figures of the orders that were bought from the chosen baskets; amounts in cents."""
        async with self.connection.transaction():
            await self.connection.execute("drop table if exists bought")
            await self.connection.execute(_BOUGHT)
            await self.connection.execute("create index on bought (id); analyze bought")
            row = await self.connection.fetchrow(_FIGURES)
            off = await self.connection.fetchval(_BASKETS_OFF)
        figures = {name: int(value) for name, value in row.items()}
        return {**figures, "baskets that differ from their order": off}


def _records(baskets: Baskets) -> Iterable[tuple[str, int, int, int, int]]:
    for basket in baskets:
        units = sum(line.units for line in basket.lines)
        yield str(basket.id), len(basket.lines), units, basket.subtotal, basket.coupon_cents
