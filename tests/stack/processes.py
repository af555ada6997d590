"""What runs for a stack, seen from outside: by the operating system and by the command line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

STORES = "postgres,nats"


def lumi(environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the stack as `make` does."""
    return subprocess.run(
        [sys.executable, "-m", "lumi_local", *arguments],
        env=os.environ | dict(environment) | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
    )


def pids(environment: Mapping[str, str]) -> dict[str, int]:
    """The process of each part, as `make status` tells it."""
    rows = re.findall(r"^(\w+) +127\.0\.0\.1:\d+ +(\d+) ", lumi(environment, "status").stdout, re.MULTILINE)
    return {name: int(pid) for name, pid in rows}


def processes_of(home: Path) -> list[str]:
    """Command lines of all processes that belong to a home, found by its path in their arguments or environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            told = command + (folder / "environ").read_bytes()
        except OSError:
            continue  # somebody else's, or gone meanwhile
        if os.fsencode(home) in told and int(folder.name) != os.getpid():
            found.append(command.replace(b"\0", b" ").decode(errors="replace"))
    return found


def eventually(true: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Whether something becomes true in time."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True
