"""What must be true of money, as far as this schema can tell, and what every schema must keep."""

from lumi_common.db.invariants import TOLD, Invariant, of_every_schema
from lumi_payments.storage.tables import metadata

INVARIANTS = (
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
                    when steps.ends > 0 then 'FAILED'
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
                    count(*) filter (where kind in ('VOIDED', 'FAILED')) as ends
                from payments.payment_steps group by 1
            ) steps on steps.payment_id = p.id
        )
        select id as payment_id, status, comes_to, amount, asked, authorized_amount, held, captured_amount, taken,
            refunded_amount, back, creations, ends
        from stepped
        where status::text <> comes_to or creations is distinct from 1 or asked is distinct from amount
            or authorized_amount <> case when ends > 0 then 0 else coalesce(held, 0) end
            or captured_amount <> coalesce(taken, 0) or refunded_amount <> coalesce(back, 0)
            or ends > 1 or (ends > 0 and taken is not null)
        """,
    ),
    # MANUAL has no ledger: what staff recorded is all there is, and there is nothing to compare it with.
    Invariant(
        "M3",
        "Q",
        "payments",
        "no money is with a provider whose ledger nobody compares; a provider's transaction is named once",
        """
        select p.id as payment_id, null as other_id, p.provider::text, 'ledger not compared' as what
        from payments.payments p where p.provider <> 'MANUAL' and p.status <> 'INITIATED'
        union all
        select min(p.id), max(p.id), p.provider::text, 'one transaction, two payments' from payments.payments p
        where p.transaction_id is not null group by p.provider, p.transaction_id having count(*) > 1
        union all
        select min(r.id), max(r.id), p.provider::text, 'one transaction, two refunds'
        from payments.payment_refunds r join payments.payments p on p.id = r.payment_id
        where r.transaction_id is not null group by p.provider, r.transaction_id having count(*) > 1
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
        f"""
        select p.id as payment_id, p.refunded_amount, refunds.amount as in_refunds, null as refund_id
        from payments.payments p left join (
            select payment_id, sum(amount) as amount from payments.payment_refunds where status <> 'FAILED' group by 1
        ) refunds on refunds.payment_id = p.id
        where p.refunded_amount > coalesce(refunds.amount, 0)
        union all
        select s.payment_id, s.amount, null, s.payload ->> 'refund_id' from payments.payment_steps s
        where s.kind = 'REFUNDED' and s.payload ? 'refund_id'
            and not exists (select from payments.payment_refunds r where r.id = s.payload ->> 'refund_id')
        union all
        select distinct record -> 'keys' ->> 'payment_id', null::numeric, null::numeric, record ->> 'id'
        from payments.outbox_events o cross join jsonb_array_elements(records) as record
        where records @> '[{{"entity": "PaymentRefund"}}]' and record ->> 'entity' = 'PaymentRefund'
            and o.created_at > {TOLD}
            and not exists (select from payments.payment_refunds r where r.id = record ->> 'id')
        """,
    ),
    *of_every_schema(metadata),
)
