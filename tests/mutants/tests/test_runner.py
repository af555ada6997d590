"""The runner on a checkout of its own: one package, one test file."""

import io
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from lumi_mutants.__main__ import conclude, run
from lumi_mutants.mutation import Mutation
from lumi_mutants.runner import CopyFails, Verdict

SOURCE = "libs/thing/src/lumi_thing/__init__.py"
TESTS = "tests/test_thing.py"
FILES = {
    "pyproject.toml": "[tool.pytest.ini_options]\naddopts = '--import-mode=importlib'\n",
    "libs/thing/pyproject.toml": "",
    SOURCE: "def double(number):\n    return 2 * number\n\n\ndef half(number):\n    return number / 2\n",
    TESTS: """
import subprocess, sys
from pathlib import Path

import pytest

from lumi_thing import double, half

CHECKOUT = Path(__file__).parents[1]


@pytest.fixture
def four():
    return double(2) + 0 * half(1)


def test_double():
    assert double(21) == 42


def test_of_a_fixture(four):
    assert four == 4


def test_half_is_less():
    assert half(1) < 1


def test_below_in_a_process_too():
    program = "import lumi_thing; print(lumi_thing.__file__, lumi_thing.double(21))"
    told = subprocess.check_output([sys.executable, "-c", program], text=True).split()
    assert Path(told[0]).is_relative_to(CHECKOUT) and told[1] == "42"


def test_that_is_red():
    assert half(1) == 1
""",
}
_DOUBLE, _HALF = "    return 2 * number", "    return number / 2"


def _bug(name: str, new: str, *tests: str, old: str = _DOUBLE) -> Mutation:
    return Mutation(name, SOURCE, old, new, tuple(f"{TESTS}::test_{test}" for test in tests), "It breaks.")


CAUGHT = _bug("caught", "    return 3 * number", "double")
IN_A_PROCESS = _bug("in-a-process", "    return 3 * number", "below_in_a_process_too")
SURVIVES = _bug("survives", "    return number / 3", "half_is_less", old=_HALF)
GONE = _bug("gone", "    return 5", "double", old="    return 4")
NO_PYTHON = _bug("no-python", "    return (", "double")
NO_NAME = _bug("no-name", "    return nothing", "double")
IN_A_FIXTURE = _bug("in-a-fixture", "    raise ValueError", "of_a_fixture", old=_HALF)
ALL = (CAUGHT, IN_A_PROCESS, SURVIVES, GONE, NO_PYTHON, NO_NAME, IN_A_FIXTURE)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("checkout"))


def make(folder: Path) -> Path:
    for name, text in FILES.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    return folder


@pytest.fixture(scope="module")
def verdicts(checkout: Path) -> dict[str, Verdict]:
    return {verdict.mutation.name: verdict for verdict in plant(checkout, ALL)}


def plant(checkout: Path, mutations: Sequence[Mutation]) -> list[Verdict]:
    return run(checkout, mutations, Console(quiet=True))


def test_a_bug_that_a_test_sees_is_caught_by_that_test(verdicts: dict[str, Verdict]):
    caught = verdicts["caught"]
    assert caught.caught
    assert (caught.by, caught.why) == (f"{TESTS}::test_double", "AssertionError: assert 63 == 42")


def test_a_process_that_a_test_starts_has_the_bug_too(verdicts: dict[str, Verdict]):
    assert verdicts["in-a-process"].caught


def test_a_bug_that_no_test_sees_has_survived(verdicts: dict[str, Verdict]):
    assert (verdicts["survives"].caught, verdicts["survives"].why) == (False, "survived 1 tests")


def test_a_bug_whose_lines_are_gone_is_an_error(verdicts: dict[str, Verdict]):
    assert not verdicts["gone"].caught
    assert verdicts["gone"].why.startswith("no longer applies")


@pytest.mark.parametrize("name", ["no-python", "no-name", "in-a-fixture"])
def test_sources_that_hang_together_no_more_are_no_catch(verdicts: dict[str, Verdict], name: str):
    assert not verdicts[name].caught
    assert verdicts[name].why.startswith("broken instead of wrong")


def test_the_checkout_itself_stays_as_it_was(checkout: Path, verdicts: dict[str, Verdict]):
    assert (checkout / SOURCE).read_text() == FILES[SOURCE]


def test_bugs_are_not_planted_where_the_tests_fail_without_them(checkout: Path):
    with pytest.raises(CopyFails, match="test_that_is_red"):
        plant(checkout, [_bug("red", "    return 3 * number", "that_is_red")])


def test_a_test_that_is_not_there_is_an_error(checkout: Path):
    with pytest.raises(CopyFails, match="test_of_nothing"):
        plant(checkout, [_bug("unknown", "    return 3 * number", "of_nothing")])


def test_a_run_that_imports_anything_from_elsewhere_is_refused(tmp_path: Path):
    checkout = make(tmp_path)
    # A package that the copy holds as a folder without sources, so that Python finds the installed one.
    (checkout / "libs/thing/src/lumi_common").mkdir()
    (checkout / "libs/thing/src/lumi_common/notes.txt").touch()
    with pytest.raises(CopyFails, match="imported from outside of the copy"):
        plant(checkout, [CAUGHT])


@pytest.mark.parametrize(("caught", "code"), [(True, 0), (False, 1)])
def test_one_that_was_not_caught_is_shown_kept_and_fails_the_run(tmp_path: Path, caught: bool, code: int):
    verdicts = [Verdict(CAUGHT, True, 1.234, "test_double"), Verdict(SURVIVES, caught, 2.0, why="survived 1 tests")]
    console = Console(width=170, record=True, file=io.StringIO())

    assert conclude(verdicts, tmp_path / "home" / "mutants.json", console) == code

    shown = console.export_text()
    assert "test_double" in shown and f"{1 + caught} of 2" in shown
    assert json.loads((tmp_path / "home" / "mutants.json").read_text()) == [
        {"mutant": "caught", "file": SOURCE, "caught": True, "seconds": 1.2, "tests": [f"{TESTS}::test_double"]},
        {
            "mutant": "survives",
            "file": SOURCE,
            "caught": caught,
            "seconds": 2.0,
            "tests": [f"{TESTS}::test_half_is_less"],
        },
    ]
