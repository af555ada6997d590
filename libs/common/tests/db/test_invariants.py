"""What must be true of a schema, looked at in one snapshot that changes nothing."""

import asyncio

import asyncpg
import pytest

from libs.common.tests.db.widgets import metadata
from lumi_common.db import invariants
from lumi_common.db.database import Database
from lumi_common.db.invariants import Finding, Invariant, Invariants, of_every_schema
from lumi_common.rpc.operations import finding_to_proto
from tests.kit.waiting import until

_UNNAMED = Invariant(
    "W1", "C", "orders", "widgets have a name", "select id as widget_id, name from widgets where name = ''"
)
_PRICES = Invariant(
    "W2",
    "Q",
    "orders",
    "nothing is dear",
    "select id as widget_id, null as other_id, price from widgets where price > 9",
)


async def put(database: Database, id: str, name: str, price: int = 1) -> None:
    await database.pool.execute("insert into widgets (id, name, price) values ($1, $2, $3)", id, name, price)


async def test_each_is_told_with_the_rows_that_break_it(database: Database) -> None:
    for n in range(12):
        await put(database, f"w{n:02}", f"n{n}", price=n)

    named, dear = await Invariants(database, (_UNNAMED, _PRICES)).look()

    assert named == Finding("W1", 0) and named.holds
    assert dear.rows == 2 and not dear.holds
    assert [row["widget_id"] for row in dear.sample] == ["w10", "w11"]
    assert dear.sample[0] == {"widget_id": "w10", "other_id": None, "price": 10}


async def test_of_many_rows_some_are_shown(database: Database) -> None:
    for n in range(15):
        await put(database, f"w{n:02}", f"n{n}", price=10)

    (dear,) = await Invariants(database, (_PRICES,)).look()

    assert dear.rows == 15 and len(dear.sample) == invariants.SAMPLE


async def test_the_operator_is_told_ids_and_no_values(database: Database) -> None:
    await put(database, "w1", "dear", price=10)
    own = Invariants(database, (_UNNAMED, _PRICES))

    named, dear = map(finding_to_proto, own.all, await own.look())

    assert (named.id, named.rule, named.eventual, named.row_count) == ("W1", "widgets have a name", False, 0)
    assert (dear.id, dear.eventual, dear.timed_out, dear.row_count) == ("W2", True, False, 1)
    assert [[(each.name, each.id) for each in row.ids] for row in dear.sample] == [[("widget_id", "w1")]]


async def test_nothing_can_be_changed_and_all_see_one_snapshot(database: Database) -> None:
    meddling = Invariant("W4", "C", "orders", "", "select nextval('outbox_events_seq_seq') as n")
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await Invariants(database, (meddling,)).look()

    await put(database, "w1", "one")
    counting = Invariant("W3", "C", "orders", "", "select 1 as n from widgets")
    slow = Invariant("W5", "C", "orders", "", "select pg_sleep(0.3)::text as slept from widgets")
    looking = asyncio.create_task(Invariants(database, (slow, counting)).look())

    async def is_looking() -> bool:
        query = "select count(*) from pg_stat_activity where query like '%pg_sleep(0.3)%' and pid <> pg_backend_pid()"
        return bool(await database.pool.fetchval(query))

    await until(is_looking, "the first query runs, so the snapshot is taken")
    await put(database, "w2", "two")
    assert [each.rows for each in await looking] == [1, 1]


async def test_one_that_takes_too_long_takes_no_other_with_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invariants, "STATEMENT_SECONDS", 0.05)
    endless = Invariant("W6", "C", "orders", "", "select pg_sleep(60)::text as slept")
    own = Invariants(database, (endless, _UNNAMED))

    assert await own.look() == [Finding("W6", None), Finding("W1", 0)]
    assert [finding_to_proto(*each).timed_out for each in zip(own.all, await own.look(), strict=True)] == [True, False]
    await own.watch()
    assert own.broken == {"W1": 0}
    assert await database.pool.fetchval("show statement_timeout") == "0"


async def test_the_gauge_has_what_was_seen_last_and_nothing_stale(database: Database) -> None:
    brittle = Invariant("W8", "C", "orders", "", "select id as widget_id from widgets where 1 / (price - 9) > 0")
    own = Invariants(database, (brittle,))
    assert own.broken == {}
    await put(database, "w1", "dear", price=10)
    await own.watch()
    assert own.broken == {"W8": 1}

    await put(database, "w2", "odd", price=9)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await own.watch()
    assert own.broken == {}


async def test_one_look_at_a_time(database: Database) -> None:
    query = "select 1 as n from (select pg_try_advisory_xact_lock(7) as alone, pg_sleep(0.05)) looked where not alone"
    alone = Invariant("W7", "C", "orders", "", query)
    own = Invariants(database, (alone,))
    assert [each.rows for (each,) in await asyncio.gather(*(own.look() for _ in range(4)))] == [0, 0, 0, 0]


async def test_what_every_schema_keeps_is_asked_of_its_own_tables(database: Database) -> None:
    own = Invariants(database, of_every_schema(metadata))
    assert [each.holds for each in await own.look()] == [True, True]

    await database.pool.execute(
        "insert into outbox_events (aggregate, aggregate_id, version, type, records, headers, created_at) values "
        "('Widget', 'old', 1, 'widget.made', '[]', '{}', now() - interval '2 minutes'), "
        "('Widget', 'young', 1, 'widget.made', '[]', '{}', now()), "
        "('Widget', 'parked', 1, 'widget.made', '[]', '{}', now() - interval '2 minutes')"
    )
    await database.pool.execute(
        "insert into inbox_versions (consumer, aggregate, aggregate_id, version, parked) "
        "values ('relay', 'Widget', 'parked', 0, true)"
    )
    await database.pool.execute(
        "insert into request_ids (principal, method, request_id, request_hash, expires_at) "
        "values ('user:ada', 'M', 'unanswered', sha256('x'), now()), ('closed', 'M', 'a mark', '', now())"
    )
    undelivered, unanswered = await own.look()
    assert [row["aggregate_id"] for row in undelivered.sample] == ["old"]
    assert [row["request_id"] for row in unanswered.sample] == ["unanswered"]
