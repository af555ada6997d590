"""What must be true of coupons, as far as this schema can tell, and what every schema must keep."""

from lumi_common.db.invariants import TOLD, Invariant, of_every_schema
from lumi_marketing.storage.tables import metadata

INVARIANTS = (
    # The count stays when a user is erased and their usage goes.
    Invariant(
        "K1",
        "C",
        "marketing",
        "usage_count <= usage_limit and counts what was redeemed and not released; the limit per user likewise",
        f"""
        select c.id as coupon_id, null as user_id, c.usage_limit as allowed, c.usage_count as counted,
            count(u.id) as used
        from marketing.coupons c left join marketing.coupon_usages u on u.coupon_id = c.id
        group by c.id having c.usage_count > c.usage_limit or c.usage_count < count(u.id)
        union all
        select c.id, u.user_id, c.per_user_limit, c.usage_count, count(*)
        from marketing.coupons c join marketing.coupon_usages u on u.coupon_id = c.id
        where u.user_id is not null group by c.id, u.user_id having count(*) > c.per_user_limit
        union all
        select c.id, null, c.usage_limit, c.usage_count, coalesce(uses, 0) from marketing.coupons c left join (
            select record -> 'keys' ->> 'coupon_id' as coupon_id,
                sum(case record ->> 'action' when 'coupon_usage.redeemed' then 1 else -1 end) as uses
            from marketing.outbox_events cross join jsonb_array_elements(records) as record
            where record ->> 'action' in ('coupon_usage.redeemed', 'coupon_usage.released') group by 1
        ) told on told.coupon_id = c.id
        where c.created_at > {TOLD} and c.usage_count <> coalesce(uses, 0)
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
    *of_every_schema(metadata),
)
