"""What is planted is held to the sources as they are, without planting it."""

import ast

import pytest

from lumi_local.settings import CHECKOUT
from lumi_mutants.mutation import DoesNotApply, Mutation
from lumi_mutants.planted import PLANTED

LEAST = 18


def test_there_are_enough_bugs_of_different_names():
    assert len({mutation.name for mutation in PLANTED}) == len(PLANTED) >= LEAST


@pytest.mark.parametrize("mutation", PLANTED, ids=lambda mutation: mutation.name)
def test_a_bug_applies_once_leaves_python_and_names_tests_that_there_are(mutation: Mutation):
    text = (CHECKOUT / mutation.file).read_text(encoding="utf-8")

    changed = mutation.applied(text)

    assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(text))
    assert mutation.tests
    for test in mutation.tests:
        file, _, name = test.partition("::")
        assert f"def {name}(" in (CHECKOUT / file).read_text(encoding="utf-8"), test


@pytest.mark.parametrize(
    ("text", "times"),
    [("one\nthree\n", 0), ("two\none\ntwo\n", 2), ("two and more\n", 0), ("  two\n", 0)],
)
def test_lines_that_are_not_there_once_and_whole_are_an_error(text: str, times: int):
    with pytest.raises(DoesNotApply, match=f"{times} times"):
        Mutation("m", "file.py", "two", "zwei", (), "").applied(text)


def test_lines_are_replaced_wherever_in_the_file_they_stand():
    mutation = Mutation("m", "file.py", "a\nb", "c", (), "")
    assert [mutation.applied(text) for text in ("a\nb\n", "x\na\nb\n", "a\nb\nx\n")] == ["c\n", "x\nc\n", "c\nx\n"]
