"""Kill any part of the whole stack: it comes back."""

import json
import os
import signal
import stat
import time
from pathlib import Path

import pytest

from lumi_local.parts import NAMES
from tests.stack.processes import eventually, lumi, pids


@pytest.mark.parametrize("part", NAMES)
def test_killed_part_comes_back(running, part):
    before = pids(running)
    os.kill(before[part], signal.SIGKILL)

    def back() -> bool:
        return lumi(running, "status").returncode == 0 and pids(running)[part] != before[part]

    assert eventually(back, seconds=30), lumi(running, "status").stdout


def test_second_up_is_quick_and_changes_nothing(running):
    assert eventually(lambda: lumi(running, "status").returncode == 0)
    before = pids(running)
    started = time.monotonic()

    assert lumi(running, "up").returncode == 0

    assert pids(running) == before
    assert time.monotonic() - started < 10


def test_stack_file_says_where_everything_is(running):
    file = Path(running["LUMI_HOME"]) / "stack.json"
    base = int(running["LUMI_PORT_BASE"])

    stack = json.loads(file.read_text())

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stack["version"] == 1
    assert stack["gateway"] == f"http://127.0.0.1:{running['LUMI_GATEWAY_PORT']}"
    assert Path(stack["data"]).is_dir()
    assert stack["admin"]["email"]
    assert stack["admin"]["password"]
    assert stack["services"]["orders"]["public"] == f"127.0.0.1:{base + 203}"
    assert stack["services"]["orders"]["internal"] == f"127.0.0.1:{base + 303}"
    assert set(stack["services"]) == {"identity", "catalogue", "orders", "payments", "marketing"}
