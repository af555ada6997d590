"""What must be true of stock in any one snapshot, each as a query that returns no row (catalogue's own schema only)."""

from typing import Any

QUERIES = {
    # Available = on hand - reserved; none below zero unless the policy is CONTINUE.
    "S1": """
        select i.product_variant_id, quantity_on_hand, quantity_reserved, quantity_available, p.inventory_policy
        from inventories i
        join product_variants v on v.id = i.product_variant_id
        join products p on p.id = v.product_id
        where quantity_available <> quantity_on_hand - quantity_reserved or quantity_reserved < 0
            or (quantity_available < 0 and p.inventory_policy <> 'CONTINUE')
    """,
    # Reserved = the sum of the open reservations.
    "S2": """
        select i.product_variant_id, quantity_reserved, held
        from inventories i
        left join (
            select product_variant_id, sum(quantity) as held from stock_reservations where state = 'HELD' group by 1
        ) r using (product_variant_id)
        where quantity_reserved <> coalesce(held, 0)
    """,
    # What was sold plus what is reserved never exceeds what was received; the movements explain what is on hand.
    "S3": """
        select i.product_variant_id, quantity_on_hand, quantity_reserved, received, sold
        from inventories i
        join product_variants v on v.id = i.product_variant_id
        join products p on p.id = v.product_id
        cross join lateral (
            select coalesce(sum(delta) filter (where order_id is null), 0) as received,
                coalesce(-sum(delta) filter (where order_id is not null), 0) as sold
            from stock_movements m where m.product_variant_id = i.product_variant_id
        ) m
        where quantity_on_hand <> received - sold
            or (p.inventory_policy <> 'CONTINUE' and sold + quantity_reserved > received)
    """,
    # A reservation ends exactly once: told once, sold exactly when COMMITTED, and back at most once after that.
    "S4": """
        select r.order_id, r.product_variant_id, r.state, endings, sold, restocked, units
        from stock_reservations r
        cross join lateral (
            select count(*) filter (where reason = 'sold') as sold,
                count(*) filter (where reason = 'restocked') as restocked,
                coalesce(sum(delta), 0) as units
            from stock_movements m where m.order_id = r.order_id and m.product_variant_id = r.product_variant_id
        ) m
        cross join lateral (
            select coalesce(array_agg(told ->> 'action'), '{}') as endings
            from outbox_events o cross join jsonb_array_elements(o.records) told
            where o.aggregate = 'StockReservation' and o.aggregate_id = r.order_id
                and told -> 'keys' ->> 'product_variant_id' = r.product_variant_id
                and told ->> 'action' in ('stock.committed', 'stock.released', 'stock.expired')
        ) o
        where endings <> case when r.state = 'HELD' then '{}' else array['stock.' || lower(r.state::text)] end
            or sold <> (r.state = 'COMMITTED')::int or restocked > sold or units <> (restocked - sold) * r.quantity
    """,
}


async def broken(connection: Any) -> dict[str, list[Any]]:
    """The rows that break an invariant, by its name, as a connection or a pool finds them; empty when all hold."""
    found = {name: await connection.fetch(query) for name, query in QUERIES.items()}
    return {name: rows for name, rows in found.items() if rows}
