"""Each invariant finds what breaks it, and nothing in books that are sound."""

import asyncio
from typing import Any

import asyncpg
import pytest

from lumi_common.events.streams import DURABLES
from lumi_invariants.across import HEARD, declared
from lumi_invariants.checker import Finding, ask, books, check
from lumi_invariants.law import LAW, NOT_YET, of
from tests.invariants.tests.planted import PLANTED

_COUNTS = {"S": 5, "O": 7, "M": 7, "K": 3, "I": 4, "X": 6}
EVERY = {f"{group}{number}" for group, count in _COUNTS.items() for number in range(1, count + 1)}
CONSUMERS = {"identity-audit", *HEARD}


def test_every_invariant_is_asked_or_says_why_not() -> None:
    assert LAW.keys() | NOT_YET.keys() == EVERY
    assert not LAW.keys() & NOT_YET.keys()
    assert {each.id: each.kind for each in LAW.values() if each.kind == "C"}.keys() == {
        *("S1", "S2", "S4", "O2", "O3", "O5", "O6", "M1", "M2", "M6", "M7", "K1", "K2", "I1", "I4", "X2", "X5")
    }


def test_every_invariant_has_something_planted() -> None:
    assert {id for id, _, _ in PLANTED} == LAW.keys()


def test_what_a_new_consumer_hears_is_said_here() -> None:
    assert {durable.name for durable in DURABLES} == CONSUMERS


def test_every_declared_reference_is_in_one_of_the_queries() -> None:
    asked = LAW["X1"].query + LAW["X2"].query
    assert all(f"'{column.table.fullname}.{column.name}'" in asked for column, _ in declared())


@pytest.mark.parametrize("schema", ["catalogue", "orders", "payments", "marketing", "identity"])
def test_what_is_true_in_one_schemas_snapshot_asks_no_other(schema: str) -> None:
    others = {"catalogue", "orders", "payments", "marketing", "identity"} - {schema}
    for each in of(schema):
        assert not [other for other in others if f" {other}." in each.query], each.id


def test_a_day_in_the_shop_breaks_nothing(day: tuple[str, list[Finding]]) -> None:
    _, findings = day
    assert [finding.id for finding in findings] == list(LAW)
    assert [finding for finding in findings if not finding.holds] == []


async def test_what_needs_rest_is_given_time(day: tuple[str, list[Finding]]) -> None:
    dsn, _ = day
    async with books(dsn) as auditor, asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool:
        seq = await pool.fetchval("update orders.outbox_events set published_at = null where seq = 1 returning seq")
        (hurried,) = await check(auditor, [LAW["X4"]], patience=0)

        patient = asyncio.create_task(check(auditor, [LAW["X4"]], patience=20))
        await asyncio.sleep(0.3)
        assert not patient.done()
        await pool.execute("update orders.outbox_events set published_at = now() where seq = $1", seq)

        assert not hurried.holds and (await patient)[0].holds


async def test_the_day_had_everything_that_can_break(sound: Any) -> None:
    statuses = await sound.fetch("select distinct status::text from orders.orders order by 1")
    assert [row["status"] for row in statuses] == ["CANCELLED", "DELIVERED", "PAID"]
    assert await sound.fetchval("select count(*) from payments.payment_refunds") == 2
    assert [await ask(sound, each) for each in LAW.values()] == [Finding(id, 0, None) for id in LAW]


@pytest.mark.parametrize(("id", "what", "plant"), PLANTED, ids=lambda value: value if isinstance(value, str) else "")
async def test_what_is_planted_is_found(sound: Any, id: str, what: str, plant: tuple[str, ...]) -> None:
    for statement in plant:
        done = await sound.execute(statement)
        assert not done.endswith(" 0"), f"{what}: nothing was planted by {statement}"

    found = await ask(sound, LAW[id])

    assert found.rows > 0 and found.sample


_UNHEARD = "delete from identity.inbox_events where event_id = (select id from orders.outbox_events where seq = 1)"
_EVENT = "from orders.outbox_events where seq = 1"


@pytest.mark.parametrize(
    "aside",
    [
        "insert into identity.dead_letters (id, consumer, event_id, subject, payload, error, attempts) "
        f"select 'letter', 'identity-audit', id::text, '', '', '', 5 {_EVENT}",
        f"insert into orders.inbox_events (consumer, event_id) select 'relay', id {_EVENT}",
    ],
    ids=["dead letter", "skipped"],
)
async def test_what_was_set_aside_is_not_lost(sound: Any, aside: str) -> None:
    assert await sound.execute(_UNHEARD) == "DELETE 1"
    assert (await ask(sound, LAW["X4"])).rows == 1

    await sound.execute(aside)

    assert (await ask(sound, LAW["X4"])).rows == 0


async def test_what_waits_behind_a_letter_of_the_relay_is_not_lost(sound: Any) -> None:
    await sound.execute("update orders.outbox_events set published_at = null where seq = 1")
    assert (await ask(sound, LAW["X4"])).rows == 1

    await sound.execute(
        "insert into orders.inbox_versions (consumer, aggregate, aggregate_id, version, parked) "
        f"select 'relay', aggregate, aggregate_id, 0, true {_EVENT}"
    )

    assert (await ask(sound, LAW["X4"])).rows == 0
