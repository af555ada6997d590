"""Whoever dies, wherever: the shop goes on, and nothing is lost or done twice."""

from collections.abc import AsyncIterator, Callable

import pytest

from lumi_invariants.checker import Finding, books, check
from lumi_local import testing
from tests.crash_points.proof import Outcomes, see
from tests.crash_points.steps import RECORDED_BY_STAFF, SETTLED_AT_ONCE, Crash, Step, crashes
from tests.races.floor import Floor

STEPS = (*SETTLED_AT_ONCE, *RECORDED_BY_STAFF)
# What waits, waits for a second.
QUICK = {"LUMI_RESERVATION_SECONDS": "1", "LUMI_ORDER_EXPIRY_SECONDS": "1", "LUMI_ERASURE_SETTLE_SECONDS": "1"}

# The first test waits for all of it.
pytestmark = pytest.mark.timeout(600)


class Seen:
    """What came of each death, and of the books after them."""

    def __init__(self) -> None:
        self.outcomes: Outcomes = {}
        self.findings: list[Finding] = []


@pytest.fixture(scope="module")
async def seen() -> AsyncIterator[Seen]:
    """All deaths, in a stack of this module's own."""
    seen = Seen()
    with testing.own_environment() as settings:
        settings |= QUICK | {"LUMI_CRASH_AT": f"{settings['LUMI_HOME']}/crash"}
        for payments, steps in (("settle", SETTLED_AT_ONCE), ("record", RECORDED_BY_STAFF)):
            with testing.running_stack(settings | {"LUMI_MANUAL_PAYMENTS": payments}) as stack:
                async with Floor.opened(stack) as floor:
                    seen.outcomes |= await see(crashes(steps), floor)
                async with books(stack.description["postgres"]) as connection:
                    seen.findings += await check(connection)
        yield seen


@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step.scene.name}, {step.name}")
def test_a_step_has_four_points_at_least(step: Step) -> None:
    assert len({point for way in step.ways for point in way}) >= 4


@pytest.mark.parametrize("crash", crashes(STEPS), ids=lambda crash: crash.title)
def test_it_comes_to_its_right_end_after_a_death(seen: Seen, crash: Crash) -> None:
    outcome = seen.outcomes[crash]
    if outcome is not None:
        raise outcome


def test_the_books_are_right_after_all_of_them(seen: Seen, record_property: Callable[[str, str], None]) -> None:
    assert seen.findings
    assert [finding for finding in seen.findings if not finding.holds] == []
    deaths = [crash for crash, outcome in seen.outcomes.items() if outcome is None]
    told = [f"{sum(len(crash.way) for crash in deaths)} deaths by SIGKILL at", *(crash.title for crash in deaths)]
    record_property("told", "\n  ".join(told))
