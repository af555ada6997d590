import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from lumi_common import crash
from lumi_common.settings import Settings

PLACE_ORDER = "lumi.orders.v1.OrderService/PlaceOrder"
# Passes the same two points, three times over, and says so.
_WALK = """
import sys
from lumi_common import crash
from lumi_common.logs import configure_logs
configure_logs("orders")
crash.arm(sys.argv[1])
for _ in range(3):
    for point in ((sys.argv[2], "before_reply"), ("orders.relay", "after_publish", "order.placed")):
        if crash.armed:
            crash.point(*point)
        print(point[1], flush=True)
"""


def walk(at: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", _WALK, str(at), PLACE_ORDER], capture_output=True, text=True)


def test_nobody_dies_unasked():
    assert walk("").returncode == 0
    assert not crash.armed


@pytest.mark.parametrize(
    ("at", "passed"),
    [
        ("orders.PlaceOrder.before_reply", 0),
        ("orders.relay.after_publish.order.placed", 1),
        ("orders.PlaceOrder.before_reply:3", 4),
    ],
)
def test_a_process_kills_itself_at_the_point_that_is_named_and_says_so(at, passed):
    walked = walk(at)

    assert (walked.returncode, len(walked.stdout.split())) == (-signal.SIGKILL, passed)
    assert json.loads(walked.stderr)["point"] == at.partition(":")[0]


@pytest.mark.parametrize("at", ["orders.PlaceOrder", "orders.PlaceOrder.before_reply:4", "orders.relay.before_reply"])
def test_other_points_are_passed(at):
    assert walk(at).returncode == 0


def test_of_a_point_that_is_armed_in_a_folder_one_process_dies_once(tmp_path):
    (tmp_path / "orders.PlaceOrder.before_reply").touch()

    assert [walk(tmp_path).returncode, walk(tmp_path).returncode] == [-signal.SIGKILL, 0]
    [left] = tmp_path.iterdir()
    assert left.name.startswith("orders.PlaceOrder.before_reply@")


@pytest.mark.parametrize("at", ["orders.PlaceOrder:0", "orders.PlaceOrder:often", "a:1:2", "crash/here"])
def test_what_names_no_point_and_no_folder_is_refused(monkeypatch, at):
    monkeypatch.setenv("LUMI_ENV", "local")
    monkeypatch.setenv("LUMI_POSTGRES_DSN", "postgres://nowhere")
    monkeypatch.setenv("LUMI_PLAINTEXT_INTERNAL", "1")
    monkeypatch.setenv("LUMI_CRASH_AT", at)

    with pytest.raises(ValidationError, match="crash_at"):
        Settings()
