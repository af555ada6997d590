"""The run itself, as `make soak` does it; LUMI_FAULT_SECONDS says for how long there are faults."""

import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from lumi_faults.__main__ import conclude
from lumi_faults.plan import Kind, Plan
from lumi_faults.reckoning import Violation
from lumi_faults.run import Outcome
from lumi_faults.settings import Settings
from lumi_local.settings import CHECKOUT

SECONDS = Settings().fault_seconds
# For the stack to come up, the books to come to rest, and a machine on which all else is slow too.
SECONDS_BESIDE = 480


@pytest.fixture
def soak(tmp_path: Path) -> Iterator[Callable[[], tuple[int, str]]]:
    """Runs the command to its end; its exit code and what it printed."""
    running: list[subprocess.Popen[bytes]] = []
    printed = tmp_path / "printed"

    def start() -> tuple[int, str]:
        with printed.open("wb") as output:
            command = [sys.executable, "-m", "lumi_faults"]
            running.append(subprocess.Popen(command, cwd=CHECKOUT, stdout=output, stderr=output))
        return running[0].wait(), printed.read_text()

    yield start
    for process in running:
        process.terminate()  # after which it takes its stack along
        process.wait()


@pytest.mark.timeout(SECONDS + SECONDS_BESIDE)
def test_nothing_is_lost_and_nothing_is_done_twice(
    soak: Callable[[], tuple[int, str]], record_property: Callable[[str, object], None]
) -> None:
    code, printed = soak()

    print(printed)
    assert code == 0, "a violation: what was printed names it, and the seed to replay it"
    record_property("told", printed.strip().splitlines()[-2])
    rows = json.loads((CHECKOUT / ".lumi" / "soak.json").read_text())
    counts = {(row["about"], row["name"]): row["count"] for row in rows}
    assert counts["violations", "all"] == 0
    assert counts["orders", "placed"] > 0
    planned = Plan.of(counts["run", "seed"], counts["run", "seconds of faults"]).faults
    assert sum(count for (about, _), count in counts.items() if about == "faults") == len(planned)


def test_a_violation_is_named_with_the_seed_that_shows_it_again(tmp_path: Path) -> None:
    printed, file = io.StringIO(), tmp_path / "soak.json"
    lost = Violation("an order is lost", 2, {"order_id": "c1"})
    outcome = Outcome(Plan.of(4711, 90), {"placed": 3}, {(Kind.KILL, "orders"): 1}, 1.0, [lost])

    assert conclude(outcome, file, Console(file=printed, width=200)) == 1

    assert "an order is lost" in printed.getvalue()
    assert "LUMI_SEED=4711 LUMI_FAULT_SECONDS=90 make soak" in printed.getvalue()
    rows = json.loads(file.read_text())
    assert {"about": "violations", "name": lost.says, "count": 2, "sample": {"order_id": "c1"}} in rows


def test_without_a_violation_it_ends_well(tmp_path: Path) -> None:
    outcome = Outcome(Plan.of(1, 90), {"placed": 3}, {(Kind.KILL, "orders"): 1}, 1.0, [])

    assert conclude(outcome, tmp_path / "soak.json", Console(file=io.StringIO())) == 0
