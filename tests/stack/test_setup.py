"""Setting up a checkout says what is missing before it fails on it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from lumi_local.settings import CHECKOUT

SETUP = Path("deploy/local/setup_checkout.py")


def test_python_without_venv_is_told_what_to_install(tmp_path):
    (tmp_path / SETUP).parent.mkdir(parents=True)
    shutil.copy(CHECKOUT / SETUP, tmp_path / SETUP)
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "dev.txt").touch()
    (tmp_path / "ensurepip.py").write_text("raise ImportError('as on a bare Debian')")

    done = subprocess.run(
        [sys.executable, tmp_path / SETUP],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 1
    assert "python3-venv" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_locks_name_no_place_to_download_from():
    for lock in (CHECKOUT / "requirements").glob("*.txt"):
        assert "://" not in lock.read_text(), lock
