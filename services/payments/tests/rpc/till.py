"""Payments as these tests make them, and what is in the books afterwards."""

from typing import Any
from uuid import uuid4

from google.type.money_pb2 import Money
from lumi.payments.v1 import payment_pb2 as pb

from lumi_common.cuid import cuid
from tests.kit.buying import usd
from tests.kit.client import Client
from tests.kit.shop import Shop

TEN = usd(1000)

# Whatever came at once: a payment's figures and status are what its steps, its refunds and its recorded changes add up
# to (M1, M2).
_WRONG = """
    select p.id from payments p cross join lateral (
        select
            coalesce(sum(amount) filter (where kind = 'AUTHORIZED'), 0) as authorized,
            coalesce(sum(amount) filter (where kind = 'CAPTURED'), 0) as captured,
            coalesce(sum(amount) filter (where kind = 'REFUNDED'), 0) as refunded,
            array_agg(kind) as kinds
        from payment_steps where payment_id = p.id
    ) as step
    where p.id = any($1) and not (
        p.authorized_amount = case when kinds && '{VOIDED,FAILED}' then 0 else step.authorized end
        and p.captured_amount = step.captured and p.refunded_amount = step.refunded
        and p.status::text = case
            when kinds && '{VOIDED,FAILED}' then 'FAILED'
            when step.captured > 0 and step.refunded = step.captured then 'REFUNDED'
            when 'CAPTURED' = any(kinds) then 'SETTLED'
            when 'AUTHORIZED' = any(kinds) then 'AUTHORIZED'
            else 'INITIATED'
        end
        and 0 <= p.refunded_amount and p.refunded_amount <= p.captured_amount and p.captured_amount <= p.amount
        and p.refunded_amount = (
            select coalesce(sum(amount), 0) from payment_refunds where payment_id = p.id and status = 'SUCCEEDED'
        )
        and p.version = (select count(*) from outbox_events where aggregate = 'Payment' and aggregate_id = p.id)
    )"""


def asked_for(**facts: Any) -> pb.CreatePaymentRequest:
    """What orders asks for: ten dollars by hand for an order of its own, unless said otherwise."""
    given = {
        "order_id": cuid(),
        "order_reference": "ABCDEFGH23",
        "provider": pb.PAYMENT_PROVIDER_MANUAL,
        "amount": TEN,
        "request_id": str(uuid4()),
    } | facts
    return pb.CreatePaymentRequest(**given)


class Till:
    """Makes payments in each state; `orders` is the orders service, which asks for them."""

    def __init__(self, shop: Shop, orders: Client) -> None:
        self.shop, self.orders = shop, orders

    async def paid(self, amount: Money = TEN, **facts: Any) -> pb.Payment:
        """A payment whose money is here, as in the local profile."""
        payment: pb.Payment = await self.orders.CreatePayment(asked_for(amount=amount, **facts))
        assert payment.status == pb.PAYMENT_STATUS_SETTLED
        return payment

    async def waiting(self, **facts: Any) -> pb.Payment:
        """A payment that waits for its money, as in a shop whose staff record it."""
        payment = await self.paid(**facts)
        async with self.shop.database("payments") as database:
            await database.execute(
                "update payments set status = 'INITIATED', authorized_amount = 0, captured_amount = 0, "
                "authorized_at = null, settled_at = null where id = $1",
                payment.id,
            )
            await database.execute("delete from payment_steps where payment_id = $1 and kind <> 'CREATED'", payment.id)
        return payment

    async def authorized(self, **facts: Any) -> pb.Payment:
        """A payment whose money is held for us: no method makes one yet, for no provider is set up that holds money."""
        payment = await self.waiting(**facts)
        async with self.shop.database("payments") as database:
            await database.execute(
                "with held as (update payments set status = 'AUTHORIZED', authorized_amount = amount, "
                "authorized_at = now() where id = $1 returning *) "
                "insert into payment_steps (id, payment_id, kind, amount) "
                "select $2, id, 'AUTHORIZED', amount from held",
                payment.id,
                cuid(),
            )
        return payment

    async def read(self, payment: pb.Payment) -> pb.Payment:
        """The payment as it is now."""
        found: pb.Payment = await self.orders.GetPayment(pb.GetPaymentRequest(id=payment.id))
        return found

    async def steps(self, payment: pb.Payment) -> list[str]:
        """What happened to it, in order."""
        async with self.shop.database("payments") as database:
            rows = await database.fetch("select kind from payment_steps where payment_id = $1 order by id", payment.id)
        return [row["kind"] for row in rows]

    async def told(self, payment: pb.Payment) -> list[str]:
        """The types of the events that told of it, in order."""
        return [row["type"] for row in await self.events(payment)]

    async def events(self, payment: pb.Payment) -> list[Any]:
        """The outbox rows that told of it, in order."""
        async with self.shop.database("payments") as database:
            rows: list[Any] = await database.fetch(
                "select * from outbox_events where aggregate_id = $1 order by seq", payment.id
            )
        return rows

    async def wrong(self, *payments: pb.Payment) -> list[str]:
        """The ids of those whose figures do not add up."""
        async with self.shop.database("payments") as database:
            rows = await database.fetch(_WRONG, [payment.id for payment in payments])
        return [row["id"] for row in rows]
