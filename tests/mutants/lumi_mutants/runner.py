"""Planting the bugs one after the other, and looking whether the tests catch them."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lumi_mutants.mutation import DoesNotApply, Mutation
from lumi_mutants.plugin import Told
from lumi_mutants.sources import environment

MOST_SECONDS = 600.0


class CopyFails(Exception):
    """The tests do not pass on the unchanged copy: nothing could be learnt from their failing."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a planted bug; `by` is the test that caught it, `why` its error, or why it was not caught."""

    mutation: Mutation
    caught: bool
    seconds: float
    by: str = ""
    why: str = ""


def check_unchanged(copy: Path, mutations: Sequence[Mutation]) -> int:
    """Run every test that is named, without any bug; how many there were. Raises CopyFails."""
    tests = list(dict.fromkeys(test for mutation in mutations for test in mutation.tests))
    told, output = _run(copy, tests, stop_at_first=False)
    if told is None:
        raise CopyFails(f"the tests cannot be run on the unchanged copy:\n{output}")
    wrong = [f"{test}: {error}" for test, error in told.failed] + told.broken
    if wrong or told.passed < len(tests):
        what = "\n".join(wrong) or output.strip()
        raise CopyFails(f"the unchanged copy does not pass the tests that are to catch the bugs:\n{what}")
    return told.collected


def plant_all(copy: Path, mutations: Sequence[Mutation], done: Callable[[Verdict], None]) -> list[Verdict]:
    """The verdict on each bug; `done` hears of each as it is known."""
    verdicts = []
    for mutation in mutations:
        verdicts.append(plant(copy, mutation))
        done(verdicts[-1])
    return verdicts


def plant(copy: Path, mutation: Mutation) -> Verdict:
    """Put the bug into the copy, run its tests, and put the file back as it was."""
    file, started = copy / mutation.file, time.monotonic()
    before = file.read_text(encoding="utf-8") if file.is_file() else ""
    try:
        file_with_bug = mutation.applied(before)
    except DoesNotApply as error:
        return Verdict(mutation, False, 0.0, why=f"no longer applies: {error}")
    file.write_text(file_with_bug, encoding="utf-8")
    try:
        told, output = _run(copy, mutation.tests, stop_at_first=True)
    finally:
        file.write_text(before, encoding="utf-8")
    seconds = time.monotonic() - started
    if told is None:
        return Verdict(mutation, False, seconds, why=f"the tests could not be run: {output[-500:]}")
    if told.failed:
        return Verdict(mutation, True, seconds, *told.failed[0])
    if told.broken:
        return Verdict(mutation, False, seconds, why=f"broken instead of wrong: {told.broken[0]}")
    return Verdict(mutation, False, seconds, why=f"survived {told.passed} tests")


def _run(copy: Path, tests: Sequence[str], *, stop_at_first: bool) -> tuple[Told | None, str]:
    """What became of the tests on the copy, None when they could not be run; and what pytest had to say."""
    file = copy / ".told.json"
    file.unlink(missing_ok=True)
    options = ["-q", "-p", "no:cacheprovider", "-p", "lumi_mutants.plugin", f"--copy={copy}", f"--told={file}"]
    command = [sys.executable, "-m", "pytest", *options, *(["-x"] if stop_at_first else []), *tests]
    run = subprocess.Popen(
        command, cwd=copy, env=environment(copy), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        output, _ = run.communicate(timeout=MOST_SECONDS)
    except subprocess.TimeoutExpired:
        return None, f"no end within {MOST_SECONDS:g} s"
    finally:
        run.kill()
        run.wait()
    if not file.exists():
        return None, output
    told = json.loads(file.read_text())
    return Told(told["collected"], told["passed"], [tuple(each) for each in told["failed"]], told["broken"]), output
