"""docs/security.md names every requirement of the standard, and nothing that is not there."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")
# How many of each section are of the levels 1 and 2, in OWASP ASVS 5.0.0: in every one of them they are the first ones.
SECTIONS = """
1.1:2 1.2:9 1.3:11 1.4:3 1.5:2 2.1:3 2.2:3 2.3:4 2.4:1 3.2:2 3.3:4 3.4:6 3.5:5 3.7:2 4.1:3 4.2:1 4.3:2 4.4:4
5.1:1 5.2:3 5.3:2 5.4:3 6.1:3 6.2:12 6.3:4 6.4:4 6.5:5 6.6:3 6.8:4 7.1:3 7.2:4 7.3:2 7.4:5 7.5:2 7.6:2 8.1:2
8.2:3 8.3:1 8.4:1 9.1:3 9.2:4 10.1:2 10.2:2 10.3:4 10.4:11 10.5:5 10.6:2 10.7:3 11.1:2 11.2:3 11.3:3 11.4:4
11.5:1 11.6:1 12.1:3 12.2:2 12.3:4 13.1:1 13.2:5 13.3:2 13.4:5 14.1:2 14.2:4 14.3:3 15.1:3 15.2:3 15.3:7
16.1:1 16.2:5 16.3:4 16.4:3 16.5:3 17.1:1 17.2:4 17.3:2
"""
REQUIREMENTS = [
    f"{section}.{number + 1}"
    for section, _, count in (each.partition(":") for each in SECTIONS.split())
    for number in range(int(count))
]

_ID = r"\d+\.\d+\.\d+"
_IDS = re.compile(rf"({_ID})(?:–({_ID}))?")
_ROW = re.compile(r"^\| (?P<ids>\d[^|]*) \| (?P<asks>[^|]+) \| (?P<kept>[^|]+) \|$", re.MULTILINE)
_TEST = re.compile(r"`([\w/]+\.py)(?:::(\w+))?`")
_SETTING = re.compile(r"`(LUMI_[A-Z_]+)")
_LINK = re.compile(r"\]\(([^)]+)\)")


def named(text: str) -> Iterator[str]:
    """The requirements of a text, each `1.2.3` or one of `1.2.3–1.2.5`."""
    for first, last in _IDS.findall(text):
        section, _, start = first.rpartition(".")
        end = (last or first).rpartition(".")[2]
        yield from (f"{section}.{number}" for number in range(int(start), int(end) + 1))


@cache
def functions_of(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in tree.body if isinstance(node, functions) and node.name.startswith("test_"))


@cache
def sources() -> str:
    """All code that reads settings."""
    folders = ("libs/common/src", "services", "deploy")
    files = [file for folder in folders for file in (ROOT / folder).rglob("settings.py")]
    assert len(files) > 6
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def test_there_are_as_many_requirements_as_in_the_standard() -> None:
    assert len(REQUIREMENTS) == 253


def test_every_requirement_has_one_row() -> None:
    counted = Counter(id for line in _ROW.finditer(PAGE) for id in named(line["ids"]))
    webrtc = re.search(r"^17\.1\.1.*: there is none\.$", PAGE, re.MULTILINE)
    assert webrtc is not None
    counted.update(named(webrtc[0]))

    assert [id for id in REQUIREMENTS if id not in counted] == []
    assert sorted(counted.keys() - set(REQUIREMENTS)) == []
    assert [id for id, times in counted.items() if times > 1] == []


def test_every_row_says_what_it_asks_for_and_how_it_is_kept() -> None:
    rows = list(_ROW.finditer(PAGE))
    assert len(rows) == len([line for line in PAGE.splitlines() if re.match(rf"\| {_ID}", line)])
    for row in rows:
        assert len(row["asks"].strip()) > 2, row[0]
        assert len(row["kept"].strip()) > 2, row[0]


@pytest.mark.parametrize(("file", "name"), sorted(set(_TEST.findall(PAGE))))
def test_a_test_that_it_names_is_there(file: str, name: str) -> None:
    assert name in functions_of(file)


@pytest.mark.parametrize("setting", sorted(set(_SETTING.findall(PAGE))))
def test_a_setting_that_it_names_is_there(setting: str) -> None:
    name = setting.removeprefix("LUMI_").lower()
    assert re.search(rf"^    {name}: |\b{setting}\b", sources(), re.MULTILINE), setting


def test_every_link_leads_somewhere() -> None:
    for target in _LINK.findall(PAGE):
        path, _, anchor = target.partition("#")
        text = (ROOT / "docs" / path).read_text(encoding="utf-8")
        headings = {
            re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-")
            for line in text.splitlines()
            if line.startswith("#")
        }
        assert not anchor or anchor in headings, target


def test_what_is_not_there_would_be_found() -> None:
    assert list(named("1.2.9–1.2.11, 3.4.5")) == ["1.2.9", "1.2.10", "1.2.11", "3.4.5"]
    assert "test_nothing_of_the_kind" not in functions_of("tests/scan/test_security_page.py")
