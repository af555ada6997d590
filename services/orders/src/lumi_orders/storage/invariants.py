"""What must be true of carts and orders, as far as this schema can tell, and what every schema must keep."""

from lumi_common.db.invariants import TOLD, Invariant, of_every_schema
from lumi_common.money import TWO_DECIMALS
from lumi_orders.storage.tables import metadata

# The state machine, said again here: a checker that asked the code would believe it.
_WAYS = """
    ('PENDING', 'PAID'), ('PENDING', 'CANCELLED'), ('PAID', 'FULFILLED'), ('PAID', 'CANCELLED'),
    ('FULFILLED', 'SHIPPED'), ('FULFILLED', 'CANCELLED'), ('SHIPPED', 'DELIVERED')
"""
_CURRENCIES = ", ".join(f"'{currency}'" for currency in sorted(TWO_DECIMALS))

INVARIANTS = (
    Invariant(
        "O1",
        "Q",
        "orders",
        "at most one order per cart; a cart is CHECKED_OUT exactly when an order was written from it",
        # An order may be deleted since, which leaves its cart as it is.
        f"""
        with deleted as (
            select record -> 'before' ->> 'cart_id' as cart_id
            from orders.outbox_events cross join jsonb_array_elements(records) as record
            where type = 'order.deleted' and record ->> 'action' = 'order.deleted'
        )
        select c.id as cart_id, c.status, count(o.id) as orders
        from orders.carts c left join orders.orders o on o.cart_id = c.id
        group by c.id having count(o.id) > 1 or (count(o.id) = 1 and c.status <> 'CHECKED_OUT')
            or (count(o.id) = 0 and c.status = 'CHECKED_OUT' and c.created_at > {TOLD}
                and not exists (select from deleted where cart_id = c.id))
        """,
    ),
    Invariant(
        "O2",
        "C",
        "orders",
        "the lines of an order = the lines of its cart when it was placed",
        """
        with bought as (
            select o.id as order_id, i.product_variant_id, sum(i.quantity) as ordered
            from orders.orders o join orders.order_items i on i.order_id = o.id
            where o.cart_id is not null group by 1, 2
        ), wanted as (
            select o.id as order_id, i.product_variant_id, sum(i.quantity) as in_cart
            from orders.orders o join orders.cart_items i on i.cart_id = o.cart_id group by 1, 2
        )
        select order_id, product_variant_id, ordered, in_cart
        from bought full join wanted using (order_id, product_variant_id) where ordered is distinct from in_cart
        """,
    ),
    # Shipping is taxed as one more line, so without any the lines' tax is all there is.
    Invariant(
        "O3",
        "C",
        "orders",
        "total = subtotal - discount + shipping + tax on top; the lines add up to it; nothing below zero",
        f"""
        select o.id as order_id, o.currency, total_amount, subtotal_amount, discount_amount, shipping_amount,
            tax_amount, prices_include_tax, lines.*
        from orders.orders o left join (
            select i.order_id, sum(i.quantity * i.unit_price) as cost, sum(i.discount_amount) as shares,
                sum(i.tax_amount) as taxes, min(i.discount_amount) as least_share, min(i.tax_amount) as least_tax,
                min(i.total_amount) as least_total, bool_or(i.quantity <= 0 or i.unit_price < 0) as odd,
                bool_or(i.total_amount <> i.quantity * i.unit_price - i.discount_amount
                    + case when h.prices_include_tax then 0 else i.tax_amount end) as off
            from orders.order_items i join orders.orders h on h.id = i.order_id group by 1
        ) lines on lines.order_id = o.id
        where lines.order_id is null or odd or off
            or total_amount <> subtotal_amount - discount_amount + shipping_amount
                + case when prices_include_tax then 0 else tax_amount end
            or cost <> subtotal_amount or shares <> discount_amount
            or taxes > tax_amount or (shipping_amount = 0 and taxes <> tax_amount)
            or least(total_amount, subtotal_amount, discount_amount, shipping_amount, tax_amount) < 0
            or least(least_share, least_tax, least_total) < 0
            or o.currency not in ({_CURRENCIES})
        """,
    ),
    Invariant(
        "O5",
        "C",
        "orders",
        "the history is a path of the state machine; an order's version counts its recorded changes, no gap",
        f"""
        with steps as (
            select order_id, version, from_status, to_status,
                lag(to_status) over (partition by order_id order by version) as before,
                lead(version) over (partition by order_id order by version) as next_version
            from orders.order_status_history
        ), told as (
            select record ->> 'id' as order_id, count(*) as records
            from orders.outbox_events cross join jsonb_array_elements(records) as record
            where records @> '[{{"entity": "Order"}}]' and record ->> 'entity' = 'Order' group by 1
        ), twice as (
            select aggregate_id as order_id, version from orders.outbox_events where aggregate = 'Order'
            group by 1, 2 having count(*) > 1
        )
        select order_id, 'no way from there' as what, version, from_status::text, to_status::text from steps
        where from_status is distinct from before or next_version = version
            or (before is null and (to_status <> 'PENDING' or version <> 1))
            or (before is not null and (from_status::text, to_status::text) not in (values {_WAYS}))
        union all
        select o.id, 'ends elsewhere', o.version, s.to_status::text, o.status::text
        from orders.orders o left join steps s on s.order_id = o.id and s.next_version is null
        where s.to_status is distinct from o.status or s.version > o.version
        union all
        select o.id, 'recorded ' || coalesce(records, 0), o.version, null, o.status::text
        from orders.orders o left join told on told.order_id = o.id
        where o.created_at > {TOLD} and o.version <> coalesce(records, 0)
        union all
        select order_id, 'recorded twice', version, null, null from twice
        """,
    ),
    # An order that is CANCELLED after it was packed keeps the time of that.
    Invariant(
        "O6",
        "C",
        "orders",
        "the milestones agree with the status and with each other's order",
        """
        select id as order_id, status, placed_at, fulfilled_at, shipped_at, delivered_at, cancelled_at
        from orders.orders
        where placed_at is null or (cancelled_at is not null) <> (status = 'CANCELLED')
            or (delivered_at is not null) <> (status = 'DELIVERED')
            or (shipped_at is not null) <> (status in ('SHIPPED', 'DELIVERED'))
            or (fulfilled_at is not null and status in ('PENDING', 'PAID'))
            or (fulfilled_at is null and status in ('FULFILLED', 'SHIPPED', 'DELIVERED'))
            or fulfilled_at < placed_at or shipped_at < fulfilled_at or delivered_at < shipped_at
            or cancelled_at < greatest(placed_at, fulfilled_at)
        """,
    ),
    *of_every_schema(metadata),
)
