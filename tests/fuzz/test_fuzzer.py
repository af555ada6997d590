"""Random messages to every method: whatever they are told, it is a refusal that is declared, and the books stay right.

LUMI_FUZZ_MESSAGES says how many, LUMI_SEED which. Those of clients come first, and then all invariants must hold; those
between services, which believe each other, may then put orders and stock at odds, but nothing within one schema.
"""

import asyncio
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lumi_common.db.invariants import look
from lumi_common.db.page import Listing
from lumi_envoy.contract import all_methods
from lumi_invariants.checker import Finding, books, check
from lumi_invariants.law import OWN
from tests.fuzz.fuzzer import Fuzzer, Outcome, targets
from tests.kit.shop import Shop
from tests.kit.waiting import until

MESSAGES = int(os.environ.get("LUMI_FUZZ_MESSAGES", "20000"))
SEED = int(os.environ.get("LUMI_SEED", secrets.randbelow(10**6)))
OUTSIDE, INSIDE = targets(inside=False), targets(inside=True)
VALID = 0.3
MOST_MEGABYTES = 150
# What a service does besides calls comes and goes: sweepers, refreshers, a connection that is made again.
MORE_TASKS = 30

# All of it is waited for by the first test.
pytestmark = pytest.mark.timeout(300 + MESSAGES / 50)


@dataclass
class Seen:
    """What came of all messages, and of the shop under them."""

    outside: Outcome
    inside: Outcome
    findings: list[Finding]
    own: list[Finding]
    megabytes: float
    tasks: int


@pytest.fixture(scope="module")
async def seen(fuzzed: Shop, fuzzer: Fuzzer) -> Seen:
    warm = len(OUTSIDE) * 5
    await fuzzer.run(OUTSIDE, warm, SEED)
    tasks, megabytes = len(asyncio.all_tasks()), _megabytes()
    outwards = MESSAGES * len(OUTSIDE) // (len(OUTSIDE) + len(INSIDE))
    outside = await fuzzer.run(OUTSIDE, outwards, SEED, first=warm)
    async with books(fuzzed.postgres.dsn_superuser) as connection:
        findings = await check(connection)
        inside = await fuzzer.run(INSIDE, MESSAGES - outwards, SEED, first=warm + outwards)
        own = await look(connection, [each for each in OWN if each.kind == "C"])
    return Seen(outside, inside, findings, own, _megabytes() - megabytes, len(asyncio.all_tasks()) - tasks)


def _megabytes() -> float:
    """What this process holds, with all five services in it."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def test_nothing_is_told_that_none_may_be_told(seen: Seen, record_property: Callable[[str, str], None]) -> None:
    assert not seen.outside.faults, seen.outside.complaint()
    assert not seen.inside.faults, seen.inside.complaint()
    record_property("told", f"\n  from outside, {seen.outside}\n  between services, {seen.inside}")


def test_every_method_was_sent_its_share_and_enough_of_it_was_valid(seen: Seen) -> None:
    sent, valid = seen.outside.sent + seen.inside.sent, seen.outside.valid + seen.inside.valid

    assert sent.keys() == {method.full_name for method in all_methods()}
    assert sent.total() == MESSAGES
    assert valid.total() >= VALID * MESSAGES
    assert {name: f"{valid[name]} of {sent[name]}" for name in sent if valid[name] < sent[name] / 20} == {}


def test_what_is_valid_came_to_something(seen: Seen) -> None:
    assert len(seen.outside.answered) > len(OUTSIDE) / 2
    assert len(seen.inside.answered) > len(INSIDE) / 3
    assert {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "ALREADY_EXISTS", "PERMISSION_DENIED",
            "UNAUTHENTICATED", "ABORTED"} <= seen.outside.codes.keys()  # fmt: skip


def test_the_books_are_right(seen: Seen) -> None:
    assert len(seen.findings) > 20 and len(seen.own) > 20
    assert [finding for finding in (*seen.findings, *seen.own) if not finding.holds] == []


async def test_everybody_is_alive_and_nothing_was_left_running(fuzzed: Shop, fuzzer: Fuzzer, seen: Seen) -> None:
    again = await fuzzer.run(OUTSIDE, len(OUTSIDE), SEED)

    assert not again.faults, again.complaint()
    assert {name.split(".")[1] for name in again.answered} == fuzzed.runtimes.keys()
    assert seen.tasks < MORE_TASKS
    assert seen.megabytes < MOST_MEGABYTES + MESSAGES / 1000

    async def at_rest() -> bool:
        return not any(runtime.server.limits.in_flight for runtime in fuzzed.runtimes.values())

    await until(at_rest, "no call is under way")


async def test_a_fault_at_a_rare_value_is_found_and_can_be_sent_again(
    fuzzer: Fuzzer, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists = [each for each in OUTSIDE if each.name.endswith("CategoryService.ListCategories")]
    page = Listing.page

    async def failing(self: Listing, *arguments: Any, size: int, **facts: Any) -> Any:
        return await page(self, *arguments, size=size if size != 1000 else {}[size], **facts)

    with monkeypatch.context() as patch:
        patch.setattr(Listing, "page", failing)
        outcome = await fuzzer.run(lists, 400, 4711)
        assert outcome.faults
        assert {shot.told for shot in outcome.faults} == {"INTERNAL"}
        assert "KeyError: 1000" in outcome.complaint()
        line = str(outcome.faults[0])
        assert await fuzzer.replay(line) == "INTERNAL"
    assert await fuzzer.replay(line) == "OK"
