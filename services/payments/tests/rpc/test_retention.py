"""What payments let go of when its time is over, however much of it there is."""

from datetime import timedelta

import pytest
from lumi.common.v1 import event_pb2

from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_common.db.removal import ROWS_AT_ONCE
from lumi_common.events.event import Event
from lumi_payments.storage.retention import FORGOTTEN, follow, forget_webhooks
from services.payments.tests.rpc.till import Till
from tests.kit.shop import Shop

MANY = ROWS_AT_ONCE + 1
_NAMES = "order_id, provider, amount, currency, order_reference"


@pytest.fixture
def db(shop: Shop) -> Database:
    return shop.runtimes["payments"].db


def forgotten(order_id: str) -> Event:
    records = [event_pb2.Record(id=order_id, action=FORGOTTEN)]
    return Event(event_pb2.Event(records=records))


async def test_of_any_number_of_payments_one_event_tells_of_no_more_than_fit(
    shop: Shop, till: Till, db: Database
) -> None:
    payment = await till.paid()
    async with shop.database("payments") as books:
        await books.execute(
            f"insert into payments (id, status, failure_message, {_NAMES}) "
            f"select 'c' || lpad(n::text, 12, '0') || right(id, 12), 'FAILED', 'no funds of Ada', {_NAMES} "
            "from payments, generate_series(1, $2) as n where id = $1",
            payment.id,
            MANY,
        )
        async with db.transaction(Context.system("payments.retention")) as tx:
            await follow(tx, forgotten(payment.order_id))

        left = "select count(*) from payments where order_id = $1 and failure_message is not null"
        assert await books.fetchval(left, payment.order_id) == 0
        told = await books.fetch(
            "select jsonb_array_length(records) from outbox_events "
            "where type = 'payment.forgotten' and records @> jsonb_build_array(jsonb_build_object('keys', "
            "jsonb_build_object('order_id', $1::text)))",
            payment.order_id,
        )
    assert sorted(row[0] for row in told) == [MANY - ROWS_AT_ONCE, ROWS_AT_ONCE]


async def test_what_providers_told_goes_with_its_time(shop: Shop, db: Database) -> None:
    old, young = [cuid() for _ in range(MANY)], cuid()
    async with shop.database("payments") as books:
        tell = (
            "insert into webhook_events (id, provider, event_id, payload, created_at) "
            "values ($1, 'STRIPE', $1, '{}', now() - $2::interval)"
        )
        await books.executemany(tell, [(id, timedelta(days=91)) for id in old])
        await books.execute(tell, young, timedelta(days=89))

        await forget_webhooks(db, timedelta(days=90))

        assert [row["id"] for row in await books.fetch("select id from webhook_events")] == [young]
        await books.execute("delete from webhook_events")
