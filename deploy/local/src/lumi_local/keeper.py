"""What several test processes share: started by the first, stopped after the last, whatever became of them.

Each user holds a shared lock on the folder's `users` file. A keeper process starts the thing, then waits for that
lock exclusively: it gets it when the kernel has released the last user's, be they done or killed.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import FrameType
from typing import IO, Any

from lumi_local.process import StackError, wait_until, write_private

State = dict[str, Any]
Kept = Callable[[Path], AbstractContextManager[State]]

SECONDS_TO_START = 180


@contextmanager
def shared(kind: str) -> Iterator[tuple[Path, State]]:
    """Use what the keeper of this kind keeps: its folder and its state; may wait for it to start."""
    users = _join(_session_folder(kind))
    folder = Path(users.name).parent
    with users:
        with locked(folder / "door"):
            if not (folder / "state.json").exists():
                _start(kind, folder)
        yield folder, json.loads((folder / "state.json").read_text())


def keep(folder: Path, kept: Kept) -> None:
    """The keeper's own life: start, tell the state, wait for the last user, stop, remove the folder."""
    signal.signal(signal.SIGTERM, _leave)
    with kept(folder) as state:
        write_private(folder / "state.json", json.dumps(state))
        users = (folder / "users").open("a")
        fcntl.flock(users, fcntl.LOCK_EX)
    # Still locked: who comes now waits, finds the folder gone, and begins anew.
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that excludes every other process."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _session_folder(kind: str) -> Path:
    """One folder for all workers of an xdist run, else one of this process; in /tmp, where any account may enter."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", f"{os.getpid()}")
    return Path("/tmp") / f"lumi-test-{os.getuid()}-{run}-{kind}"


def _join(folder: Path) -> IO[str]:
    while True:
        folder.mkdir(mode=0o711, exist_ok=True)
        if folder.lstat().st_uid != os.getuid():
            raise StackError(f"{folder} belongs to somebody else")
        folder.chmod(0o711)
        path = folder / "users"
        try:
            users = path.open("a")
            fcntl.flock(users, fcntl.LOCK_SH)
            if path.stat().st_ino == os.fstat(users.fileno()).st_ino:
                return users
        except FileNotFoundError:
            pass  # a keeper that was leaving has removed it; the next round makes another


def _start(kind: str, folder: Path) -> None:
    log = folder / "keeper.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "lumi_local.testing", kind, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for the tests; the keeper sees them leave
        )

    def ready() -> bool:
        if process.poll() is not None:
            raise StackError(f"the {kind} for tests did not start:\n{log.read_text()}")
        return (folder / "state.json").exists()

    wait_until(ready, f"the {kind} for tests did not start (see {log})", seconds=SECONDS_TO_START)


def _leave(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(1)
