"""Between the services of the shop: what no schema of theirs can tell by itself of stock, orders, money and coupons."""

from lumi_common.db.invariants import Invariant

BETWEEN = (
    # What was cancelled after it was sold comes back as a movement of its own.
    Invariant(
        "S3",
        "Q",
        "",
        "what orders sold is what was taken out of stock for them",
        """
        with bought as (
            select i.order_id, i.product_variant_id, o.status, sum(i.quantity) as ordered
            from orders.order_items i join orders.orders o on o.id = i.order_id group by 1, 2, 3
        ), back as (
            select order_id, product_variant_id from catalogue.stock_movements where reason = 'restocked'
        )
        select order_id, product_variant_id, b.status, ordered, r.quantity as taken, r.state
        from bought b full join catalogue.stock_reservations r using (order_id, product_variant_id)
        left join back using (order_id, product_variant_id)
        where case
            when b.order_id is not null and b.status <> 'CANCELLED' then
                r.id is null or r.state not in ('HELD', 'COMMITTED') or r.quantity <> ordered
            else r.state = 'COMMITTED' and back.order_id is null
        end
        """,
    ),
    Invariant(
        "S5",
        "Q",
        "",
        "an open reservation has a live order or one being placed; past its time by 30 s, a PENDING or PAID one",
        """
        select r.order_id, r.product_variant_id, r.expires_at, o.status, c.step
        from catalogue.stock_reservations r
        left join orders.orders o on o.id = r.order_id
        left join orders.checkouts c on c.order_id = r.order_id
        where r.state = 'HELD' and (
            (c.id is null and (o.id is null or o.status = 'CANCELLED'))
            or (r.expires_at < now() - interval '30 seconds'
                and coalesce(o.status::text, '') not in ('PENDING', 'PAID'))
        )
        """,
    ),
    Invariant(
        "O4",
        "Q",
        "",
        "one currency through an order, its items, payments, refunds and coupon usage",
        """
        select o.id as order_id, o.currency, used.what, used.currency as other
        from orders.orders o join (
            select order_id, 'item' as what, currency from orders.order_items
            union all select order_id, 'payment', currency from payments.payments
            union all select p.order_id, 'refund', r.currency
                from payments.payment_refunds r join payments.payments p on p.id = r.payment_id
            union all select u.order_id, 'coupon', c.currency
                from marketing.coupon_usages u join marketing.coupons c on c.id = u.coupon_id
        ) used on used.order_id = o.id
        where used.currency <> o.currency
        """,
    ),
    Invariant(
        "O7",
        "Q",
        "",
        "no order is left between steps for more than 60 s",
        """
        with late as (select now() - interval '60 seconds' as at)
        select order_id, 'checkout at ' || step as what, created_at as since
        from orders.checkouts, late where created_at < at
        union all
        select o.id, 'never paid for nor undone', o.created_at from orders.orders o, late
        where o.status = 'PENDING' and o.created_at < at
            and not exists (select from orders.checkouts c where c.order_id = o.id)
            and not exists (select from payments.payments p where p.order_id = o.id)
        union all
        select o.id, 'settled and not PAID', p.settled_at
        from late, orders.orders o join payments.payments p on p.order_id = o.id
        where o.status = 'PENDING' and p.status = 'SETTLED' and p.captured_amount >= o.total_amount
            and p.settled_at < at
        union all
        select o.id, 'paid and not taken out of stock', h.created_at
        from late, orders.orders o
        join orders.order_status_history h on h.order_id = o.id and h.to_status = 'PAID'
        join catalogue.stock_reservations r on r.order_id = o.id and r.state = 'HELD'
        where o.status <> 'CANCELLED' and h.created_at < at
        """,
    ),
    Invariant(
        "M4",
        "Q",
        "",
        "no CANCELLED order keeps money after 120 s without an open refund; every paid one had its amount captured",
        """
        select o.id as order_id, o.status, o.total_amount, p.id as payment_id, p.captured_amount, p.refunded_amount
        from orders.orders o join payments.payments p on p.order_id = o.id
        where o.status = 'CANCELLED' and greatest(o.cancelled_at, p.settled_at) < now() - interval '120 seconds'
            and p.captured_amount > p.refunded_amount
            and not exists (select from payments.payment_refunds r where r.payment_id = p.id and r.status = 'PENDING')
        union all
        select o.id, o.status, o.total_amount, null, null, null from orders.orders o
        where o.status not in ('PENDING', 'CANCELLED') and not exists (
            select from payments.payments p
            where p.order_id = o.id and p.status in ('SETTLED', 'REFUNDED') and p.captured_amount >= o.total_amount
        )
        """,
    ),
    # A FREE_SHIPPING coupon takes off the shipping, which the order does not tell; any other, the order's discount.
    Invariant(
        "K3",
        "Q",
        "",
        "a redemption stands exactly when its order stands, for what it took off; it is released once",
        """
        select u.order_id, u.coupon_id, 'order does not stand' as what, o.status::text
        from marketing.coupon_usages u left join orders.orders o on o.id = u.order_id
        where (o.id is null or o.status = 'CANCELLED')
            and not exists (select from orders.checkouts c where c.order_id = u.order_id)
        union all
        select o.id, null, 'order has no redemption', o.status::text from orders.orders o
        where o.coupon_code is not null and o.status <> 'CANCELLED'
            and coalesce(o.user_id, o.guest_session_id) is not null
            -- of a coupon that is gone no redemption is left
            and exists (
                select from marketing.coupons c
                where lower(c.code::text) = lower(o.coupon_code) and c.created_at <= o.created_at
            )
            and not exists (
                select from marketing.coupon_usages u join marketing.coupons c on c.id = u.coupon_id
                where u.order_id = o.id and lower(c.code::text) = lower(o.coupon_code)
            )
        union all
        select u.order_id, u.coupon_id, 'order says another amount', o.status::text
        from marketing.coupon_usages u join marketing.coupons c on c.id = u.coupon_id
        join orders.orders o on o.id = u.order_id
        where o.discount_amount <> case when c.type = 'FREE_SHIPPING' then 0 else u.discount_amount end
        union all
        select record -> 'keys' ->> 'order_id', record -> 'keys' ->> 'coupon_id', 'released again', null
        from marketing.outbox_events cross join jsonb_array_elements(records) as record
        where record ->> 'action' = 'coupon_usage.released'
        group by 1, 2 having count(*) > 1
        """,
    ),
)
