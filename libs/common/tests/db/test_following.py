"""What becomes of rows when what they name is gone: SET NULL and CASCADE, by the event that tells of it."""

import asyncio

import pytest
from sqlalchemy import text

from libs.common.tests.db.crossing import REFERRER, USERS, Crossing, ended, insert, until_waiting
from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_common.db.removal import ROWS_AT_ONCE
from lumi_common.db.statement import Statement
from lumi_common.errors import FailedPrecondition
from lumi_common.events.event import Event


async def follow(crossing: Crossing, context: Context, event: Event) -> None:
    async with crossing.orders.transaction(context) as tx:
        await REFERRER.follow(tx, event)


async def letter(crossing: Crossing, user: str) -> tuple[str, str, str]:
    """A letter of a user's with a page and a copy; their ids."""
    on = crossing.orders.pool
    id = await insert(on, "letters", user_id=user)
    return id, await insert(on, "pages", letter_id=id), await insert(on, "copies", letter_id=id)


async def records(database: Database, type: str) -> list[dict[str, object]]:
    row = await database.pool.fetchrow("select records from outbox_events where type = $1", type)
    assert row is not None
    return list(row["records"])


async def test_rows_lose_or_follow_what_is_gone_each_with_its_record(crossing: Crossing, context: Context) -> None:
    ada, bob, eve = cuid(), cuid(), cuid()
    both, one = await crossing.basket(user_id=ada, helper_id=bob), await crossing.basket(user_id=eve, helper_id=ada)
    bystander = await crossing.basket(user_id=eve)
    gone, page, copy = await letter(crossing, ada)
    stays, *_ = await letter(crossing, eve)

    await follow(crossing, context, ended("User", ada, bob))

    on = crossing.orders.pool
    found = {row["id"]: tuple(row)[1:] for row in await on.fetch("select id, user_id, helper_id, version from baskets")}
    assert found == {both: (None, None, 2), one: (eve, None, 2), bystander: (eve, None, 1)}
    assert [row["id"] for row in await on.fetch("select id from letters")] == [stays]
    assert not await on.fetch("select from pages where id = $1", page)
    assert tuple(await on.fetchrow("select letter_id, version from copies where id = $1", copy)) == (None, 2)
    told = {type: sorted(actions) for type, _, actions in await crossing.told(crossing.orders)}
    assert told == {
        "basket.updated": ["basket.updated"] * 2,
        "letter.deleted": ["copy.updated", "letter.deleted", "page.deleted"],
    }
    [before] = [each["before"] for each in await records(crossing.orders, "basket.updated") if each["id"] == both]
    assert before == {"user_id": ada, "helper_id": bob}
    ends = {str(each["entity"]): each for each in await records(crossing.orders, "letter.deleted")}
    assert (ends["Letter"]["id"], ends["Page"]["id"], ends["Copy"]["id"]) == (gone, page, copy)
    assert "after" not in ends["Letter"] and "after" not in ends["Page"]
    assert (ends["Copy"]["before"], ends["Copy"]["after"]) == ({"letter_id": gone}, {})
    assert {await crossing.mark(each) is not None for each in (ada, bob)} == {True}
    assert await crossing.mark(eve) is None


async def test_what_a_row_tells_of_its_person_is_emptied_when_it_is_nobodys(
    crossing: Crossing, context: Context
) -> None:
    ada, eve = cuid(), cuid()
    told = {"note": "by the back door", "bill_to": "1 Main St"}
    hers, others = await crossing.basket(user_id=ada, **told), await crossing.basket(user_id=eve, **told)

    await follow(crossing, context, ended("User", ada))

    rows = await crossing.orders.pool.fetch("select id, user_id, note, bill_to from baskets")
    assert {row["id"]: tuple(row)[1:] for row in rows} == {
        hers: (None, None, told["bill_to"]),
        others: (eve, *told.values()),
    }
    [record] = await records(crossing.orders, "basket.updated")
    assert record["before"] == {"user_id": ada, "note": "[redacted]"}


