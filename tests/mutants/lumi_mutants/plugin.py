"""A pytest plugin for runs on a copy: `-p lumi_mutants.plugin --copy=FOLDER --told=FILE`.

It refuses a run that imports our code from anywhere else, in this process or below it, and tells in a JSON file what
became of the tests.
"""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Generator, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest

from lumi_mutants.sources import packages

# A bug of the kind that is planted breaks no name: these say that the sources hang together no more.
_NO_CATCH = (ImportError, NameError, SyntaxError)
_ELSEWHERE = "imported from outside of the copy"
_MODULES = """
import importlib.util, sys
for name in sys.argv[1:]:
    spec = importlib.util.find_spec(name)
    print(spec.origin or next(iter(spec.submodule_search_locations)))
"""


@dataclass(slots=True)
class Told:
    """How many tests were found and passed; `failed` are those whose own code did, each with its error.

    `broken` are failures that prove nothing: while collecting, in a fixture, for want of a name.
    """

    collected: int = 0
    passed: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("mutants")
    group.addoption("--copy", type=Path, help="the copy of the sources that must be imported")
    group.addoption("--told", type=Path, help="where to tell what became of the tests")


def pytest_configure(config: pytest.Config) -> None:
    copy = config.getoption("--copy").resolve()
    names = list(packages(copy))
    _refuse_others(copy, map(_place, names))
    # A child of the run must find the copy too: tests start services and commands.
    child = subprocess.run([sys.executable, "-c", _MODULES, *names], check=True, capture_output=True, text=True)
    _refuse_others(copy, child.stdout.splitlines())
    config.pluginmanager.register(_Teller(copy, names, config.getoption("--told")))


class _Teller:
    def __init__(self, copy: Path, names: list[str], file: Path) -> None:
        self._copy, self._names, self._file = copy, set(names), file
        self._told = Told()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._told.collected = len(session.items)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._told.broken.append(f"{report.nodeid} cannot be collected: {_last_line(report.longreprtext)}")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if report.passed and call.when == "call":
            self._told.passed += 1
        elif report.failed and call.excinfo is not None:
            error = f"{call.excinfo.typename}: {_first_line(call.excinfo.value)}"
            if call.when == "call" and not isinstance(call.excinfo.value, _NO_CATCH):
                self._told.failed.append((item.nodeid, error))
            else:
                self._told.broken.append(f"{item.nodeid} broke in its {call.when}: {error}")
        return report

    def pytest_sessionfinish(self) -> None:
        ours = [
            module for name, module in list(sys.modules.items()) if name.partition(".")[0] in self._names and module
        ]
        _refuse_others(self._copy, (str(module.__file__) for module in ours if getattr(module, "__file__", None)))
        self._file.write_text(json.dumps(asdict(self._told)))


def _place(package: str) -> str:
    """Where a package would be imported from."""
    spec = importlib.util.find_spec(package)
    assert spec is not None, f"{package} is nowhere to be found"
    return spec.origin or next(iter(spec.submodule_search_locations or ()))


def _refuse_others(copy: Path, places: Iterable[str]) -> None:
    outside = [place for place in places if not Path(place).resolve().is_relative_to(copy)]
    if outside:
        raise pytest.UsageError(f"{_ELSEWHERE}: {', '.join(outside)}")


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "")


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]
