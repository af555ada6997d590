"""Each invariant finds what breaks it, and nothing in books that are sound."""

import asyncio
import re
from typing import Any

import asyncpg
import pytest

from lumi_common.db.invariants import Finding, Invariant, ask
from lumi_common.db.references import heard
from lumi_common.events.streams import CONTEXTS, DURABLES
from lumi_invariants.across import HEARD, declared
from lumi_invariants.checker import books, check, together
from lumi_invariants.law import LAW, NOTES, OWN
from tests.invariants.tests.planted import PLANTED

_COUNTS = {"S": 5, "O": 7, "M": 7, "K": 3, "I": 4, "X": 6}
EVERY = {f"{group}{number}" for group, count in _COUNTS.items() for number in range(1, count + 1)}
CONSUMERS = {
    *("identity-audit", "payments-retention", *HEARD),
    *(f"{context}-references" for context in CONTEXTS if heard(context)),
}


async def found(sound: Any, id: str) -> Finding:
    """What its parts say of the books as they are now."""
    return together(id, [await ask(sound, part) for part in LAW[id]])


def test_every_invariant_is_asked_or_says_why_not() -> None:
    assert LAW.keys() == EVERY
    assert NOTES.keys() <= EVERY
    assert {id for id, parts in LAW.items() if all(part.kind == "C" for part in parts)} == {
        *("S1", "S2", "S4", "O2", "O3", "O5", "O6", "M1", "M2", "M6", "M7", "K1", "K2", "I1", "I3", "I4", "X2", "X5")
    }


def test_every_invariant_has_something_planted() -> None:
    assert {id for id, _, _ in PLANTED} == LAW.keys()


def test_what_a_new_consumer_hears_is_said_here() -> None:
    assert {durable.name for durable in DURABLES} == CONSUMERS


def test_every_declared_reference_is_in_one_of_the_queries() -> None:
    asked = "".join(part.query for id in ("X1", "X2") for part in LAW[id])
    assert all(f"'{column.table.fullname}.{column.name}'" in asked for column, _ in declared())


@pytest.mark.parametrize("part", OWN, ids=lambda part: f"{part.schema} {part.id}")
def test_what_a_service_says_of_its_own_schema_asks_no_other(part: Invariant) -> None:
    assert f"{part.schema}." in part.query
    names = re.sub("'[^']*'", "", part.query)
    assert not [other for other in set(CONTEXTS) - {part.schema} if re.search(rf"\b{other}\.", names)]


def test_what_every_schema_must_keep_is_asked_of_each() -> None:
    assert {part.schema for part in LAW["X5"]} == set(CONTEXTS) == {part.schema for part in LAW["X4"]} - {""}


def test_a_day_in_the_shop_breaks_nothing(day: tuple[str, list[Finding]]) -> None:
    _, findings = day
    assert [finding.id for finding in findings] == list(LAW)
    assert [finding for finding in findings if not finding.holds] == []


async def test_what_needs_rest_is_given_time(day: tuple[str, list[Finding]]) -> None:
    dsn, _ = day
    async with books(dsn) as auditor, asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool:
        seq = await pool.fetchval("update orders.outbox_events set published_at = null where seq = 1 returning seq")
        (hurried,) = await check(auditor, ["X4"], patience=0)

        patient = asyncio.create_task(check(auditor, ["X4"], patience=20))
        await asyncio.sleep(0.3)
        assert not patient.done()
        await pool.execute("update orders.outbox_events set published_at = now() where seq = $1", seq)

        assert not hurried.holds and (await patient)[0].holds


async def test_the_day_had_everything_that_can_break(sound: Any) -> None:
    statuses = await sound.fetch("select distinct status::text from orders.orders order by 1")
    assert [row["status"] for row in statuses] == ["CANCELLED", "DELIVERED", "PAID"]
    assert await sound.fetchval("select count(*) from payments.payment_refunds") == 2
    assert [await found(sound, id) for id in LAW] == [Finding(id, 0) for id in LAW]


@pytest.mark.parametrize(("id", "what", "plant"), PLANTED, ids=lambda value: value if isinstance(value, str) else "")
async def test_what_is_planted_is_found(sound: Any, id: str, what: str, plant: tuple[str, ...]) -> None:
    for statement in plant:
        done = await sound.execute(statement)
        assert not done.endswith(" 0"), f"{what}: nothing was planted by {statement}"

    finding = await found(sound, id)

    assert finding.rows and finding.sample


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
    assert (await found(sound, "X4")).rows == 1

    await sound.execute(aside)

    assert (await found(sound, "X4")).rows == 0


async def test_what_waits_behind_a_letter_of_the_relay_is_not_lost(sound: Any) -> None:
    await sound.execute("update orders.outbox_events set published_at = null where seq = 1")
    assert (await found(sound, "X4")).rows == 1

    await sound.execute(
        "insert into orders.inbox_versions (consumer, aggregate, aggregate_id, version, parked) "
        f"select 'relay', aggregate, aggregate_id, 0, true {_EVENT}"
    )

    assert (await found(sound, "X4")).rows == 0