async def test_the_same_end_again_changes_nothing(crossing: Crossing, context: Context) -> None:
    ada = cuid()
    await crossing.basket(user_id=ada)
    await letter(crossing, ada)
    event = ended("User", ada)
    await follow(crossing, context, event)
    told, marked = await crossing.told(crossing.orders), await crossing.mark(ada)

    await follow(crossing, context, event)
    await follow(crossing, context, ended("User", ada))

    assert await crossing.told(crossing.orders) == told
    assert await crossing.mark(ada) == marked == event.time


async def test_nothing_late_brings_it_back(crossing: Crossing, context: Context) -> None:
    ada, basket = cuid(), await crossing.basket()
    await follow(crossing, context, ended("User", ada))

    for late in (
        "insert into baskets (id, user_id) values (:id, :user)",
        "insert into letters (id, user_id) values (:id, :user)",
        "update baskets set helper_id = :user where id = :id",
    ):
        with pytest.raises(FailedPrecondition, match="REFERENCE_GONE") as refusal:
            await crossing.orders.fetch(Statement(text(late)), id=basket if "update" in late else cuid(), user=ada)
        assert refusal.value.facts["target"] == USERS


async def test_who_is_just_naming_it_is_waited_for(crossing: Crossing, context: Context) -> None:
    ada, pool = cuid(), crossing.orders.pool
    connection = await pool.take()
    transaction = connection.transaction()
    await transaction.start()
    basket = await insert(connection, "baskets", user_id=ada)
    await insert(connection, "letters", user_id=ada)

    following = asyncio.create_task(follow(crossing, context, ended("User", ada)))
    await until_waiting(crossing.orders)
    await transaction.commit()
    pool.give(connection)
    await following

    assert await pool.fetchval("select user_id from baskets where id = $1", basket) is None
    assert await pool.fetchval("select count(*) from letters") == 0


async def test_what_is_only_changed_made_or_elses_is_no_end(crossing: Crossing, context: Context) -> None:
    ada = cuid()
    await crossing.basket(user_id=ada)
    await letter(crossing, ada)

    for event in (
        ended("User", ada, before='{"deleted_at": null}', after='{"deleted_at": "2026-11-26"}'),
        ended("User", ada, after="{}"),
        ended("Address", ada),
        ended("User", ada, source="orders"),
    ):
        await follow(crossing, context, event)

    assert await crossing.told(crossing.orders) == []
    assert await crossing.mark(ada) is None


async def test_what_is_told_in_anothers_event_is_an_end_too(crossing: Crossing, context: Context) -> None:
    """A user who goes takes others along: each of the records counts, whatever the event is called."""
    ada = cuid()
    basket = await crossing.basket(user_id=ada)
    event = ended("User", ada)
    event.type, event.aggregate = "house.purged", "House"

    await follow(crossing, context, event)

    assert await crossing.orders.pool.fetchval("select user_id from baskets where id = $1", basket) is None


async def test_what_many_rows_lose_or_follow_is_told_in_events_of_a_bounded_size(
    crossing: Crossing, context: Context
) -> None:
    ada, on = cuid(), crossing.orders.pool
    many = 2 * ROWS_AT_ONCE + 1
    for table in ("baskets", "letters"):
        await on.fetch(
            f"insert into {table} (id, user_id) select 'c' || to_char(n, 'FM000000000000000000000000'), $1"
            " from generate_series(1, $2::int) n",
            ada,
            many,
        )

    await follow(crossing, context, ended("User", ada))

    for type in ("basket.updated", "letter.deleted"):
        told = await on.fetch("select records from outbox_events where type = $1 order by seq", type)
        assert [len(row["records"]) for row in told] == [ROWS_AT_ONCE, ROWS_AT_ONCE, 1]
        assert len({each["id"] for row in told for each in row["records"]}) == many
