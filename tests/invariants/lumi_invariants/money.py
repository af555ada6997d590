"""Money: M1 to M7 without M3."""

from lumi_invariants.invariant import Invariant

MONEY = (
    Invariant(
        "M1",
        "C",
        "payments",
        "0 <= refunded <= captured <= amount and authorized <= amount, per payment",
        """
        select id as payment_id, amount, authorized_amount, captured_amount, refunded_amount from payments.payments
        where not (0 <= refunded_amount and refunded_amount <= captured_amount and captured_amount <= amount
            and 0 <= authorized_amount and authorized_amount <= amount)
        """,
    ),
    Invariant(
        "M2",
        "C",
        "payments",
        "the status of a payment is what its recorded steps add up to",
        """
        with stepped as (
            select p.*, steps.*,
                case
                    when steps.voids > 0 then 'FAILED'
                    when steps.back > 0 and steps.back = steps.taken then 'REFUNDED'
                    when steps.taken is not null then 'SETTLED'
                    when steps.held is not null then 'AUTHORIZED'
                    else 'INITIATED'
                end as comes_to
            from payments.payments p left join (
                select payment_id, count(*) filter (where kind = 'CREATED') as creations,
                    max(amount) filter (where kind = 'CREATED') as asked,
                    sum(amount) filter (where kind = 'AUTHORIZED') as held,
                    sum(amount) filter (where kind = 'CAPTURED') as taken,
                    sum(amount) filter (where kind = 'REFUNDED') as back,
                    count(*) filter (where kind = 'VOIDED') as voids
                from payments.payment_steps group by 1
            ) steps on steps.payment_id = p.id
        )
        select id as payment_id, status, comes_to, amount, asked, authorized_amount, held, captured_amount, taken,
            refunded_amount, back, creations, voids
        from stepped
        where status::text <> comes_to or creations is distinct from 1 or asked is distinct from amount
            or authorized_amount <> case when voids > 0 then 0 else coalesce(held, 0) end
            or captured_amount <> coalesce(taken, 0) or refunded_amount <> coalesce(back, 0)
            or voids > 1 or (voids > 0 and taken is not null)
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
    Invariant(
        "M5",
        "Q",
        "payments",
        "at most one payment per order keeps captured money",
        """
        select order_id, count(*) as payments, sum(captured_amount - refunded_amount) as kept from payments.payments
        where captured_amount > refunded_amount group by 1 having count(*) > 1
        """,
    ),
    Invariant(
        "M6",
        "C",
        "payments",
        "a provider's event is applied once",
        """
        select p.provider::text, s.provider_event_id as event_id, 'step ' || s.kind as what, count(*) as times
        from payments.payment_steps s join payments.payments p on p.id = s.payment_id
        where s.provider_event_id is not null group by 1, 2, 3 having count(*) > 1
        union all
        select provider::text, event_id, 'kept', count(*) from payments.webhook_events
        group by 1, 2 having count(*) > 1
        """,
    ),
    Invariant(
        "M7",
        "C",
        "payments",
        "a refund's row is there for as long as its money is told of",
        """
        select p.id as payment_id, p.refunded_amount, refunds.amount as in_refunds, null as refund_id
        from payments.payments p left join (
            select payment_id, sum(amount) as amount from payments.payment_refunds where status <> 'FAILED' group by 1
        ) refunds on refunds.payment_id = p.id
        where p.refunded_amount > coalesce(refunds.amount, 0)
        union all
        select s.payment_id, s.amount, null, s.payload ->> 'refund_id' from payments.payment_steps s
        where s.kind = 'REFUNDED' and s.payload ? 'refund_id'
            and not exists (select from payments.payment_refunds r where r.id = s.payload ->> 'refund_id')
        """,
    ),
)
