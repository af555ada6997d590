import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from lumi_demo.settings import NoStack, Settings, Stack


@pytest.mark.parametrize(("said", "count"), [("300", 300), ("10", 10), ("all", None)])
def test_the_number_of_baskets_is_a_number_or_all(
    monkeypatch: pytest.MonkeyPatch, said: str, count: int | None
) -> None:
    monkeypatch.setenv("LUMI_DEMO_BASKETS", said)

    assert Settings().count == count


@pytest.mark.parametrize("said", ["0", "-3", "some", ""])
def test_no_other_number_of_baskets_is_taken(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv("LUMI_DEMO_BASKETS", said)

    with pytest.raises(ValidationError):
        Settings()


def test_without_a_stack_the_demo_says_how_to_start_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LUMI_HOME", str(tmp_path))

    with pytest.raises(NoStack, match="make up"):
        Stack.read()


def test_the_stack_is_what_its_file_tells(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LUMI_HOME", str(tmp_path))
    told = {
        "gateway": "http://127.0.0.1:8080",
        "postgres": "postgresql://postgres@127.0.0.1:7432/lumi",
        "admin": {"email": "admin@lumi.example", "password": "made by make up"},
        "services": {"orders": {"public": "127.0.0.1:7203"}},
    }
    (tmp_path / "stack.json").write_text(json.dumps(told))

    stack = Stack.read()

    assert stack.gateway == "http://127.0.0.1:8080"
    assert stack.household_password(1) == stack.household_password(1) != stack.household_password(2)
