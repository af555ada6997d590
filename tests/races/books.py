"""What is in the books of a stack, by SQL over all schemas: of one order, and what is out of balance."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import asyncpg

from tests.kit.waiting import until

_STORY = """
    select o.status::text as status,
        array(select p.status || ' ' || p.captured_amount || ' ' || p.refunded_amount
            from payments.payments p where p.order_id = o.id order by p.id) as payments,
        array(select e.type from orders.outbox_events e
            where e.aggregate = 'Order' and e.aggregate_id = o.id order by e.seq) as told
    from orders.orders o where o.id = $1
"""

# Each finds no row once what was begun is over; $1 are carts, $2 variants, $3 codes of coupons. In brackets the
# invariant that it is of.
_WRONG = {
    "an order is between two steps (O7)": """
        select k.order_id from orders.checkouts k left join orders.orders o on o.id = k.order_id
        where coalesce(k.cart_id, o.cart_id) = any($1)
    """,
    "a cart is CHECKED_OUT, and not exactly one order was written from it, or the other way round (O1)": """
        select c.id from orders.carts c where c.id = any($1)
            and (c.status = 'CHECKED_OUT')::int <> (select count(*) from orders.orders o where o.cart_id = c.id)
    """,
    "the lines of an order are not those of its cart (O2)": """
        select coalesce(o.id, c.cart_id)
        from (select o.id, o.cart_id, i.product_variant_id, i.quantity
            from orders.orders o join orders.order_items i on i.order_id = o.id where o.cart_id = any($1)) o
        full join (select i.cart_id, i.product_variant_id, i.quantity
            from orders.cart_items i join orders.carts c on c.id = i.cart_id and c.status = 'CHECKED_OUT'
            where c.id = any($1)) c using (cart_id, product_variant_id, quantity)
        where o.id is null or c.cart_id is null
    """,
    "an order's total is not what its lines add up to (O3)": """
        select o.id from orders.orders o where o.cart_id = any($1) and (
            total_amount <> subtotal_amount - discount_amount + shipping_amount
            or discount_amount <> (select sum(discount_amount) from orders.order_items i where i.order_id = o.id)
            or subtotal_amount <> (select sum(unit_price * quantity) from orders.order_items i where i.order_id = o.id))
    """,
    "an order's history is not its way, or a version of it is not told (O5)": """
        select o.id from orders.orders o
        cross join lateral (select array_agg(to_status::text order by version) as way,
            array_agg(from_status::text order by version) as before, count(distinct version) as steps
            from orders.order_status_history h where h.order_id = o.id) h
        where o.cart_id = any($1) and (way[1] <> 'PENDING' or way[cardinality(way)] <> o.status::text
            or before[2:] <> way[:cardinality(way) - 1] or steps <> cardinality(way)
            or array(select e.version from orders.outbox_events e where e.aggregate_id = o.id order by e.seq)
                <> array(select generate_series(1, o.version))::bigint[])
    """,
    "a version of a cart is not told exactly once (X3)": """
        select c.id from orders.carts c where c.id = any($1) and c.version <> (
            select count(*) from orders.outbox_events e cross join jsonb_array_elements(e.records) told
            where told ->> 'entity' = 'Cart' and told ->> 'id' = c.id and e.aggregate_id
                = any($1 || array(select o.id from orders.orders o where o.cart_id = any($1))))
    """,
    "the money of a payment is not what its steps and refunds add up to (M1, M2)": """
        select p.id from payments.payments p join orders.orders o on o.id = p.order_id
        where o.cart_id = any($1) and (
            p.captured_amount <> (select coalesce(sum(amount), 0) from payments.payment_steps s
                where s.payment_id = p.id and s.kind = 'CAPTURED')
            or p.refunded_amount <> (select coalesce(sum(amount), 0) from payments.payment_steps s
                where s.payment_id = p.id and s.kind = 'REFUNDED')
            or p.refunded_amount <> (select coalesce(sum(amount), 0) from payments.payment_refunds r
                where r.payment_id = p.id and r.status = 'SUCCEEDED')
            or p.refunded_amount > p.captured_amount or p.captured_amount > p.amount
            or (p.status = 'REFUNDED') <> (p.captured_amount > 0 and p.refunded_amount = p.captured_amount))
    """,
    "an order that stands is not paid once, or one that is cancelled keeps money (M4, M5)": """
        select o.id from orders.orders o
        cross join lateral (select coalesce(sum(captured_amount), 0) as captured,
            coalesce(sum(captured_amount - refunded_amount), 0) as kept,
            count(*) filter (where p.status <> 'FAILED') as open
            from payments.payments p where p.order_id = o.id) p
        where o.cart_id = any($1) and (open > 1
            or case when o.status = 'CANCELLED' then kept <> 0
                when o.status = 'PENDING' then captured <> 0 else captured <> o.total_amount end)
    """,
    "a stock is not what was received less what stands, or promises more than is held (S1, S2, S3)": """
        select i.product_variant_id, quantity_on_hand, quantity_reserved, received, sold, held
        from catalogue.inventories i
        cross join lateral (select coalesce(sum(m.delta) filter (where m.order_id is null), 0) as received,
            coalesce(sum(m.delta), 0) as moved
            from catalogue.stock_movements m where m.product_variant_id = i.product_variant_id) m
        cross join lateral (select coalesce(sum(r.quantity), 0) as held from catalogue.stock_reservations r
            where r.product_variant_id = i.product_variant_id and r.state = 'HELD') r
        cross join lateral (select coalesce(sum(l.quantity), 0) as sold
            from orders.order_items l join orders.orders o on o.id = l.order_id and o.status <> 'CANCELLED'
            where l.product_variant_id = i.product_variant_id) o
        where i.product_variant_id = any($2) and (quantity_available <> quantity_on_hand - quantity_reserved
            or quantity_available < 0 or quantity_reserved <> held or quantity_on_hand <> moved
            or quantity_available <> received - sold)
    """,
    "a reservation and its order do not stand or fall together, or one that is paid is not sold yet (S4, S5)": """
        select r.order_id, r.state, o.status from catalogue.stock_reservations r
        left join orders.orders o on o.id = r.order_id
        where r.product_variant_id = any($2) and case
            when o.status = 'PENDING' then r.state <> 'HELD'
            when o.status is null or o.status = 'CANCELLED' then r.state not in ('RELEASED', 'COMMITTED')
            else r.state <> 'COMMITTED' end
    """,
    "a coupon is counted wrongly, or beyond its limits (K1)": """
        select c.id from marketing.coupons c
        where c.code = any($3::text[]::extensions.citext[]) and (c.usage_count > c.usage_limit
            or c.usage_count <> (select count(*) from marketing.coupon_usages u where u.coupon_id = c.id)
            or exists (select from marketing.coupon_usages u where u.coupon_id = c.id
                group by u.user_id having count(*) > c.per_user_limit))
    """,
    "a redemption and its order do not stand or fall together (K3)": """
        select coalesce(o.id, u.order_id)
        from (select o.id, o.coupon_code::extensions.citext as code, o.discount_amount from orders.orders o
            where o.coupon_code = any($3) and o.status <> 'CANCELLED') o
        full join (select u.order_id, c.code, u.discount_amount from marketing.coupon_usages u
            join marketing.coupons c on c.id = u.coupon_id
            where c.code = any($3::text[]::extensions.citext[])) u
            on u.order_id = o.id and u.code = o.code and u.discount_amount = o.discount_amount
        where o.id is null or u.order_id is null
    """,
}


class Story(NamedTuple):
    """An order's status, its payments (status, captured, refunded), and the events told of it."""

    status: str
    payments: list[str]
    told: list[str]


