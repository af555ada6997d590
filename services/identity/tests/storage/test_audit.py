"""The audit log: filed from events in one statement, append-only, read in time order."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from lumi.common.v1 import event_pb2

from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_common.errors import NotFound
from lumi_common.events.event import Event
from lumi_identity.storage.audit import NEWEST_FIRST, TIMELINE, file, get_audit_log
from lumi_local.postgres import PostgresServer
from services.identity.tests.kit import a_user, doors_of
from tests.kit.waiting import until

TIME = datetime(2026, 11, 22, 12, 30, 15, 123456, tzinfo=UTC)


def a_record(**facts: Any) -> event_pb2.Record:
    given = {"entity": "Order", "id": cuid(), "action": "order.placed", "audit": True, "after": '{"status": "PENDING"}'}
    return event_pb2.Record(**given | facts)


def an_event(*records: event_pb2.Record, time: datetime = TIME, **actor: str) -> Event:
    message = event_pb2.Event(
        id=str(uuid4()), type=records[0].action, source="orders", aggregate=records[0].entity,
        aggregate_id=records[0].id, version=1, records=records,
        actor=event_pb2.Actor(**{"type": "service", "id": "orders.sweeper"} | actor),
    )  # fmt: skip
    message.time.FromDatetime(time)
    return Event(message)


async def filed(db: Database, entity_id: str) -> list[Any]:
    rows = await db.pool.fetch("select * from audit_logs where entity_id = $1 order by id", entity_id)
    return list(rows)


async def test_a_record_is_filed_with_its_actor_at_the_time_of_the_change(db: Database, context: Context) -> None:
    user = await a_user(await doors_of(db), context)
    record = a_record(before='{"total_amount": 19.90}', after='{"total_amount": 20.00, "notes": null}')

    await file(db, [an_event(record, type="user", id=user.id, ip_address="192.0.2.7", user_agent="a browser")])

    [row] = await filed(db, record.id)
    assert (row["user_id"], row["actor_type"], row["action"], row["entity"]) == (
        user.id, "user", "order.placed", "Order",
    )  # fmt: skip
    assert (row["created_at"], row["ip_address"], row["user_agent"]) == (TIME, "192.0.2.7", "a browser")
    assert (str(row["before"]["total_amount"]), str(row["after"]["total_amount"])) == ("19.90", "20.00")


async def test_what_is_not_for_the_audit_is_not_filed(db: Database) -> None:
    told, untold = a_record(), a_record(audit=False)

    await file(db, [an_event(told, untold), an_event(a_record(audit=False))])
    await file(db, [an_event(a_record(audit=False))])

    assert len(await filed(db, told.id)) == 1
    assert await filed(db, untold.id) == []


async def test_an_actor_who_is_no_user_or_gone_is_no_reference(db: Database) -> None:
    guests, gone, creation = a_record(), a_record(), a_record(before="", after="")
    origin = {"ip_address": "192.0.2.7", "user_agent": "a browser"}

    await file(
        db,
        [an_event(guests, type="guest", id=cuid(), **origin), an_event(gone, type="user", id=cuid(), **origin)],
    )
    await file(db, [an_event(creation)])

    for record, actor_type in ((guests, "guest"), (gone, "user"), (creation, "service")):
        [row] = await filed(db, record.id)
        assert (row["user_id"], row["actor_type"]) == (None, actor_type)
        assert row["before"] is None
    assert row["after"] is None
    assert [(await filed(db, each.id))[0]["ip_address"] for each in (guests, gone)] == ["192.0.2.7", None]
    assert [(await filed(db, each.id))[0]["user_agent"] for each in (guests, gone)] == ["a browser", None]


async def test_a_timeline_is_in_the_order_of_the_changes_whatever_the_order_of_filing(db: Database) -> None:
    id = cuid()
    actions = ["order.placed", "order.paid", "order.shipped", "order.delivered", "order.archived"]
    events = [
        an_event(a_record(id=id, action=action), time=TIME + timedelta(seconds=number))
        for number, action in enumerate(actions)
    ]
    await file(db, [*reversed(events[1:]), events[0], an_event(a_record(action="order.placed"))])

    seen: list[str] = []
    token = ""
    while True:
        page = await TIMELINE.page(db, lambda row: row["action"], size=2, token=token, entity="Order", entity_id=id)
        seen += page.items
        token = page.next_page_token
        if not token:
            break

    assert seen == actions


async def test_lists_hold_what_was_asked_for_newest_first(db: Database) -> None:
    action = f"thing.{cuid()}"
    records = [a_record(entity="Thing", action=action) for _ in range(5)]
    await file(db, [an_event(record) for record in records])

    page = await NEWEST_FIRST.page(db, lambda row: row["entity_id"], size=3, action=action, entity="Thing")
    rest = await NEWEST_FIRST.page(
        db, lambda row: row["entity_id"], size=3, token=page.next_page_token, action=action, entity="Thing"
    )

    assert page.items + rest.items == [record.id for record in reversed(records)]
    assert rest.next_page_token == ""


async def test_a_missing_record_is_not_found(db: Database) -> None:
    with pytest.raises(NotFound):
        await get_audit_log(db, cuid())


@pytest.mark.parametrize(
    "change",
    [
        "delete from audit_logs",
        "truncate audit_logs",
        "update audit_logs set action = 'nothing.happened'",
        "update audit_logs set before = null, after = null",
        "update audit_logs set ip_address = null",
    ],
)
async def test_the_service_itself_cannot_change_what_is_filed(db: Database, change: str) -> None:
    await file(db, [an_event(a_record())])

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await db.pool.execute(change)


async def test_a_purged_users_records_stay_without_them(db: Database, context: Context) -> None:
    user = await a_user(await doors_of(db), context)
    record = a_record()
    await file(db, [an_event(record, type="user", id=user.id)])

    await db.pool.execute("delete from users where id = $1", user.id)

    [row] = await filed(db, record.id)
    assert row["user_id"] is None


async def test_a_record_whose_actor_is_purged_meanwhile_is_filed_without_them(
    db: Database, server: PostgresServer, context: Context
) -> None:
    ada, bob = [await a_user(await doors_of(db), context) for _ in range(2)]
    hers, his = a_record(), a_record()
    purging = await asyncpg.connect(server.dsn("lumi_identity"))
    async with purging.transaction():
        await purging.execute("delete from identity.users where id = $1", ada.id)
        filing = asyncio.create_task(
            file(
                db,
                [
                    an_event(record, type="user", id=user.id, ip_address="192.0.2.7")
                    for record, user in ((hers, ada), (his, bob))
                ],
            )
        )

        async def waits() -> bool:
            blocked = "select exists (select from pg_stat_activity where $1 = any(pg_blocking_pids(pid)))"
            return bool(await db.pool.fetchval(blocked, purging.get_server_pid()))

        await until(waits, "the filing waits for the purge")
    await purging.close()
    await filing

    assert [(row["user_id"], row["ip_address"]) for row in await filed(db, hers.id)] == [(None, None)]
    assert [(row["user_id"], row["ip_address"]) for row in await filed(db, his.id)] == [(bob.id, "192.0.2.7")]
