"""Coupons: K1 to K3."""

from lumi_invariants.invariant import Invariant

COUPONS = (
    # The count stays when a user is erased and their usage goes.
    Invariant(
        "K1",
        "C",
        "marketing",
        "usage_count <= usage_limit and never less than the redemptions there are; the limit per user likewise",
        """
        select c.id as coupon_id, null as user_id, c.usage_limit as allowed, c.usage_count as counted,
            count(u.id) as used
        from marketing.coupons c left join marketing.coupon_usages u on u.coupon_id = c.id
        group by c.id having c.usage_count > c.usage_limit or c.usage_count < count(u.id)
        union all
        select c.id, u.user_id, c.per_user_limit, c.usage_count, count(*)
        from marketing.coupons c join marketing.coupon_usages u on u.coupon_id = c.id
        where u.user_id is not null group by c.id, u.user_id having count(*) > c.per_user_limit
        """,
    ),
    Invariant(
        "K2",
        "C",
        "marketing",
        "at most one redemption per coupon and order",
        """
        select coupon_id, order_id, count(*) as redemptions from marketing.coupon_usages
        group by 1, 2 having count(*) > 1
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