class Books:
    """The books of a stack, read as its auditor may; `pool` is of its database."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    @classmethod
    async def open(cls, dsn: str) -> "Books":
        """The books of the database there."""
        return cls(await asyncpg.create_pool(dsn, min_size=1, max_size=2))

    async def close(self) -> None:
        """Close them."""
        await self._pool.close()

    async def rows(self, query: str, *values: Any) -> list[Any]:
        """What a query finds; a single column as it is."""
        found = await self._pool.fetch(query, *values)
        return [row[0] if len(row) == 1 else tuple(row) for row in found]

    async def story(self, order_id: str) -> Story:
        """What became of an order."""
        row = await self._pool.fetchrow(_STORY, order_id)
        return Story(row["status"], row["payments"], row["told"])

    async def orders_of(self, *carts: str) -> list[str]:
        """The ids of the orders that were written from these carts."""
        return await self.rows("select id from orders.orders where cart_id = any($1) order by id", list(carts))

    async def wrong(
        self, *, carts: list[str], variants: list[str], coupons: tuple[str, ...] = (), on: Any = None
    ) -> dict[str, Any]:
        """What is out of balance about these at this moment, and where; `on` is a connection to look on."""
        found = {}
        for name, query in _WRONG.items():
            # Each query mentions all three, so that one call fits them all.
            typed = f"with given as (select $1::text[] as c, $2::text[] as v, $3::text[] as k) {query}"
            if rows := await (on or self._pool).fetch(typed, carts, variants, list(coupons)):
                found[name] = rows
        return found

    async def expect_balanced(self, *, carts: list[str], variants: list[str], coupons: tuple[str, ...] = ()) -> None:
        """Wait until nothing about these is wrong any more; fails, naming what still is."""
        wrong: dict[str, Any] = {}

        async def balanced() -> bool:
            nonlocal wrong
            wrong = await self.wrong(carts=carts, variants=variants, coupons=coupons)
            return not wrong

        try:
            await until(balanced, "the books balance", seconds=20)
        except AssertionError as error:
            raise AssertionError(f"the books do not balance: {wrong}") from error

    @asynccontextmanager
    async def tampered(self, statement: str, *values: Any) -> AsyncIterator[Any]:
        """A connection that alone sees what a statement does, which is taken back at the end of the block."""
        async with self._pool.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                assert await connection.fetchval(
                    f"with done as ({statement} returning 1) select count(*) from done", *values
                )
                yield connection
            finally:
                await transaction.rollback()
