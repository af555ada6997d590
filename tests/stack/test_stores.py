"""The command line on the two parts that start fastest."""

import os
import signal
import socket
import stat
from pathlib import Path

from tests.stack.processes import STORES, eventually, lumi, pids, processes_of


def test_taken_port_is_named_with_the_setting_that_moves_it(environment):
    port = int(environment["LUMI_PORT_BASE"]) + 432
    with socket.create_server(("127.0.0.1", port)):
        done = lumi(environment, "up", "--only", STORES)

    assert done.returncode == 1
    assert str(port) in done.stdout
    assert "PostgreSQL" in done.stdout
    assert "LUMI_PORT_BASE" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_down_leaves_no_process_and_keeps_the_data(stores):
    home = Path(stores["LUMI_HOME"])
    assert lumi(stores, "up", "--only", STORES).returncode == 0
    assert lumi(stores, "down").returncode == 0

    assert processes_of(home) == []
    assert not (home / "stack.json").exists()
    up_again = lumi(stores, "up", "--only", STORES)
    assert up_again.returncode == 0
    assert "a new database" not in up_again.stdout


def test_two_checkouts_run_side_by_side(stores, another_environment):
    for settings in (stores, another_environment):
        assert lumi(settings, "up", "--only", STORES).returncode == 0

    assert len(set(pids(stores).values()) | set(pids(another_environment).values())) == 4
    assert lumi(stores, "down").returncode == 0
    assert lumi(another_environment, "status").returncode == 0


def test_nothing_outlives_a_killed_supervisor_and_the_next_up_recovers(stores):
    home = Path(stores["LUMI_HOME"])
    lumi(stores, "up", "--only", STORES)

    os.kill(int((home / "run" / "supervisord.pid").read_text()), signal.SIGKILL)

    assert eventually(lambda: processes_of(home) == [])
    assert lumi(stores, "up", "--only", STORES).returncode == 0


def test_secrets_are_for_their_owner_alone(stores):
    home = Path(stores["LUMI_HOME"])
    lumi(stores, "up", "--only", STORES)

    assert stat.S_IMODE(home.stat().st_mode) == 0o711
    secret = [home / "stack.json", home / "secrets.json", home / "nats" / "nats.json", home / "run" / "postgres.json"]
    for file in [*secret, *(home / "certificates").iterdir()]:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    password = (home / "secrets.json").read_text().split('"postgres": "')[1].split('"')[0]
    assert not any(password in command for command in processes_of(home))


def test_wrong_setting_is_named(stores):
    done = lumi(stores | {"LUMI_PORT_BASE": "seven"}, "up")

    assert done.returncode == 1
    assert "LUMI_PORT_BASE" in done.stdout


def test_clean_removes_everything(stores):
    home = Path(stores["LUMI_HOME"])
    lumi(stores, "up", "--only", STORES)

    assert lumi(stores, "clean").returncode == 0

    assert not home.exists()
    assert processes_of(home) == []
