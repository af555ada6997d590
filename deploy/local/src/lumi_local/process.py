"""What every program that we start has in common: its spec file, free ports, and waiting for it to be there."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lumi_local.account import Account

LOOPBACK = "127.0.0.1"
CHILD = Path(__file__).with_name("child.py")


class StackError(Exception):
    """Something that the person at the keyboard has to know or mend; shown without a traceback."""


@dataclass(frozen=True)
class Spec:
    """How to start one program; `child.py` reads it from a file."""

    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict)
    account: Account | None = None
    death_signal: str = "SIGTERM"

    def text(self) -> str:
        return json.dumps(
            {
                "argv": list(self.argv),
                "cwd": str(self.cwd),
                "env": dict(self.env),
                "uid": self.account and self.account.uid,
                "gid": self.account and self.account.gid,
                "death_signal": self.death_signal,
            },
            indent=1,
        )

    def write(self, path: Path) -> bool:
        """Write the spec, readable by us alone; False when the same was there already."""
        return write_private(path, self.text())

    def start(self, path: Path, log: Path) -> subprocess.Popen[bytes]:
        """Start the program as a child of this process."""
        self.write(path)
        with log.open("ab") as output:
            return subprocess.Popen(launch_command(path), stdout=output, stderr=output, stdin=subprocess.DEVNULL)


def launch_command(spec: Path) -> list[str]:
    """The command that becomes the program of a spec file."""
    return [sys.executable, "-I", "-S", str(CHILD), str(spec)]


def write_private(path: Path, text: str) -> bool:
    """Put text into a file of mode 0600, whole or not at all; False when it was there already."""
    if path.exists() and path.read_text() == text:
        return False
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)
    return True


def free_port() -> int:
    """A loopback port that nobody listens on just now, below those that the system gives to clients meanwhile."""
    while not port_is_free(port := random.randrange(10000, 20000)):
        pass
    return port


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def wait_until(ready: Callable[[], bool], what: str, *, seconds: float, pause: float = 0.03) -> None:
    """Wait for something to become true; StackError when it has not within `seconds`."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise StackError(f"{what} within {seconds:g} s")
        time.sleep(pause)
