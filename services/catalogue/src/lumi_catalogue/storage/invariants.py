"""What must be true of stock, as far as this schema can tell: S1 to S4, and what every schema must keep."""

from lumi_catalogue.storage.tables import metadata
from lumi_common.db.invariants import TOLD, Invariant, of_every_schema

_POLICY = """
    join catalogue.product_variants v on v.id = i.product_variant_id
    join catalogue.products p on p.id = v.product_id
"""

INVARIANTS = (
    Invariant(
        "S1",
        "C",
        "catalogue",
        "available = on hand - reserved; none below zero unless the policy is CONTINUE",
        f"""
        select i.product_variant_id, quantity_on_hand, quantity_reserved, quantity_available, p.inventory_policy
        from catalogue.inventories i {_POLICY}
        where quantity_available <> quantity_on_hand - quantity_reserved or quantity_reserved < 0
            or (p.inventory_policy <> 'CONTINUE' and least(quantity_available, quantity_on_hand) < 0)
        """,
    ),
    Invariant(
        "S2",
        "C",
        "catalogue",
        "reserved of a variant = the sum of its open reservations",
        """
        select product_variant_id, quantity_reserved, held
        from catalogue.inventories full join (
            select product_variant_id, sum(quantity) as held from catalogue.stock_reservations
            where state = 'HELD' group by 1
        ) open using (product_variant_id)
        where coalesce(quantity_reserved, 0) <> coalesce(held, 0)
        """,
    ),
    Invariant(
        "S3",
        "Q",
        "catalogue",
        "what was sold plus what is reserved never exceeds what was received, which explains what is on hand",
        f"""
        select i.product_variant_id, quantity_on_hand, quantity_reserved, received, sold
        from catalogue.inventories i {_POLICY}
        left join (
            select product_variant_id, coalesce(sum(delta) filter (where order_id is null), 0) as received,
                coalesce(-sum(delta) filter (where order_id is not null), 0) as sold
            from catalogue.stock_movements group by 1
        ) moved using (product_variant_id)
        where quantity_on_hand <> coalesce(received - sold, 0)
            or (p.inventory_policy <> 'CONTINUE' and coalesce(sold, 0) + quantity_reserved > coalesce(received, 0))
        """,
    ),
    # COMMITTED is an end too: what is given back after it is a movement of its own, once.
    Invariant(
        "S4",
        "C",
        "catalogue",
        "a reservation ends once, COMMITTED, RELEASED or EXPIRED, told once, sold exactly when COMMITTED",
        f"""
        with moved as (
            select order_id, product_variant_id, count(*) filter (where reason = 'sold') as sold,
                count(*) filter (where reason = 'restocked') as restocked, sum(delta) as units
            from catalogue.stock_movements where order_id is not null group by 1, 2
        ), told as (
            select record ->> 'id' as order_id, record -> 'keys' ->> 'product_variant_id' as product_variant_id,
                array_agg(record ->> 'action') as endings
            from catalogue.outbox_events cross join jsonb_array_elements(records) as record
            where aggregate = 'StockReservation' and record ->> 'entity' = 'StockReservation'
                and record ->> 'action' in ('stock.committed', 'stock.released', 'stock.expired')
            group by 1, 2
        )
        select order_id, product_variant_id, r.state, endings, sold, restocked, units
        from catalogue.stock_reservations r
        full join moved using (order_id, product_variant_id)
        left join told using (order_id, product_variant_id)
        where r.id is null
            or (r.created_at > {TOLD} and coalesce(endings, '{{}}')
                <> case when r.state = 'HELD' then '{{}}' else array['stock.' || lower(r.state::text)] end)
            or coalesce(sold, 0) <> (r.state = 'COMMITTED')::int or coalesce(restocked, 0) > coalesce(sold, 0)
            or coalesce(units, 0) <> (coalesce(restocked, 0) - coalesce(sold, 0)) * r.quantity
        """,
    ),
    *of_every_schema(metadata),
)
